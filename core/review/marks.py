"""What of a record annotation tools can mark in its text, and what they cannot.

A field of a record becomes a label. Tools mark spans, and some link two of them; ``marked_fields``
says what of a schema that is. All other values are counted, by field.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..data import Example, Grounding, Schema, Span
from ..dataset.marked_fields import MarkedField, marked_fields, stem
from ..schema.pointers import Leaf, field_of, leaves, parse_pointer, pointer_of
from ..text.grounding import ground

IS_INSIDE = "left out: inside objects, where nothing can be marked"
IS_NO_TEXT = "left out: not copied from the document"
IS_ELSEWHERE = "left out: not in the document"
IS_ALONE = "left out: in an object that lacks its other value, to link it with"
IS_WRITTEN_OTHERWISE = "written otherwise in the document: what comes back is what it writes"
"""What is said of a number of values."""


class LabelledSpan(NamedTuple):
    """A piece of a text with a label; offsets are in code points."""

    start: int
    end: int
    label: str


class Link(NamedTuple):
    """A link of two values: a label, and for both all spans that mention it."""

    label: str
    ends: tuple[frozenset[LabelledSpan], frozenset[LabelledSpan]]


class Marks(NamedTuple):
    """What is marked in a text.

    Attributes:
        spans: in the order of the text.
        links: in the order of the record.
        notes: number of values by field and what is said of them.
    """

    spans: Sequence[LabelledSpan]
    links: Sequence[Link]
    notes: Mapping[tuple[str, str], int]


def marks_of(example: Example, schema: Schema, *, with_links: bool) -> Marks:
    """Return what can be marked of an example.

    A value with annotated mentions has these, another one all its occurrences.

    Args:
        example: the document and its record.
        schema: of the record.
        with_links: whether the tool can link spans.
    """
    fields = marked_fields(schema)
    record = example.record or {}
    grounding = ground(record, example.document.text)
    notes: Counter[tuple[str, str]] = Counter()
    spans: set[LabelledSpan] = set()
    ends: dict[str, dict[str, list[Span]]] = {}
    for pointer, value in leaves(record):
        if value is None:
            continue
        path = parse_pointer(pointer)
        field = fields.get(path[0])
        found = _spans(example, pointer, grounding[pointer])
        if note := _why_not(field, value, path, found, with_links=with_links):
            notes[field_of(pointer), note] += 1
            continue
        assert field is not None
        if not field.is_list:
            found = _of_one_text(found, str(value), example.document.text)
        texts = [example.document.text[slice(*span)] for span in sorted(found)]
        if any(text != value for text in (texts[:1] if field.is_link else texts)):
            notes[field_of(pointer), IS_WRITTEN_OTHERWISE] += 1
        if field.is_link:
            ends.setdefault(pointer_of(path[:2]), {})[path[2]] = found
        else:
            label = field.label if with_links else field.name
            spans.update(LabelledSpan(*span, label) for span in found)
    links = _links(ends, fields, spans, notes)
    spans.update(span for link in links for end in link.ends for span in end)
    return Marks(sorted(spans), links, notes)


def _spans(example: Example, pointer: str, grounding: Grounding) -> list[Span]:
    text = example.document.text
    spans = example.mentions.get(pointer) or grounding.spans
    return [(start, end) for start, end in spans if text[start:end].strip()]


def _why_not(
    field: MarkedField | None,
    value: Leaf,
    path: Sequence[str],
    spans: Sequence[Span],
    *,
    with_links: bool,
) -> str:
    """Say why a value cannot be marked; "" if it can."""
    is_inside = any(not part.isdigit() for part in path[1:])
    if (field is None and is_inside) or (field is not None and field.is_link and not with_links):
        return IS_INSIDE
    if field is None or not isinstance(value, str):
        return IS_NO_TEXT
    return "" if spans else IS_ELSEWHERE


def _of_one_text(spans: Sequence[Span], value: str, text: str) -> list[Span]:
    """Return the spans of one text, the value's own if it is there: others are other values."""
    texts = [text[start:end] for start, end in spans]
    kept = value if value in texts else texts[0]
    return [span for span, found in zip(spans, texts, strict=True) if found == kept]


def _links(
    ends: Mapping[str, Mapping[str, Sequence[Span]]],
    fields: Mapping[str, MarkedField],
    spans: Iterable[LabelledSpan],
    notes: Counter[tuple[str, str]],
) -> list[Link]:
    """Return the links of objects; their ends have the labels of values that stand there."""
    labels: dict[Span, list[str]] = {}
    for span in sorted(spans):
        labels.setdefault((span.start, span.end), []).append(span.label)
    found = []
    for pointer, values in ends.items():
        field = fields[parse_pointer(pointer)[0]]
        if len(values) < len(field.keys):
            for key in values:
                notes[f"{field.name}/{key}", IS_ALONE] += 1
            continue
        one, other = (
            frozenset(
                LabelledSpan(*span, _label_at(labels.get(span, ()), key, own))
                for span in values[key]
            )
            for key, own in zip(field.keys, field.labels, strict=True)
        )
        found.append(Link(field.label, (one, other)))
    return found


def _label_at(labels: Sequence[str], key: str, own: str) -> str:
    """Return the label of an end: that of a value there, if one is called as the end is."""
    alike = (label for label in labels if stem(label) == stem(key))
    return next(alike, labels[0] if len(labels) == 1 else own)
