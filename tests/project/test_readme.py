"""The example that the README opens with is one that the plugin and the core agree to."""

from __future__ import annotations

import json
import re
from typing import Any

from doc_commands import blocks
from paths import ROOT

from fieldsmith.plugins import load
from fieldsmith.schema.navigation import is_verbatim
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import first_problem

README = ROOT / "README.md"


def test_the_schema_is_part_of_the_plugin_s() -> None:
    ((_, shown),) = blocks(README, "json5")
    assert is_part(json.loads(shown), load("medical_ner").schema)


def is_part(shown: Any, whole: Any) -> bool:
    if isinstance(shown, dict):
        return all(key in whole and is_part(value, whole[key]) for key, value in shown.items())
    return bool(shown == whole)


def test_the_prediction_is_valid_and_its_spans_are_those_of_the_text() -> None:
    ((_, shown),) = blocks(README, "json")
    found = re.search(r"^> (.*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    line, schema = json.loads(shown), load("medical_ner").schema
    assert first_problem(line["record"], schema) is None
    values = dict(leaves(line["record"]))
    assert values.keys() == line["spans"].keys() == line["confidence"].keys()
    for pointer, (start, end) in line["spans"].items():
        assert found[1][start:end] == values[pointer]
        assert is_verbatim(pointer, schema)
