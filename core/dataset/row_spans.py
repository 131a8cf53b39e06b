"""Rows whose annotations are spans of the text with labels: Prodigy, Label Studio, brat, PubTator.

Spans of brat and PubTator may also be linked, which makes objects of two values.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..data import Schema
from ..plugins import Plugin
from ..schema.navigation import resolve, types_of
from ..schema.pointers import pointer_of
from ..schema.records import canonical
from .marked_fields import MarkedField, field_of_label, marked_fields
from .row_names import renamed_row

LINKS = "links"
"""Key of a row's links: each has a label, and for both ends all spans that mention it."""


PASSED_OVER = "passed over"
"""Key of a row's kinds of annotations that are no spans."""


_Spans = list[list[int]]


def known_keys(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what rows of conversations, triples and spans have as the core's own rows do."""
    return {key: row[key] for key in ("id", "split", "url", "path", "teacher") if key in row}


def has_spans(row: Mapping[str, Any]) -> bool:
    """Say whether a row's annotations are spans with labels."""
    return is_task(row) or ("text" in row and "spans" in row and "record" not in row)


def is_task(row: Mapping[str, Any]) -> bool:
    """Say whether a row is a task of Label Studio."""
    data = row.get("data")
    return isinstance(data, dict) and isinstance(data.get("text"), str) and "annotations" in row


def labelled_fields(rows: Iterable[Mapping[str, Any]], plugin: Plugin) -> set[str]:
    """Return the fields that spans of some rows are labelled with.

    These are annotated in all of the rows: one without such a span has no such value.
    """
    rows = (renamed_row(dict(row), plugin.names) for row in rows)
    return fields_of_labels(
        {each for row in rows if has_spans(row) for each in _labels(row)}, plugin
    )


def fields_of_labels(labels: Iterable[tuple[str, bool]], plugin: Plugin) -> set[str]:
    """Return the fields that labels stand for.

    Args:
        labels: each, and whether it is of links.
        plugin: see ``field_of_label``.
    """
    marked = marked_fields(plugin.schema)
    fields = (field_of_label(label, marked, plugin, is_link=is_link) for label, is_link in labels)
    return {field for field in fields if field is not None}


def labels_passed_over(row: Mapping[str, Any], plugin: Plugin) -> tuple[str, ...]:
    """Return a kind for each annotation of a row that no field can hold."""
    row = renamed_row(dict(row), plugin.names)
    if not has_spans(row):
        return ()
    marked = marked_fields(plugin.schema)
    of_ends = {label for field in marked.values() for label in field.labels}
    others = [
        f"{'link' if is_link else 'span'} {label}"
        for label, is_link in _labels(row)
        if label not in of_ends and field_of_label(label, marked, plugin, is_link=is_link) is None
    ]
    return (*others, *row.get(PASSED_OVER, ()))


def of_spans(row: dict[str, Any], plugin: Plugin, labelled: Collection[str]) -> dict[str, Any]:
    """Return a row of spans with labels in the core's form.

    It has no record if a person rejected or passed over it.

    Args:
        row: of a tool.
        plugin: its schema and names say which field a label stands for.
        labelled: fields that are annotated in all rows, see ``labelled_fields``.

    Raises:
        ValueError: a span is none of the text, or a field with one value has several.
    """
    if is_task(row):
        return _of_task(row, plugin, labelled)
    text = row["text"]
    known = known_keys(row) | {"text": text}
    if row.get("answer", "accept") != "accept" or not isinstance(text, str):
        return known
    record, mentions = _record(text, row["spans"] or [], _links_of(row), plugin, labelled)
    return known | {"record": record, "mentions": mentions}


def _of_task(row: dict[str, Any], plugin: Plugin, labelled: Collection[str]) -> dict[str, Any]:
    """Return a task in the core's form; if its annotators differ, as reviewers who do."""
    # The id of the document that it was made of, else the number that Label Studio gave it.
    both = {**row, **row["data"]}
    text = row["data"]["text"]
    known = {key: both[key] for key in ("id", "teacher") if key in both} | {"text": text}
    done = _annotations(row)
    found = [
        _record(text, _in_code_points(_spans_of(each), text), (), plugin, labelled) for each in done
    ]
    if not found:
        return known
    known |= {"record": found[0][0], "mentions": found[0][1]}
    if len({_unordered(record) for record, _mentions in found}) > 1:
        known["reviews"] = [
            {"reviewer": str(each.get("completed_by")), "decision": "annotated", "record": record}
            for each, (record, _mentions) in zip(done, found, strict=True)
        ]
    return known


def _unordered(record: Mapping[str, Any]) -> str:
    """Return what two records have in common that differ in the order of their lists alone."""
    return canonical(
        {
            name: sorted(value, key=canonical) if isinstance(value, list) else value
            for name, value in record.items()
        }
    )


def _labels(row: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield each label, and whether it is of a link."""
    if is_task(row):
        spans = [span for each in _annotations(row) for span in _spans_of(each)]
    else:
        spans = row["spans"] or []
    for each, is_link in itertools.chain(
        ((span, False) for span in spans), ((link, True) for link in _links_of(row))
    ):
        if isinstance(each, dict) and isinstance(each.get("label"), str):
            yield each["label"], is_link


def _links_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the links of a row; other tools may have something else by this name."""
    given = row.get(LINKS)
    return [
        each
        for each in (given if isinstance(given, list) else ())
        if isinstance(each, dict) and each.keys() == {"label", "ends"}
    ]


def _annotations(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the annotations of a task that count.

    One that is cancelled does not; if one is marked as ground truth, none of the others does.
    """
    done = [
        each
        for each in row["annotations"] or ()
        if isinstance(each, dict) and not each.get("was_cancelled")
    ]
    return [each for each in done if each.get("ground_truth")] or done


def _spans_of(annotation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the spans of an annotation of a task."""
    found = [each.get("value") for each in annotation.get("result") or () if isinstance(each, dict)]
    return [
        {**{key: value.get(key) for key in ("start", "end", "text")}, "label": label}
        for value in found
        if isinstance(value, dict)
        for label in value.get("labels") or ()
    ]


def _in_code_points(spans: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Return spans of Label Studio with offsets in code points.

    Old versions count UTF-16 units, as JavaScript does. What a span says of the text that it marks
    tells which of the two it is.

    Raises:
        ValueError: it is neither.
    """
    if text.isascii() or max(text) <= "\uffff" or _are_at(spans, text):
        return spans
    units = [
        number for number, letter in enumerate(text) for _ in range(1 + (letter > "\uffff"))
    ] + [len(text)]
    counted = [
        {**each, **{key: _point(each.get(key), units) for key in ("start", "end")}}
        for each in spans
    ]
    if not _are_at(counted, text):
        raise ValueError(
            "the offsets of its annotation lead to another text than it says, be they counted in "
            "characters or in UTF-16 units; export it again"
        )
    return counted


def _point(unit: Any, units: Sequence[int]) -> Any:
    return units[unit] if type(unit) is int and 0 <= unit < len(units) else unit


def _are_at(spans: Iterable[Mapping[str, Any]], text: str) -> bool:
    return all(
        _bare(each["text"]) == _bare(text[each["start"] : each["end"]])
        for each in spans
        if isinstance(each.get("text"), str)
        and all(type(each.get(key)) is int for key in ("start", "end"))
    )


def _bare(text: str) -> str:
    """Return a text without white space, which Label Studio changes, and its mark for a line."""
    return "".join(text.replace("\\n", " ").split())


def _record(
    text: str,
    spans: Iterable[Any],
    links: Iterable[Any],
    plugin: Plugin,
    labelled: Collection[str],
) -> tuple[dict[str, Any], dict[str, _Spans]]:
    """Return the record of spans and links, and the spans of each of its leaves."""
    marked = marked_fields(plugin.schema)
    places: dict[str, dict[str, _Spans]] = {}
    for span in spans:
        start, end = _limits(span, len(text))
        name = field_of_label(span.get("label"), marked, plugin)
        if name is not None:
            found = places.setdefault(name, {}).setdefault(text[start:end], [])
            found += [[start, end]] if [start, end] not in found else []
    linked: dict[str, dict[tuple[str, ...], list[_Spans]]] = {}
    for link in links:
        name = field_of_label(link["label"], marked, plugin, is_link=True)
        if name is not None:
            ends = [[list(_limits(span, len(text))) for span in end] for end in link["ends"]]
            values = tuple(text[slice(*min(end))] for end in ends)
            known = linked.setdefault(name, {}).setdefault(values, [[] for _end in ends])
            for spans_of_end, added in zip(known, ends, strict=True):
                spans_of_end += [span for span in added if span not in spans_of_end]
    record: dict[str, Any] = {}
    mentions: dict[str, _Spans] = {}
    for name in plugin.schema.get("properties", {}):
        if name not in {*labelled, *places, *linked}:
            continue
        if name in marked and marked[name].is_link:
            record[name], of_links = _links(marked[name], linked.get(name, {}))
            mentions |= of_links
        else:
            at = places.get(name, {})
            for value in _as_field(list(at), name, plugin.schema, marked):
                record[name] = value
                mentions |= _mentions(name, value, list(at.values()))
    return record, mentions


def _links(
    field: MarkedField, found: Mapping[tuple[str, ...], list[_Spans]]
) -> tuple[list[dict[str, str]], dict[str, _Spans]]:
    values = [dict(zip(field.keys, texts, strict=True)) for texts in found]
    mentions = {
        pointer_of((field.name, number, key)): sorted(spans)
        for number, ends in enumerate(found.values())
        for key, spans in zip(field.keys, ends, strict=True)
    }
    return values, mentions


def _mentions(name: str, value: Any, found: Sequence[_Spans]) -> dict[str, _Spans]:
    if not isinstance(value, list):
        return dict(zip([pointer_of((name,))], found, strict=False))
    return {
        pointer_of((name, number, *(item if isinstance(item, dict) else ()))): spans
        for number, (item, spans) in enumerate(zip(value, found, strict=True))
    }


def _limits(span: Any, length: int) -> tuple[int, int]:
    start, end = (span.get("start"), span.get("end")) if isinstance(span, dict) else (None, None)
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        shown = json.dumps(span, default=str)[:60]
        raise ValueError(f"spans: {shown} is none within the text of {length} characters")
    return start, end


def _as_field(
    values: list[str], name: str, schema: Schema, marked: Mapping[str, MarkedField]
) -> Iterator[Any]:
    """Yield the texts of a label as the value of its field: a list, the only one, or null."""
    types = types_of(resolve(schema["properties"][name], schema))
    if "array" in types:
        keys = marked[name].keys if name in marked else ()
        yield [{keys[0]: value} for value in values] if keys else values
    elif len(values) > 1:
        raise ValueError(f"{name}: has one value, and the row marks {len(values)}")
    elif values:
        yield values[0]
    elif "null" in types:
        yield None
