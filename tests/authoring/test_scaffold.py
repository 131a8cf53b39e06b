"""A new plugin's project: what is written, what is refused, and the schema drafted from records."""

from __future__ import annotations

import ast
import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from installed_plugins import Site

from fieldsmith import (
    Document,
    Example,
    Reject,
    UnknownFormatError,
    __version__,
    hookspecs,
    jsonl_examples,
)
from fieldsmith.authoring.checks import check_plugin
from fieldsmith.authoring.example_cases import cases_of
from fieldsmith.authoring.labelled_rows import labelled_examples
from fieldsmith.authoring.scaffold import create
from fieldsmith.authoring.schema_inference import infer_schema
from fieldsmith.contract import checked_schema
from fieldsmith.errors import FieldsmithError, InputError, OutputError, PluginError
from fieldsmith.evaluation.case_file import checked_cases
from fieldsmith.evaluation.cases import find_cases
from fieldsmith.plugins import load
from fieldsmith.schema.records import first_problem

RECORDS = [
    {
        "id": number,
        "text": f"Invoice {number} from Bolt & Co, for {'steel' if number % 2 else 'paper'}: "
        f"{number * 10} pieces at Ulm, 3 pens at Bonn.",
        "url": f"https://invoices.example/{number}",
        "record": {
            "seller": "Bolt & Co",
            "remark": None if number % 3 else "at Ulm",
            "trade": ["metal", "stationery"][number % 2 == 0],
            "summary": f"Firm number {number} has sold a great many of the things that it sells.",
            "paid": number % 2 == 0,
            "total": number * 1.5 if number > 1 else 3,
            "lines": [
                {"count": number * 10, "town": "Ulm"},
                {"count": 3, "town": "Bonn", "thing": "pens"},
            ],
            "address": {"town": "Ulm", "code": None},
            "words": ["steel"] if number % 2 else [],
        },
    }
    for number in range(1, 11)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    path = tmp_path / "work"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "records.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def failed(site: Site, project: Path) -> list[str]:
    """Return what fails of a generated plugin, seen as if it were installed."""
    (package,) = (project / "x").parent.glob("fieldsmith_*")
    (site.path / package.name).symlink_to(package)
    site.declare(package.name, "1.0", f"[extract.plugins]\n{project.name} = {package.name}\n")
    checks = check_plugin(project.name)
    assert checks
    return [f"{check.what}: {check.detail}" for check in checks if check.state != "ok"]


# What is written


def test_a_new_project_keeps_to_the_contract(here: Site, folder: Path) -> None:
    project = folder / create("shiny")
    assert failed(here, project) == []
    cases, where = find_cases(load("shiny"), None)
    assert where == "shiny's own"
    assert [case.name for case in cases] == ["a concert without a place", "no event"]


def test_a_new_project_is_complete(folder: Path) -> None:
    create("shiny")
    project = folder / "shiny"
    assert sorted(str(p.relative_to(project)) for p in project.rglob("*") if p.is_file()) == [
        ".github/workflows/tests.yml",
        ".gitignore",
        "README.md",
        "fieldsmith_shiny/__init__.py",
        "fieldsmith_shiny/cases.yaml",
        "fieldsmith_shiny/sample.jsonl",
        "fieldsmith_shiny/schema.json",
        "pyproject.toml",
        "tests/test_shiny.py",
    ]
    setup = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert setup["project"]["name"] == "fieldsmith-shiny"
    assert setup["project"]["dependencies"] == [f"fieldsmith>={__version__}"]
    assert setup["project"]["entry-points"]["extract.plugins"] == {"shiny": "fieldsmith_shiny"}
    workflow = yaml.safe_load((project / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    assert {"run": "extract check shiny"} in workflow["jobs"]["tests"]["steps"]
    for path in project.rglob("*"):
        assert "__NAME__" not in path.name
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "__NAME__" not in text
            assert "__MODULE__" not in text
    assert list(folder.iterdir()) == [project]


def test_the_hooks_of_a_new_plugin_say_what_the_hookspecs_say(folder: Path) -> None:
    create("shiny")
    module = ast.parse((folder / "shiny/fieldsmith_shiny/__init__.py").read_text(encoding="utf-8"))
    hooks = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    assert list(hooks) == list(hookspecs.REQUIRED)
    for name, node in hooks.items():
        specified = ast.parse(Path(hookspecs.__file__).read_text(encoding="utf-8")).body
        (spec,) = (n for n in specified if isinstance(n, ast.FunctionDef) and n.name == name)
        first = (ast.get_docstring(spec) or "").partition("\n")[0]
        assert (ast.get_docstring(node) or "").partition("\n")[0] == first
        wanted = ast.unparse(spec.args).removesuffix(", names: Mapping[str, str]")  # need not be
        assert ast.unparse(node.args) == wanted


# From records


def test_a_project_from_records_keeps_to_the_contract(here: Site, folder: Path) -> None:
    create("bills", written(folder, RECORDS))
    assert failed(here, folder / "bills") == []
    lines = (folder / "bills/fieldsmith_bills/sample.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["record"] for row in rows] == [row["record"] for row in RECORDS]
    assert [row["url"] for row in rows] == [row["url"] for row in RECORDS]
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    case, _ = find_cases(load("bills"), None)[0]
    assert case.must["seller"] == ["Bolt & Co"]
    assert case.must["lines"][1] == {"count": 3, "town": "Bonn", "thing": "pens"}


def test_the_draft_of_a_schema() -> None:
    examples = [Example(Document(str(r["id"]), str(r["text"])), r["record"]) for r in RECORDS]  # type: ignore[arg-type]
    draft = infer_schema(examples, "Bills")
    verbatim = {"type": ["string", "null"], "x-source": "verbatim"}
    assert draft["title"] == "Bills"
    assert draft["properties"] == {
        "seller": verbatim,
        "remark": verbatim,
        "trade": {
            "type": "string",
            "enum": ["metal", "stationery"],
            "x-source": "inferred",
            "x-score": "exact",
        },
        "summary": {"type": "string", "x-source": "inferred", "x-score": "text"},
        "paid": {"type": "boolean", "x-source": "inferred"},
        "total": {"type": "number", "x-source": "inferred"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "count": {"type": "integer", "x-source": "inferred"},
                    "town": verbatim,
                    "thing": verbatim,
                },
                "x-key": ["count"],
            },
        },
        "address": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"town": verbatim, "code": verbatim},
        },
        "words": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
    }


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (["a1", "a2", "a3", "a4"], {"type": "string", "x-source": "inferred"}),
        (["no", "yes"], {"type": "string", "x-source": "inferred"}),
        (["no"] * 6, {"type": "string", "x-source": "inferred"}),
        ([1, None], {"type": ["integer", "null"], "x-source": "inferred"}),
        ([1, "one"], {"type": ["integer", "string"], "x-source": "inferred"}),
        ([None, None], {"type": ["string", "null"], "x-source": "verbatim"}),
        ([[], []], {"type": "array", "items": {"type": "string", "x-source": "verbatim"}}),
    ],
)
def test_the_draft_of_a_field(values: list[Any], field: dict[str, Any]) -> None:
    examples = [Example(Document("1", "The text."), {"field": value}) for value in values]
    assert infer_schema(examples, "")["properties"]["field"] == field


