"""Deliberate faults, each a small change of one good plugin, and what catches it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from installed_plugins import GOOD, SAMPLE_FILE, Site

from fieldsmith.authoring.checks import CHECKS, check_plugin, name_of


@dataclass(frozen=True)
class Fault:
    """A fault, what catches it, and what of the message tells the author what to do.

    caught_by: the name of a check; "loads" is refused when the plugin is loaded.
    alone: whether nothing else fails.
    """

    name: str
    old: str
    new: str
    caught_by: str
    advice: str
    alone: bool = True


PROPERTIES = '"properties": {\n            '
LOAD = '    if source is None:\n        return rows(SAMPLE.strip(), "sample")\n'
TOWN = '"town": {"type": ["string", "null"], "x-source": "verbatim"},'
SYSTEM = 'f"Extract as JSON: {fieldsmith.field_list(schema)}"'
USER = 'Message("user", document.text)'
METRIC = "    gold, found, counts = example.record, prediction.record or {}, {}\n"
NAMES = 'fieldsmith.set_counts(gold["names"], found.get("names", []))'
YIELD = "        yield Example(document, record,"
DOCUMENT = 'Document(f"{name}-{number}", row["note"])'
REJECT = '            yield Reject(place, "note", "a text is wanted")\n            continue\n'
EXPORT = "\n@fieldsmith.hookimpl\ndef extract_export(records, format):\n    return '<rdf/>'\n"
FETCH = (
    "\n@fieldsmith.hookimpl\ndef extract_fetch():\n"
    "    return {'notes': fieldsmith.FetchSource('Notes.', list, options=['page'])}\n"
)
FAULTS = [
    # At load
    Fault("import of what is not there", "import json\n", "import jsn\n", "loads",
          "No module named"),
    Fault("hook misspelt", "def extract_load(", "def extract_lode(", "loads", "mean extract_load?"),
    Fault("argument with a default", "(source):", "(source=None):", "loads", "without defaults"),
    Fault("argument of another name", "(preset):", "(name):", "loads", "extract_settings(preset)"),
    Fault(
        "hook left unmarked",
        "@fieldsmith.hookimpl\ndef extract_metric",
        "def extract_metric",
        "loads",
        "not marked with @fieldsmith.hookimpl",
    ),
    Fault("schema of a list", '"type": "object"', '"type": "array"', "loads", "a record is an obj"),
    Fault("schema as a file's name", 'return {\n        "t', 'return "a.json" or {\n        "t',
          "loads", "it has to be a dict"),
    # The module
    Fault("heavy import", "import json\n", "import json, transformers\n", "import_is_light",
          "import it inside the function that uses it"),
    Fault("heavy import, of a part", "import json\n", "import json, lxml.etree\n",
          "import_is_light", "inside the function"),
    Fault("import of what is not public", "import json\n",
          "import json\nfrom fieldsmith.schema.pointers import leaves\n",
          "imports_fieldsmith_alone",
          "import what you need from fieldsmith"),
    Fault("unknown setting", '"score": [', '"scores": [', "settings_are_known",
          "did you mean score"),
    Fault("setting under one preset", "return {\"window\": \"document\",",
          "return {\"window\": \"pages\" if \"8b\" in preset else \"document\",",
          "settings_are_known", "window"),
    Fault("option that no source can take", "", FETCH, "sources_are_usable",
          "options that are not among query, since, from"),
    # The schema
    Fault("keyword that no grammar knows", '"array"', '"array", "contains": {}',
          "schema_is_enforceable", "leave it out"),
    Fault("verbatim number", TOWN, TOWN.replace('"string"', '"integer"'),
          "schema_is_enforceable", "make it string"),
    Fault("verbatim list", TOWN, TOWN + '"towns": {"type": "array", "items": {"type": "string"}, '
          '"x-source": "verbatim"},', "schema_is_enforceable", "give it to the list's items"),
    Fault("open object", '"additionalProperties": False,', '"additionalProperties": True,',
          "schema_is_enforceable",
          "is not false"),
    Fault("list of anything", TOWN, TOWN + '"more": {"type": "array"},', "schema_is_closed",
          "say what with"),
    Fault("leaf of any type", TOWN, TOWN + '"more": {"description": "More."},',
          "schema_is_closed", "say its type"),
    Fault("town that every record needs", PROPERTIES + '"town": {"type": ["string", "null"]',
          '"required": ["town"],\n"properties": {\n            "town": {"type": "string"',
          "verbatim_may_be_absent", "let it be null", alone=False),
    Fault("annotation misspelt", '"x-score"', '"x-scores"', "annotations_are_known",
          "did you mean x-score?"),
    Fault("score of no kind", '"x-score": "exact"', '"x-score": "exakt"', "loads", "mean exact?"),
    Fault("step of no kind", '"x-score": "exact"', '"x-normalise": ["lower"]', "loads",
          "Known: casefold"),
    Fault("key that is no property", TOWN, TOWN + '"places": {"type": "array", "items": {"type": '
          '"object", "additionalProperties": False, "x-key": ["nam"], "properties": {"name": '
          '{"type": "string"}}}},', "loads", "a list of properties"),
    # The loader
    Fault("no sample", LOAD, "    if source is None:\n        return iter(())\n",
          "sample_is_valid", "has to yield the sample"),
    Fault("record against the schema", '["Ada"]', '"Ada"', "sample_is_valid",
          "correct the row or its loader, or let the schema allow it", alone=False),
    Fault("sample with a bad row", '{"note": "Nobody', '{"node": "Nobody', "sample_is_valid",
          "a text is wanted"),
    Fault("order by chance", "text.splitlines()",
          "[line.replace(': \"', f': \"{RANDOM()} ', 1) "
          "for line in text.splitlines()]",
          "loader_is_deterministic", "seed what is drawn", alone=False),
    Fault("order of a set", "text.splitlines()",
          "{line.replace(': \"', f': \"{i} ', 1) for line in text.splitlines() for i in range(9)}",
          "loader_is_deterministic", "sort files and sets", alone=False),
    Fault("list of rows", LOAD, LOAD.replace("rows(SAMPLE", "list(rows(SAMPLE").replace(
          '"sample")', '"sample"))'), "loader_is_lazy", "yield each row as it is read"),
    Fault("one id for all", '"{name}-{number}"', '"{name}"', "ids_are_unique",
          "what makes the row unique", alone=False),
    Fault("no ids", 'Document(f"{name}-{number}",', 'Document("",', "ids_are_unique",
          "make one of what names the row", alone=False),
    Fault("missing file in silence", "    for path in fieldsmith.files_in(source):\n",
          "    for path in [source] if source.is_file() else []:\n", "bad_source_is_told",
          "raise fieldsmith.InputError"),
    Fault("missing file as Python tells it",
          "fieldsmith.files_in(source):\n        yield from rows("
          "fieldsmith.read_text(path)", "[source]:\n        yield from rows(path.read_text()",
          "bad_source_is_told", "raise fieldsmith.InputError", alone=False),
    Fault("binary data as a document", "fieldsmith.read_text(path), path.name)",
          "'{\"note\": ' + json.dumps(path.read_text(errors='replace')) + '}', path.name)",
          "bad_source_is_told", "raise fieldsmith.InputError", alone=False),
    Fault("row without its key", 'not isinstance(row.get("note"), str)', 'False',
          "bad_rows_are_told", "yield a fieldsmith.Reject", alone=False),
    Fault("gold that no grammar writes", '"format": "date"', '"format": "email"',
          "gold_is_replayable",
          "the grammar does not allow"),
    # The prompt
    Fault("text cut", USER, 'Message("user", document.text[:10])', "prompt_holds_the_document",
          "put document.text into a message as it is", alone=False),
    Fault("text changed", USER, 'Message("user", document.text.upper())',
          "prompt_holds_the_document", "as it is", alone=False),
    Fault("answer remembered", USER,
          'Message("user", document.text + " " + ANSWERS.get(document.id, ""))',
          "prompt_hides_the_answer", "at inference nobody knows it", alone=False),
    Fault("what only the sample knows", SYSTEM, SYSTEM.replace("{f", "{document.meta['url']} {f"),
          "prompt_needs_the_document_alone", "meta.get(", alone=False),
    Fault("empty text", SYSTEM, SYSTEM.replace("Extract", "{document.text[0]} Extract"),
          "prompt_needs_the_document_alone", "fails for a document with the text ''", alone=False),
    Fault("time of day", SYSTEM,
          SYSTEM.replace("Extract", "{__import__('time').time_ns()} Extract"),
          "prompt_is_repeatable", "no clock"),
    Fault("order of a set in the prompt", SYSTEM,
          SYSTEM.replace("{fieldsmith.field_list(schema)}", "{set('abcdefghijklm')}"),
          "prompt_is_repeatable", "no order of a set"),
    Fault("text as a format", USER, 'Message("user", (document.text + " {0}").format("."))',
          "prompt_keeps_its_structure", "use the document's text as it is"),
    Fault("text split into turns", "        " + USER,
          '        *(Message("user", part) for part in document.text.split("<|im_end|>"))',
          "prompt_keeps_its_structure",
          "never split or read the text"),
    Fault("white space stripped", USER, 'Message("user", document.text.strip())',
          "prompt_keeps_its_structure", "stripping"),
    Fault("prompt too long", SYSTEM, SYSTEM + ' + "Think of everything. " * 400', "prompt_fits",
          "ask for less in the prompt"),
    Fault("no room for the answer", '{"window": "document",',
          '{"window": "tokens", "window_size": 900,', "prompt_fits", "lower window_size"),
    # The metric
    Fault("no answer crashes it", "prediction.record or {}", "prediction.record", "metric_counts",
          "any valid record, and None, has to be counted"),
    Fault("more matched than there are", NAMES, "(5, 1, 1)", "metric_counts", "0 <= matched"),
    Fault("gold changed", METRIC, METRIC + '    gold.get("names", []).sort(reverse=True)\n',
          "metric_counts", "work on a copy"),
    Fault("counts by chance", NAMES, "(0, __import__('time').time_ns() % 10**9, 1)",
          "metric_counts", "depend on its arguments alone"),
    Fault("score of what is not counted", '["names", "town"]}', '["names", "twon"]}',
          "metric_counts_the_score", "did you mean town?"),
    Fault("nothing counted", "return counts\n", "return dict.fromkeys(counts, (0, 0, 0))\n",
          "metric_counts_the_score", "count the gold record's leaves", alone=False),
    Fault("one side folded", NAMES, "fieldsmith.set_counts([n[::-1] for n in gold['names']], "
          "found.get('names', []))", "metric_is_full_for_gold", "treat both sides alike",
          alone=False),
    Fault("right by length", NAMES, "(float(min(len(found.get('names', [])), len(gold['names']))), "
          "float(len(found.get('names', []))), float(len(gold['names'])))",
          "metric_is_lower_for_wrong", "compare prediction.record with example.record"),
    Fault("right by saying nothing", NAMES, "(0.0 if prediction.record is None else "
          "float(len(gold['names'])), 0.0 if prediction.record is None else "
          "float(len(gold['names'])), float(len(gold['names'])))",
          "metric_is_lower_for_missing", "as matched only what was predicted", alone=False),
    Fault("no answer left out", METRIC,
          METRIC + "    if prediction.record is None:\n        return {}\n",
          "metric_counts_no_answer", "whether or not there is a prediction.record"),
    Fault("unannotated key crashes it", '    if "names" in gold:\n', "    if True:\n",
          "metric_skips_the_unannotated", "skip what depends on it", alone=False),
    Fault("unannotated key counts", 'if "names" in gold:\n        counts["names"] = '
          'fieldsmith.set_counts(gold["names"]', 'if True:\n        counts["names"] = '
          'fieldsmith.set_counts(gold.get("names", [])', "metric_skips_the_unannotated",
          "do not count a field whose key", alone=False),
    # The formats
    Fault("any format", "", EXPORT, "export_knows_its_formats",
          "raise fieldsmith.UnknownFormatError"),
]  # fmt: skip

EVERY = {name_of(check) for check in CHECKS}


def mutated(fault: Fault) -> str:
    assert fault.old in GOOD
    if not fault.old:
        return GOOD + fault.new
    source = GOOD.replace(fault.old, fault.new, 1)
    if "RANDOM" in fault.new:
        source += "\nfrom random import random as RANDOM\n"
    if "ANSWERS" in fault.new:
        source += '\nANSWERS = {"sample-2": "2024-02-29"}\n'
    return source


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_each_fault_is_caught_and_reported_to_the_author(here: Site, fault: Fault) -> None:
    here.install("good", mutated(fault))
    (here.path / "sample.jsonl").write_text(SAMPLE_FILE, encoding="utf-8")
    failed = {check.what: check for check in check_plugin("good") if check.state == "fail"}
    assert fault.caught_by in failed, failed
    assert fault.advice in failed[fault.caught_by].detail
    if fault.alone:
        assert list(failed) == [fault.caught_by], failed


@pytest.mark.parametrize(
    ("cases", "advice"),
    [
        ("- name: one", "case 1: text: a text is wanted, which is missing"),
        ("- {name: a, text: Ada., reason: b, must: {name: Ada}}", "unknown field 'name'; did you"),
        ("- {name: a, text: Ada., reason: b, must: {names: Bob}}", "'Bob' is not in the text"),
    ],
)
def test_cases_that_cannot_be_used_are_reported(here: Site, cases: str, advice: str) -> None:
    here.install("good", GOOD, target="good_package")
    package = here.path / "good_package"
    package.mkdir()
    (here.path / "good_plugin_module.py").rename(package / "__init__.py")
    (package / "sample.jsonl").write_text(SAMPLE_FILE, encoding="utf-8")
    (package / "cases.yaml").write_text(cases, encoding="utf-8")
    failed = {check.what: check.detail for check in check_plugin("good") if check.state != "ok"}
    assert list(failed) == ["cases_can_be_used"]
    assert "cases.yaml: " in failed["cases_can_be_used"]
    assert advice in failed["cases_can_be_used"]


def test_each_check_catches_some_fault() -> None:
    assert {fault.caught_by for fault in FAULTS} | {"cases_can_be_used"} == EVERY


def test_faults_are_many_and_different() -> None:
    assert len({mutated(fault) for fault in FAULTS}) == len(FAULTS) >= 20
