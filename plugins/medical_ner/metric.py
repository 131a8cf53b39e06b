"""What is counted for one document: names as sets, mentions by their offsets, relations."""

from __future__ import annotations

from collections.abc import Iterable

from fieldsmith import Counts, Example, Prediction, Record, set_counts

from .occurrences import Span, claimed

Pair = tuple[str, str]
"""A relation's chemical and disease, case-folded."""

NAMED = ("chemicals", "diseases")


def counts(example: Example, prediction: Prediction) -> dict[str, Counts]:
    """Return (matched, predicted, gold) by name, for each key that the gold record has.

    - ``chemicals``, ``diseases``: sets of case-folded strings.
    - ``chemicals_mentions``, ``diseases_mentions``: sets of spans, where offsets are known.
      A predicted string stands for each of its whole-word occurrences.
    - ``relations``: a predicted pair is right if both of its ends are names of the gold pair's
      concepts, be it the names that the record gives or others that the document uses.

    A key that the gold record does not have is not annotated, so nothing is counted for it.
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
    """Say whether the field's offsets are known; a list without any has a pointer of its own."""
    return any(pointer.split("/")[1] == field for pointer in example.mentions)


def _mention_counts(example: Example, field: str, names: Iterable[str]) -> Counts:
    gold = {
        (start, end)
        for pointer, spans in example.mentions.items()
        if pointer.startswith(f"/{field}/")
        for start, end in spans
    }
    spans_by_name = claimed(names, example.document.text)
    predicted: set[Span] = {span for spans in spans_by_name.values() for span in spans}
    return (float(len(gold & predicted)), float(len(predicted)), float(len(gold)))


def _relation_counts(example: Example, predicted: Record) -> Counts:
    """Count distinct gold relations; all predictions that match the same ones count as these.

    Otherwise two right names for one relation would make a wrong prediction out of one of them.
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
    return (float(len(matched)), float(len(matched) + len(wrong)), float(len(gold)))


def _relations(record: Record | None) -> list[dict[str, str]]:
    relations: list[dict[str, str]] = (record or {}).get("relations", [])
    return relations


def _pair(relation: dict[str, str]) -> Pair:
    return _folded(relation["chemical"]), _folded(relation["disease"])


def _folded(name: str) -> str:
    # As set_counts does it: a line break inside a name makes no other name of it.
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
