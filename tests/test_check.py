"""A plugin that keeps to its contract passes; each way to break it has a line that says so."""

from __future__ import annotations

import json

import pytest
from conftest import TOY, Site

from fieldsmith.checks import Check, check_plugin

GOOD = '''
"""Who is named, and where."""

import fieldsmith
from fieldsmith import Document, Example, Message, Reject

SAMPLE = [
    ("Ada of Bonn.", {"town": "Bonn", "names": ["Ada"], "day": None}),
    ("Bob and Cy.", {"town": None, "names": ["Bob", "CY"], "day": "2024-02-29"}),
]


@fieldsmith.hookimpl
def extract_schema():
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["town"],
        "properties": {
            "town": {"type": ["string", "null"], "x-source": "verbatim"},
            "names": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
            "day": {"type": ["string", "null"], "format": "date"},
        },
    }


@fieldsmith.hookimpl
def extract_prompt(document, schema):
    return [Message("user", document.text)]


@fieldsmith.hookimpl
def extract_load(source):
    for number, (text, record) in enumerate(SAMPLE):
        yield Example(Document(str(number), text), record, split="train")


@fieldsmith.hookimpl
def extract_metric(example, prediction, schema):
    predicted = prediction.record
    return {
        "names": fieldsmith.set_counts(example.record["names"], predicted["names"]),
        "half": (0, len(predicted["names"]), 9),
    }


@fieldsmith.hookimpl
def extract_settings(preset):
    return {"score": ["names"]}
'''.lstrip()


def found(site: Site, old: str = "", new: str = "") -> dict[str, Check]:
    """Return the checks of a plugin, changed in one place, by what is checked."""
    assert old in GOOD
    site.install("good", GOOD.replace(old, new, 1))
    checks = check_plugin("good")
    assert len({check.what for check in checks}) == len(checks)
    return {check.what: check for check in checks}


def test_a_plugin_that_keeps_to_its_contract(here: Site) -> None:
    checks = found(here)
    assert {what: check.state for what, check in checks.items()} == dict.fromkeys(
        "plugin schema closing verbatim settings sample prompt targets metric".split(), "ok"
    )
    assert checks["plugin"].detail == "good (good-plugin 1.0)"
    assert checks["settings"].detail == "under the preset embedded: score=['names']"
    assert checks["sample"].detail == "2 documents: 2 train, 0 validation, 0 test"
    assert "5 of 5 leaves and objects are learned, 1 leaves as" in checks["targets"].detail


@pytest.mark.parametrize(
    ("old", "new", "what", "detail"),
    [
        ("import fieldsmith\n", "import nowhere\n", "plugin", "No module named 'nowhere'"),
        ("def extract_load(", "def extract_lode(", "plugin", "did you mean extract_load"),
        ('"array", ', '"array", "uniqueItems": True, ', "schema", "'uniqueItems'"),
        ('"items": {', '"items": {"$ref": "#/no", ', "schema", "'$ref'"),
        ('{"score": ["names"]}', '{"scores": []}', "settings", "did you mean score"),
        ('Message("user"', 'Message("robot"', "prompt", "a role of system, user"),
        ("in enumerate(SAMPLE)", "in []", "sample", "no document in it"),
        (
            "    for number",
            "    raise fieldsmith.InputError('gone')\n    for number",
            "sample",
            "gone",
        ),
        (
            '["Ada"]',
            '"Ada"',
            "sample",
            "1 of its 2 documents cannot be used; the first is 0: /names: the record breaks",
        ),
        (
            'split="train")',
            'split="train")\n    yield Reject("f:9", "id", "lost")',
            "sample",
            "1 of its 3 documents cannot be used; the first is f:9: id: lost",
        ),
        ("2024-02-29", "a leap day", "targets", "1 of 2 records cannot be trained on; the first"),
        ('["names"]}', '["names", "half"]}', "metric", "half: F1 of the gold records against them"),
        ('["names"]}', '["towns"]}', "metric", "it does not count towns"),
    ],
)
def test_each_way_to_break_it_has_its_line(
    here: Site, old: str, new: str, what: str, detail: str
) -> None:
    checks = found(here, old, new)
    assert [name for name, check in checks.items() if check.state == "fail"] == [what]
    assert detail in checks[what].detail


REQUIRED = '"required": ["town"],\n        "properties": {'
SUM = REQUIRED.replace("town", "sum") + '"sum": {"type": "integer"},'
MORE = REQUIRED.replace("town", "more") + (
    '"more": {"type": "array", "minItems": 1, "items": {"type": "string", "x-source": "verbatim"}},'
)


@pytest.mark.parametrize(
    ("old", "new", "closing", "verbatim"),
    [
        ('"town": {"type": ["string", "null"]', '"town": {"type": "string"', "town", "/town"),
        (REQUIRED, SUM, "sum", None),
        (REQUIRED, MORE, "more", "/more/0"),
        ('"array",', '"array", "minItems": 1,', None, None),
        ('["town"]', '["names", "town"]', None, None),
    ],
)
def test_nothing_has_to_be_invented(
    here: Site, old: str, new: str, closing: str | None, verbatim: str | None
) -> None:
    checks = found(here, old, new)
    for what, fault in (("closing", closing), ("verbatim", verbatim)):
        assert checks[what].state == ("fail" if fault else "ok")
        assert (fault or "") in checks[what].detail


def test_what_the_text_does_not_hold_is_told_and_no_fault(here: Site) -> None:
    checks = found(here, '["Bob", "CY"]', '["Bob", "Eve"]')
    assert checks["targets"].state == "ok"
    assert "4 of 5 leaves" in checks["targets"].detail
    assert "1 are lost, the first /names/1 of 1: not in the text" in checks["targets"].detail


# The command


def test_our_own_plugin_passes(site: Site) -> None:
    answer = site.extract("check", "medical_ner")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {line.split()[0] for line in answer.stdout.splitlines()} == {"ok"}
    assert "ok    sample: 300 documents" in answer.stdout
    assert answer.stderr == ""


def test_a_check_that_fails_is_a_line_and_exit_code_1(site: Site) -> None:
    site.install("toy", TOY.replace("do it NOW", "NOW \x1b[2J"))
    answer = site.extract("check", "toy")
    assert answer.returncode == 1
    assert answer.stderr == ""
    failed = [line for line in answer.stdout.splitlines() if not line.startswith("ok ")]
    assert failed == [
        "fail  metric: loud: F1 of the gold records against themselves is 0.400; it counts "
        "1 matched of 2 predicted and 3 gold"
    ]


def test_the_checks_as_json(site: Site) -> None:
    answer = site.extract("check", "medical_nre", "--json")
    assert answer.returncode == 1
    shown = json.loads(answer.stdout)
    assert shown["ok"] is False
    (check,) = shown["checks"]
    assert (check["state"], check["what"]) == ("fail", "plugin")
    assert "did you mean medical_ner?" in check["detail"]