def test_a_key_is_what_tells_the_objects_of_each_list_apart() -> None:
    def key(*items: dict[str, Any]) -> object:
        example = Example(Document("1", "A text."), {"things": list(items)})
        return infer_schema([example], "")["properties"]["things"]["items"].get("x-key")

    assert key({"size": 1, "name": "a"}, {"size": 2, "name": "b"}) == ["name"]
    assert key({"size": 1, "name": "a"}, {"size": 2, "name": "A"}) == ["size"]
    assert key({"of": "a", "to": "b"}, {"of": "a", "to": "c"}, {"of": "d", "to": "b"}) == [
        "of",
        "to",
    ]
    assert key({"size": 1, "name": "a"}, {"size": 1, "name": None}) is None


LEAVES = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5)
FIELDS = st.dictionaries(st.sampled_from("abcd"), LEAVES, max_size=4)
RECORD = st.fixed_dictionaries(
    {},
    optional={"s": LEAVES, "l": st.lists(LEAVES, max_size=3), "o": FIELDS, "m": st.lists(FIELDS)},
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=20), RECORD), min_size=1, max_size=6))
def test_any_records_fit_the_schema_that_is_drafted_from_them(
    rows: list[tuple[str, dict[str, Any]]],
) -> None:
    examples = [Example(Document("1", text), record) for text, record in rows]
    schema = checked_schema(infer_schema(examples, "Any"), "any")
    assert [first_problem(record, schema) for _text, record in rows] == [None] * len(rows)
    made = [{"id": n, "text": text, "record": record} for n, (text, record) in enumerate(rows)]
    cases = cases_of(made, schema)
    assert cases is None or checked_cases(yaml.safe_load(cases), "cases.yaml", schema)


