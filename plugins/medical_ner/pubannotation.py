"""Read PubAnnotation JSON: a text with denotations and relations; one object, a list, or lines.

::

    {"sourcedb": "PubMed", "sourceid": "354896", "text": "Lidocaine-induced cardiac asystole.",
     "denotations": [{"id": "T1", "span": {"begin": 0, "end": 9}, "obj": "Chemical"},
                     {"id": "T2", "span": {"begin": 18, "end": 34}, "obj": "Disease"}],
     "relations": [{"id": "R1", "pred": "CID", "subj": "T1", "obj": "T2"}],
     "attributes": [{"id": "A1", "subj": "T1", "pred": "identifier", "obj": "MESH:D008012"}]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fieldsmith import Reject, SourceFile

from .annotations import AnnotatedText, Annotation, Fault, Relation, Span, concepts_of, number_of
from .json_values import values_of

_CONCEPT_KEYS = ("identifier", "mesh", "omim", "normalization", "reference")
_CHAINED = "_lexicallyChainedTo"
"""A relation from one part of a discontinuous mention to the part before it."""


def documents(file: SourceFile) -> Iterator[AnnotatedText | Reject]:
    """Yield the documents of a file.

    Raises:
        InputError: the file is not JSON.
    """
    for number, (place, value) in enumerate(values_of(file.path), start=1):
        if isinstance(value, Reject):
            yield value
        elif not isinstance(value, dict) or not isinstance(value.get("text"), str):
            yield Reject(place, "", _no_text(value))
        else:
            yield _document(value, place, f"{file.name}:{number}")


def _no_text(value: Any) -> str:
    if isinstance(value, dict) and "denotations" in value:
        return "annotations of PubAnnotation without their text, which is wanted as the key text"
    return "an object with a text is wanted"


def _document(value: Mapping[str, Any], place: str, default: str) -> AnnotatedText:
    parts = (str(value[key]) for key in ("sourceid", "divid") if value.get(key) not in (None, ""))
    name, text = "-".join(parts) or default, value["text"]
    tracks = [value, *_objects(value.get("tracks"))]
    is_annotated = any("denotations" in track for track in tracks)
    try:
        found = [_track(track, place, number) for number, track in enumerate(tracks)]
    except Fault as fault:
        return AnnotatedText(name, text, place=place, fault=fault)
    annotations = tuple(each for annotations, _relations in found for each in annotations)
    relations = tuple(each for _annotations, relations in found for each in relations)
    return AnnotatedText(name, text, annotations, relations, place, is_annotated=is_annotated)


def _track(
    track: Mapping[str, Any], place: str, number: int
) -> tuple[list[Annotation], list[Relation]]:
    """Return the annotations and relations of a document, or of one project in its tracks.

    Raises:
        Fault: one of them is of another form.
    """
    prefix = f"{number}/" if number else ""  # ids of one project are none of another's
    concepts: dict[str, str] = {}
    for attribute in _objects(track.get("attributes")):
        if str(attribute.get("pred", "")).casefold() in _CONCEPT_KEYS:
            name = str(attribute.get("subj"))
            concepts[name] = f"{concepts.get(name, '')}|{attribute.get('obj', '')}"
    annotations: dict[str, Annotation] = {}
    for at, each in enumerate(_listed(track, "denotations", place)):
        where = f"{place}/denotations/{at}"
        name = str(each.get("id") or f"#{at}")
        kind, _, concept = str(each.get("obj") or "").partition(":")
        known = concepts_of(f"{concept}|{concepts.get(name, '')}")
        spans = _spans(each.get("span"), where)
        annotations[name] = Annotation(kind, spans, None, known, where, prefix + name)
    relations = []
    for at, each in enumerate(_listed(track, "relations", place)):
        kind, ends = str(each.get("pred") or ""), (str(each.get("subj")), str(each.get("obj")))
        if kind == _CHAINED and all(end in annotations for end in ends):
            _chain(annotations, *ends)
        else:
            where = f"{place}/relations/{at}"
            relations.append(Relation(kind, (prefix + ends[0], prefix + ends[1]), where, True))
    return list(annotations.values()), relations


def _chain(annotations: dict[str, Annotation], part: str, before: str) -> None:
    """Join a part of a mention to the part before it."""
    later, earlier = annotations.pop(part), annotations[before]
    spans = tuple(sorted({*earlier.spans, *later.spans}))
    kept = later if earlier.type.startswith("_") else earlier  # "_FRAGMENT" is no type of its own
    annotations[before] = Annotation(
        kept.type, spans, None, kept.concepts, earlier.place, earlier.id
    )


def _spans(value: Any, place: str) -> tuple[Span, ...]:
    spans = []
    for span in value if isinstance(value, list) else [value]:
        if not isinstance(span, dict):
            raise Fault(place, 'a span {"begin": …, "end": …} is wanted')
        start, end = (number_of(_digits(span.get(key)), place) for key in ("begin", "end"))
        spans.append((start, end))
    return tuple(spans)


def _digits(value: Any) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""


def _listed(track: Mapping[str, Any], key: str, place: str) -> list[Mapping[str, Any]]:
    found = track.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Fault(place, f"{key} is no list of objects")
    return found


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
