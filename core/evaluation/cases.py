"""Whether a run finds in a user's own texts what it must, and nothing that it must not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ..data import Document, Prediction, Record, Schema
from ..errors import InputError
from ..extraction.groups import GroupPredictor, group_size, groups_of
from ..files import write_atomically
from ..plugin_code.installed import cases_file
from ..plugins import Plugin
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.records import canonical
from ..scoring.equality import is_same
from ..text.normalization import normalised
from .case_file import Case, read_cases

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""

_SHOWN = 3
"""So many of the values that a field has are shown in a fault."""


@dataclass(frozen=True)
class Fault:
    """What is not as a case expects: the field ("" for the whole record), and what is wrong."""

    field: str
    what: str


@dataclass(frozen=True)
class CaseResult:
    """What came of a case.

    Attributes:
        name: of the case.
        reason: why it matters.
        faults: nothing, if it holds.
        record: what was found; None if there is no record.
    """

    name: str
    reason: str
    faults: tuple[Fault, ...]
    record: Record | None

    @property
    def holds(self) -> bool:
        """Whether all is as expected."""
        return not self.faults


def find_cases(plugin: Plugin, path: Path | None) -> tuple[list[Case], str]:
    """Read the cases of a file, or those that a plugin ships.

    Args:
        plugin: gives the schema.
        path: the file; None for that of the plugin.

    Returns:
        The cases, and how messages name their file.

    Raises:
        InputError: the file cannot be read, or the plugin ships none.
    """
    if path is not None:
        return read_cases(path, plugin.schema), path.name
    own = cases_file(plugin.name)
    if own is None:
        raise InputError(
            f"the plugin {plugin.name} ships no cases; name a file of your own (docs/cases.md)"
        )
    return read_cases(own, plugin.schema), f"{plugin.name}'s own"


def run_cases(predictor: GroupPredictor, cases: Sequence[Case]) -> list[CaseResult]:
    """Answer the texts, and compare the records with what is expected of them."""
    schema, size = predictor.task.schema, group_size(predictor.task.settings)
    documents = groups_of((Document(case.name, case.text) for case in cases), size)
    predictions = (each for group in predictor.predict_groups(documents) for each in group)
    return [
        CaseResult(case.name, case.reason, tuple(_faults(case, found, schema)), found.record)
        for case, found in zip(cases, predictions, strict=True)
    ]


def results_object(results: Sequence[CaseResult], file: str) -> dict[str, Any]:
    """Return results as JSON: how many cases hold, and each with its faults."""
    return {
        "file": file,
        "hold": sum(result.holds for result in results),
        "of": len(results),
        "cases": [{**asdict(result), "holds": result.holds} for result in results],
    }


def _faults(case: Case, prediction: Prediction, schema: Schema) -> Iterator[Fault]:
    if prediction.record is None:
        yield Fault("", f"no record: {prediction.error}")
        return
    record = normalised(prediction.record, schema)
    for name, values in case.must.items():
        for value in values:
            if not _has(record, name, value, schema):
                found = _listed(prediction.record.get(name))
                beside = f"; found {_shown(found)}" if found else ""
                yield Fault(name, f"missing: {_text(value)}{beside}")
    for name, values in case.must_not.items():
        for value in values:
            if _has(record, name, value, schema):
                yield Fault(name, f"found, and must not be: {_text(value)}")
    for name in case.empty:
        if found := _listed(prediction.record.get(name)):
            yield Fault(name, f"found, where nothing is: {_shown(found)}")


def _has(record: Record, name: str, value: object, schema: Schema) -> bool:
    """Say whether a field of a record has a value, or one of its values is it."""
    part = resolve(schema["properties"][name], schema)
    if "array" in types_of(part):
        value = normalised({name: [value]}, schema)[name][0]
        score, part = part.get("x-score"), resolve(part.get("items", {}), schema)
    else:
        value, score = normalised({name: value}, schema)[name], None
    return any(_agrees(value, each, part, schema, score) for each in _listed(record.get(name)))


def _agrees(
    wanted: object, found: object, part: Mapping[str, Any], schema: Schema, score: str | None
) -> bool:
    """Say whether a value is as wanted; an object may have more keys, and a list more items."""
    score = part.get("x-score", score)
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return False
        parts = {key: resolve(property_schema(part, key), schema) for key in wanted}
        return all(
            _agrees(inner, found.get(key), parts[key], schema, score)
            for key, inner in wanted.items()
        )
    if isinstance(wanted, list):
        item = resolve(part.get("items", {}), schema)
        return isinstance(found, list) and all(
            any(_agrees(inner, each, item, schema, score) for each in found) for inner in wanted
        )
    return is_same(wanted, found, part, schema, score)


def _listed(value: object) -> list[Any]:
    """Return the values of a field: the items of a list, or the one that is not null."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _text(value: object) -> str:
    return value if isinstance(value, str) else canonical(value)


def _shown(values: Sequence[object]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(map(_text, values[:_SHOWN])) + more


def write_junit(path: Path, results: Sequence[CaseResult], plugin: str) -> None:
    """Write results as JUnit XML, which services for continuous integration read.

    Raises:
        OutputError: the file cannot be written.
    """
    failed = sum(not result.holds for result in results)
    counts = {"tests": str(len(results)), "failures": str(failed), "errors": "0", "skipped": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(plugin), **counts})
    for result in results:
        attributes = {"classname": _xml(f"{plugin}.cases"), "name": _xml(result.name)}
        case = ElementTree.SubElement(suite, "testcase", attributes)
        if result.faults:
            lines = [
                f"{each.field}: {each.what}" if each.field else each.what for each in result.faults
            ]
            failure = ElementTree.SubElement(
                case, "failure", {"type": "case", "message": _xml("; ".join(lines))}
            )
            failure.text = _xml("\n".join([*lines, f"why it matters: {result.reason}"]))
    write_atomically(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _xml(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_XML.sub("�", text)