# What is refused


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("job-adverts", "choose a Python identifier"),
        ("class", "choose a Python identifier"),
        ("../shiny", "choose a Python identifier"),
        ("café", "choose a Python identifier"),
        ("", "choose a Python identifier"),
        ("_shiny", "begin and end with a letter"),
        ("medical_ner", "a plugin is called 'medical_ner' already (fieldsmith"),
    ],
)
def test_a_bad_name_is_refused(folder: Path, name: str, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        create(name)
    assert message in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_name_whose_module_is_taken_is_refused(here: Site, folder: Path) -> None:
    (here.path / "fieldsmith_shiny.py").write_text("", encoding="utf-8")
    with pytest.raises(PluginError, match="there is a module 'fieldsmith_shiny' already"):
        create("shiny")


def test_an_existing_folder_is_left_as_it_is(folder: Path) -> None:
    (folder / "shiny").mkdir()
    with pytest.raises(OutputError, match="shiny: exists already"):
        create("shiny")
    assert list((folder / "shiny").iterdir()) == []


def test_a_project_is_whole_or_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str, encoding: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OutputError, match="No space left on device"):
            create("shiny")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('{"id": "1", "record": {"a": 1}}', 'records.jsonl:1: "text" must be'),
        ('{"text": "one"}', "no row has a record; write one a line"),
        ("[1]", "records.jsonl:1: a JSON object is wanted"),
        ('{"text": "one", "record": ["a"]}', "records.jsonl:1: the record breaks"),
        (
            '{"text": "one", "record": {"a": ["b"]}}\n{"text": "two", "record": {"a": "b"}}',
            "the records hold array and string at /a",
        ),
    ],
)
def test_records_that_no_schema_comes_of_are_refused(folder: Path, rows: str, message: str) -> None:
    source = folder / "records.jsonl"
    source.write_text(rows, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        create("shiny", source)
    assert message in str(caught.value)
    assert list(folder.iterdir()) == [source]


@given(content=st.binary(max_size=200))
def test_any_file_of_records_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    (folder / "records.jsonl").write_bytes(content)
    with suppress(FieldsmithError):
        infer_schema(list(labelled_examples(folder / "records.jsonl")), "any")


def test_rows_may_be_the_records_themselves(folder: Path) -> None:
    create("flat", written(folder, [{"text": "Ada was here.", "name": "Ada", "age": 7}]))
    schema = json.loads((folder / "flat/fieldsmith_flat/schema.json").read_text(encoding="utf-8"))
    assert list(schema["properties"]) == ["name", "age"]


SAID = [
    {"text": "Bill of Ulm AG, 12 May, 7.50 euro.", "firm": "Ulm AG", "total": 7.5, "code": "007"},
    {"text": "Bill of Bonn AG, 20 euro, paid.", "firm": "Bonn AG", "total": 20, "code": "011"},
]
"""Labelled documents, in the form of the core's rows."""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", "text,firm,total,code\n" + "".join(
            f'"{row["text"]}",{row["firm"]},{row["total"]},{row["code"]}\n' for row in SAID)),
        ("rows.json", json.dumps([
            {"instruction": "Read.", "input": row["text"], "output": json.dumps(
                {key: row[key] for key in ("firm", "total", "code")})} for row in SAID])),
        ("rows.jsonl", "".join(json.dumps({"conversations": [
            {"from": "system", "value": "Answer with JSON."},
            {"from": "human", "value": row["text"]},
            {"from": "gpt", "value": json.dumps(
                {key: row[key] for key in ("firm", "total", "code")})}]}) + "\n" for row in SAID)),
    ],
)  # fmt: skip
def test_labels_of_other_tools_become_a_plugin(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    create("bills", folder / name)
    package = folder / "bills/fieldsmith_bills"
    schema = json.loads((package / "schema.json").read_text(encoding="utf-8"))
    types = {key: part["type"] for key, part in schema["properties"].items()}
    assert types == {"firm": ["string", "null"], "total": "number", "code": "string"}
    lines = (package / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["text"] for row in rows] == [row["text"] for row in SAID]
    assert [row["record"]["total"] for row in rows] == [7.5, 20]


def test_what_is_no_row_is_not_read_as_one(folder: Path) -> None:
    (folder / "notes.txt").write_text("a text", encoding="utf-8")
    with pytest.raises(InputError, match=r"notes.txt: rows are wanted: JSONL, CSV"):
        create("bills", folder / "notes.txt")
    (folder / "bad.csv").write_text("text,a\nb,1\nc\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad.csv:3: 1 columns, where the first line has 2"):
        create("bills", folder / "bad.csv")
    spans = {"text": "b", "spans": [{"start": 0, "end": 1, "label": "x"}]}
    (folder / "marked.jsonl").write_text(json.dumps(spans), encoding="utf-8")
    with pytest.raises(InputError, match=r"marked.jsonl:1: spans with labels are read once"):
        create("bills", folder / "marked.jsonl")
    (folder / "deep.csv").write_text(f"text,a\nb,{'[' * 100_000}\nc,NaN\n", encoding="utf-8")
    examples = list(labelled_examples(folder / "deep.csv"))
    assert [example.record for example in examples] == [{"a": "[" * 100_000}, {"a": "NaN"}]
    assert not (folder / "bills").exists()


# The reader of rows that a new plugin uses


def test_rows_of_the_core_s_jsonl_make_examples(folder: Path) -> None:
    (folder / "data").mkdir()
    row = {"id": "1", "text": "Ada was here.", "record": {"name": "Ada"}}
    for name in ("train", "test"):
        rows = json.dumps({**row, "id": name}) + "\n"
        (folder / "data" / f"{name}.jsonl").write_text(rows, encoding="utf-8")
    examples = list(jsonl_examples(folder / "data"))
    assert [each.split for each in examples if isinstance(each, Example)] == ["test", "train"]
    (alone,) = jsonl_examples(folder / "data" / "test.jsonl")
    assert isinstance(alone, Example)
    assert (alone.document.id, alone.record, alone.split) == ("test", {"name": "Ada"}, None)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("notes.txt", "Ada was here.", UnknownFormatError),
        ("other.jsonl", '{"body": "Ada"}', UnknownFormatError),
        ("empty.jsonl", "", InputError),
        ("broken.jsonl", "{\n{", InputError),
    ],
)
def test_what_is_no_such_row_is_refused(
    folder: Path, name: str, content: str, error: type[Exception]
) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(error, match=name):
        list(jsonl_examples(folder / name))


def test_a_broken_row_is_set_aside(folder: Path) -> None:
    (folder / "broken.jsonl").write_text('{"text": "Ada"}\n{\n{"text": "Bob"}', encoding="utf-8")
    first, broken, last = jsonl_examples(folder / "broken.jsonl")
    assert isinstance(first, Example)
    assert isinstance(broken, Reject)
    assert broken.place == f"{folder / 'broken.jsonl'}:2"
    assert isinstance(last, Example)


# The command


def test_the_command_says_what_comes_next(site: Site) -> None:
    answer = site.extract("new", "shiny")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "shiny"
    assert "pip install -e shiny" in answer.stdout
    again = site.extract("new", "shiny")
    assert again.returncode == 1
    assert again.stderr == (
        "extract: error: shiny: exists already; choose another name, or move it away\n"
    )
