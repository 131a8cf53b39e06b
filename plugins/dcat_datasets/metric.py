"""The metric: datasets matched one to one by title, then the fields of matched pairs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import fieldsmith
from fieldsmith import Counts, Example, Prediction, Record

from .languages import codes
from .titles import THRESHOLD, similarity

FIELDS: Mapping[str, str] = {
    "title": "dcterms:title",
    "creator": "dcterms:creator",
    "issued": "dcterms:issued",
    "language": "dcterms:language",
    "identifier": "dcterms:identifier",
    "theme": "dcat:theme",
    "keyword": "dcat:keyword",
    "landingPage": "dcat:landingPage",
    "hasVersion": "dcterms:hasVersion",
    "format": "dcterms:format",
    "task": "mls:task",
}
"""Name of a score -> key of a dataset; descriptions are not scored."""

AGREEING = ("issued", "language", "identifier", "landingPage", "hasVersion", "format")
"""Fields whose agreement is also counted: both sides have the same value, or both have none."""

Dataset = Mapping[str, Any]


def counts(example: Example, prediction: Prediction) -> dict[str, Counts]:
    """Return (matched, predicted, gold) by name.

    - ``datasets``: datasets, matched one to one by title.
    - a field's name: its values in matched pairs; nothing is counted if both sides are empty.
    - ``FIELD_agreed``: matched pairs that agree in the field; if both are empty, they agree.
    - ``values``: the values of all fields in all datasets; right only in a matched pair.

    A key that a gold dataset does not have is not annotated: nothing is counted for it.
    """
    if "datasets" not in (example.record or {}):
        return {}
    gold, predicted = _datasets(example.record), _datasets(prediction.record)
    pairs = fieldsmith.best_pairs(gold, predicted, _similarity, THRESHOLD)
    paired = [(gold[g], predicted[p]) for g, p in pairs]
    result = {"datasets": Counts(float(len(pairs)), float(len(predicted)), float(len(gold)))}
    annotated = [name for name, key in FIELDS.items() if _is_annotated(key, gold)]
    for name in annotated:
        both = [(wanted, found) for wanted, found in paired if FIELDS[name] in wanted]
        result[name] = _summed(_counts(name, wanted, found) for wanted, found in both)
        if name in AGREEING:
            agreed = sum(_values(name, wanted) == _values(name, found) for wanted, found in both)
            result[f"{name}_agreed"] = Counts(float(agreed), float(len(both)), float(len(both)))
    right, found_in_pairs, _gold_in_pairs = _summed(result[name] for name in annotated)
    others = set(range(len(predicted))) - {p for _g, p in pairs}
    found_unmatched = _size([predicted[p] for p in others], annotated)
    result["values"] = Counts(right, found_in_pairs + found_unmatched, _size(gold, annotated))
    return result


def _datasets(record: Record | None) -> Sequence[Dataset]:
    datasets: Sequence[Dataset] = (record or {}).get("datasets", [])
    return datasets


def _similarity(gold: Dataset, predicted: Dataset) -> float:
    return similarity(gold.get("dcterms:title") or "", predicted.get("dcterms:title") or "")


def _is_annotated(key: str, gold: Sequence[Dataset]) -> bool:
    """Return whether the source annotates a field; an empty list annotates all of them."""
    return not gold or any(key in dataset for dataset in gold)


def _counts(name: str, gold: Dataset, predicted: Dataset) -> Counts:
    wanted, found = _values(name, gold), _values(name, predicted)
    return Counts(float(len(wanted & found)), float(len(found)), float(len(wanted)))


def _size(datasets: Iterable[Dataset], names: Iterable[str]) -> float:
    return float(sum(len(_values(name, dataset)) for dataset in datasets for name in names))


def _summed(counts: Iterable[Counts]) -> Counts:
    matched, predicted, gold = 0.0, 0.0, 0.0
    for one in counts:
        matched, predicted, gold = matched + one[0], predicted + one[1], gold + one[2]
    return Counts(matched, predicted, gold)


def _values(name: str, dataset: Dataset) -> frozenset[str]:
    """Return the normalised values of a field as a set; a scalar is a single value."""
    given = dataset.get(FIELDS[name])
    form = _FORMS.get(name, _words)
    return frozenset(filter(None, map(form, given if isinstance(given, list) else [given or ""])))


def _words(text: str) -> str:
    """Return the case-folded words of a text, without punctuation, joined by single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"[^\W_]+", folded)) or folded.strip()


def _parts(text: str) -> str:
    """Return the parts of a list in a text, sorted: the order of languages does not count."""
    return ", ".join(sorted(filter(None, map(_words, re.split(r"[,;/&]|\band\b", text)))))


def _languages(text: str) -> str:
    """Return the languages in a text, sorted: by code, or by name where none is known."""
    return ", ".join(sorted({code or _words(name) for code, name in codes(text)}))


def _version(text: str) -> str:
    """Return a version without the word or the letter in front of its number."""
    return re.sub(r"^(?:version|v|r)\s*(?=\d)", "", _words(text))


def _address(text: str) -> str:
    """Return an address without its protocol, ``www.``, the slash at its end and case."""
    return (
        re.sub(r"^\w+://|^(?=www\.)", "", text.strip().casefold()).removeprefix("www.").rstrip("/")
    )


def _identifier(text: str) -> str:
    """Return an identifier without a prefix that names its kind: ``arXiv:``, ``doi.org/``."""
    return re.sub(
        r"^(?:dx\.)?(?:doi\.org/|doi:|arxiv\.org/(?:abs|pdf)/|arxiv:)\s*", "", _address(text)
    )


_FORMS: Mapping[str, Callable[[str], str]] = {
    "language": _languages,
    "format": _parts,
    "hasVersion": _version,
    "landingPage": _address,
    "identifier": _identifier,
}
