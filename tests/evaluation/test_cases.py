"""A user's own texts: what a run must find in them, and what it must not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command import Command
from installed_plugins import Site

from fieldsmith import Document, Prediction, Record
from fieldsmith.errors import InputError
from fieldsmith.evaluation.case_file import read_cases
from fieldsmith.evaluation.cases import find_cases, results_object, run_cases, write_junit
from fieldsmith.plugin_code.installed import cases_file
from fieldsmith.plugins import Plugin, load
from fieldsmith.settings import Settings

TEXT = "Velmol, 5 mg, caused tarvitis. Brunixal did not."

CASE = """\
- name: one
  text: Velmol, 5 mg, caused tarvitis. Brunixal did not.
  must:
    chemicals: [VELMOL, Brunixal]
    relations: [{chemical: Velmol}]
  must_not:
    diseases: Velmol
    relations: {chemical: Brunixal, disease: tarvitis}
  reason: It matters.
"""


class Fixed:
    """Answers each text with a record that is given."""

    min_confidence = 0.0

    def __init__(self, plugin: Plugin, *records: Record | None) -> None:
        self._records = list(records)
        self.task: Any = type("Task", (), {"schema": plugin.schema, "settings": Settings()})

    def predict_groups(
        self, groups: Iterator[Sequence[Document]], progress: object = None
    ) -> Iterator[list[Prediction]]:
        for group in groups:
            yield [
                Prediction(document, record=record, error=None if record else "too long")
                for document in group
                for record in [self._records.pop(0)]
            ]


def faults(medical: Plugin, tmp_path: Path, cases: str, record: Record | None) -> list[str]:
    path = tmp_path / "cases.yaml"
    path.write_text(cases, encoding="utf-8")
    predictor: Any = Fixed(medical, record)
    (result,) = run_cases(predictor, read_cases(path, medical.schema))
    return [f"{fault.field}: {fault.what}" for fault in result.faults]


def found(chemicals: list[str], diseases: list[str], *pairs: tuple[str, str]) -> Record:
    relations = [{"chemical": chemical, "disease": disease} for chemical, disease in pairs]
    return {"chemicals": chemicals, "diseases": diseases, "relations": relations}


# What holds


def test_values_are_compared_as_scores_compare_them(medical: Plugin, tmp_path: Path) -> None:
    record = found(["velmol", "brunixal", "more"], ["tarvitis"], ("Velmol", "tarvitis"))
    assert faults(medical, tmp_path, CASE, record) == []


def test_each_value_that_is_missing_or_must_not_be_is_named(
    medical: Plugin, tmp_path: Path
) -> None:
    record = found(["Velmol"], ["velmol"], ("Brunixal", "tarvitis"))
    assert faults(medical, tmp_path, CASE, record) == [
        "chemicals: missing: Brunixal; found Velmol",
        'relations: missing: {"chemical":"Velmol"}; '
        'found {"chemical":"Brunixal","disease":"tarvitis"}',
        "diseases: found, and must not be: Velmol",
        'relations: found, and must not be: {"chemical":"Brunixal","disease":"tarvitis"}',
    ]
    assert faults(medical, tmp_path, CASE, None) == [": no record: too long"]


def test_a_field_may_have_to_be_empty(medical: Plugin, tmp_path: Path) -> None:
    case = f"- {{name: a, text: '{TEXT}', empty: [diseases, relations], reason: why}}"
    assert faults(medical, tmp_path, case, found(["Velmol"], [])) == []
    assert faults(medical, tmp_path, case, found([], ["a", "b", "c", "d"])) == [
        "diseases: found, where nothing is: a, b, c and 1 more"
    ]


# What is refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("must:", "musst:"), "case 1: unknown key 'musst'; did you mean must?"),
        (("chemicals:", "chemical:"), "case 1 (one): must: unknown field 'chemical'; did you"),
        (("chemical: Velmol", "chemicals: Velmol"), "relations: unknown key 'chemicals'; did"),
        (("VELMOL", "Velmool"), "must: chemicals: 'Velmool' is not in the text"),
        (("VELMOL", "12"), "must: chemicals: 12 is not of type 'string'"),
        (("VELMOL", "2024-01-05"), "is read as a date or as bytes; put it in quotes"),
        (("[VELMOL, Brunixal]", "[]"), "for nothing write empty: [chemicals]"),
        (("  reason: It matters.\n", ""), "case 1: reason: a text is wanted, which is missing"),
        (("It matters.", "[1]"), "reason: a text is wanted, not [1]"),
        (("name: one", "name: one\n  empty: [chemicals]"), "chemicals: is in must and in empty"),
        (("name: one", "name: one\n  empty: chemicals"), "empty: a list of fields is wanted"),
        (("name: one", "name: one\n  name: two"), "cases.yaml:1: not YAML: a key comes twice"),
        (("name: one", "name: &a one\n  b: *a"), "cases.yaml:2: not YAML: aliases"),
        (("- name", "name"), "cases.yaml"),
        (("It matters.", "!!python/object:os.system {}"), "cases.yaml:9: not YAML: could not"),
        (("It matters.", "{"), "not YAML"),
        ((CASE, ""), "a list of cases is wanted"),
        ((CASE, "[" * 3000), "not YAML"),
        ((CASE, CASE + CASE), "two cases are called 'one'"),
        ((CASE, "- 5"), "case 1: a mapping is wanted, not 5"),
        ((CASE, "- {name: a, text: b, reason: c}"), "it expects nothing"),
        ((CASE, "\x07"), "not YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(
    medical: Plugin, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(CASE.replace(*change), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_cases(path, medical.schema)
    line = str(refused.value)
    assert said in line
    assert line.startswith(str(path))
    assert "\n" not in line
    assert len(line) < 600


# Those that plugins ship


@pytest.mark.parametrize(
    ("name", "count"),
    [("medical_ner", 5), ("arxiv_metadata", 3), ("dcat_datasets", 3), ("news_json", 3)],
)
def test_each_domain_ships_cases_that_are_no_documents_of_its_sample(name: str, count: int) -> None:
    plugin = load(name)
    cases, file = find_cases(plugin, None)
    assert len(cases) == count
    assert file == f"{name}'s own"
    fields = {key for case in cases for key in (*case.must, *case.must_not, *case.empty)}
    if name == "medical_ner":
        assert fields == set(plugin.schema["properties"])
    sample = Path(__file__).parents[2] / "plugins" / name / "sample"
    texts = "".join(path.read_text(encoding="utf-8") for path in sample.iterdir())
    assert not [case.name for case in cases if case.text.splitlines()[-1] in texts]


def test_a_plugin_of_another_distribution_ships_its_own(here: Site) -> None:
    """In the package of its module; a module alone has no folder of its own."""
    package = here.path / "shiny_package"
    package.mkdir()
    (package / "__init__.py").write_text('"""Shiny."""\n', encoding="utf-8")
    (here.path / "plain.py").write_text('"""Plain."""\n', encoding="utf-8")
    (here.path / "cases.yaml").write_text("of somebody else", encoding="utf-8")
    here.declare("shiny", "1.0", "[extract.plugins]\nshiny = shiny_package\nplain = plain\n")
    assert cases_file("shiny") is None
    (package / "cases.yaml").write_text("- its own", encoding="utf-8")
    assert cases_file("shiny") == package / "cases.yaml"
    assert cases_file("plain") is None


# The command


def test_the_command_checks_a_run(run: Path, tmp_path: Path, command: Command) -> None:
    cases, junit = tmp_path / "cases.yaml", tmp_path / "out" / "junit.xml"
    cases.write_text(
        "- {name: holds, text: aspirin and rash., must_not: {chemicals: and}, reason: none}\n"
        "- name: fails\n"
        "  text: aspirin and rash.\n"
        "  must: {chemicals: and}\n"
        "  reason: Because of <this>.\n",
        encoding="utf-8",
    )
    answer = command("cases", run, cases, "--junit", junit)
    assert answer.code == 1
    assert "1 of 2 cases hold (cases.yaml)" in answer.output
    assert "Because of <this>." in answer.output
    suites = ElementTree.parse(junit).getroot()
    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")
    failure = suites.find("./testsuite/testcase[@name='fails']/failure")
    assert failure is not None
    assert "Because of <this>." in str(failure.text)
    scored = command("evaluate", run, "--split", "validation", "--cases", cases, "--json")
    assert scored.code == 1
    told = json.loads(scored.output)["cases"]
    assert (told["hold"], told["of"]) == (1, 2)
    alone = command("cases", run, cases, "--json")
    assert json.loads(alone.output) == told
    assert not (run / "test-scores.jsonl").exists()

    cases.write_text(cases.read_text(encoding="utf-8").partition("- name: fails")[0])
    assert command("cases", run, cases).code == 0
    assert command("cases", run, tmp_path / "none.yaml").code == 1
    assert "5 cases hold (medical_ner's own)" in command("cases", run).output


def test_junit_holds_whatever_a_name_or_a_value_is(medical: Plugin, tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(CASE.replace("name: one", 'name: "\\x1b<&\\uFFFE"'), encoding="utf-8")
    predictor: Any = Fixed(medical, found(["\x00 \ud800 ]]>"], []))
    results = run_cases(predictor, read_cases(path, medical.schema))
    write_junit(tmp_path / "junit.xml", results, "medical_ner")
    case = ElementTree.parse(tmp_path / "junit.xml").getroot().find(".//testcase")
    assert case is not None
    assert case.get("name") == "�<&�"
    assert results_object(results, "f")["hold"] == 0
