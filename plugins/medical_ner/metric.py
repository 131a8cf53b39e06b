"""The metric: counts of distinct names, of mentions by offsets, and of relations."""

from __future__ import annotations

from collections.abc import Iterable

from fieldsmith import Counts, Example, Prediction, Record, set_counts

from .occurrences import Span, longest_occurrences

Pair = tuple[str, str]
"""A relation's chemical and disease, case-folded."""

NAMED = ("chemicals", "diseases")


def counts(example: Example, prediction: Prediction) -> dict[str, Counts]:
    """Return (matched, predicted, gold) by name, for each field that the gold record has.

    - ``chemicals``, ``diseases``: sets of case-folded strings.
    - ``chemicals_mentions``, ``diseases_mentions``: sets of spans, where offsets are known.
      Each whole-word occurrence of a predicted string counts as a predicted mention.
    - ``relations``: a predicted pair is right if its ends are names of the gold pair's concepts:
      the names in the gold record or any other name that the document uses for the concept.

    A field that the gold record does not have is not annotated, so nothing is counted for it.
    """
    gold = example.record or {}
    predicted = prediction.record or {}
    result: dict[str, Counts] = {}
    for field in NAMED:
        if field in gold:
            names = predicted.get(field, [])
            result[field] = set_counts(gold[field], names)
            if _knows_mentions(example, field):
                result[f"{field}_mentions"] = _mention_counts(example, field, names)
    if "relations" in gold:
        result["relations"] = _relation_counts(example, predicted)
    return result


def _knows_mentions(example: Example, field: str) -> bool:
    """Return whether the field's offsets are known; an empty list has a pointer of its own."""
    return any(pointer.split("/")[1] == field for pointer in example.mentions)


def _mention_counts(example: Example, field: str, names: Iterable[str]) -> Counts:
    gold = {
        (start, end)
        for pointer, spans in example.mentions.items()
        if pointer.startswith(f"/{field}/")
        for start, end in spans
    }
    spans_by_name = longest_occurrences(names, example.document.text)
    predicted: set[Span] = {span for spans in spans_by_name.values() for span in spans}
    return Counts(float(len(gold & predicted)), float(len(predicted)), float(len(gold)))


def _relation_counts(example: Example, predicted: Record) -> Counts:
    """Count relations; several predictions that match the same gold relation count once.

    Otherwise a second right name for a relation would count as a wrong prediction.
    """
    numbers = range(len(_relations(example.record)))
    gold = [_names_of_relation(example, number) for number in numbers]
    matched: set[int] = set()
    wrong: set[Pair] = set()
    for pair in {_pair(relation) for relation in _relations(predicted)}:
        hits = {number for number, names in enumerate(gold) if _names_both(names, pair)}
        matched |= hits
        if not hits:
            wrong.add(pair)
    return Counts(float(len(matched)), float(len(matched) + len(wrong)), float(len(gold)))


def _relations(record: Record | None) -> list[dict[str, str]]:
    relations: list[dict[str, str]] = (record or {}).get("relations", [])
    return relations


def _pair(relation: dict[str, str]) -> Pair:
    return _folded(relation["chemical"]), _folded(relation["disease"])


def _folded(name: str) -> str:
    # As in set_counts: a line break inside a name does not make it another name.
    return " ".join(name.casefold().split())


def _names_of_relation(example: Example, number: int) -> tuple[set[str], set[str]]:
    """Return every case-folded name of a gold relation's chemical, and of its disease."""
    relation = _relations(example.record)[number]
    text = example.document.text
    names: list[set[str]] = []
    for end in ("chemical", "disease"):
        spans = example.mentions.get(f"/relations/{number}/{end}", ())
        names.append({_folded(relation[end]), *(_folded(text[slice(*span)]) for span in spans)})
    return names[0], names[1]


def _names_both(names: tuple[set[str], set[str]], pair: Pair) -> bool:
    return pair[0] in names[0] and pair[1] in names[1]
