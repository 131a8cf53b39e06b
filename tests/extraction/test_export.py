"""Predictions in other formats: the core's, and those of a plugin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Command, extract
from installed_plugins import TOY, Site

LINES = [
    {"id": "a", "record": {"loud": ["NOW"]}, "spans": {}, "plugin": "toy"},
    {"id": "b", "record": None, "error": "length", "plugin": "toy"},
    {"id": "ü", "record": {"loud": []}, "plugin": "toy"},
]

EXPORTING = (
    TOY.replace(
        "import fieldsmith\n", "import fieldsmith\nfrom fieldsmith import UnknownFormatError\n"
    )
    + """

@fieldsmith.hookimpl
def extract_export(records, format):
    if format != "shouts":
        raise UnknownFormatError("it has shouts")
    return "".join(f"{name}: {' '.join(record['loud'])}\\n" for name, record in records.items())
"""
)


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_records_alone(tmp_path: Path) -> None:
    output = tmp_path / "plain.jsonl"
    file = written(tmp_path / "lines.jsonl", LINES)
    answer = extract("export", file, "--format", "jsonl", "--output", output)
    assert answer.code == 0, answer.errors
    assert answer.errors == f"{output}: 2 records; 1 documents without a record skipped\n"
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert rows == [{"id": "a", "record": {"loud": ["NOW"]}}, {"id": "ü", "record": {"loud": []}}]
    shown = extract("export", file, "--format", "jsonl")
    assert shown.output == output.read_text(encoding="utf-8")


def test_a_format_of_the_plugin_that_the_lines_name(site: Site) -> None:
    site.install("toy", EXPORTING)
    file = written(site.path / "lines.jsonl", LINES)
    answer = site.extract("export", str(file), "--format", "shouts")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "a: NOW\nü: \n"
    unknown = site.extract("export", str(file), "--format", "whispers")
    assert unknown.returncode == 1
    assert unknown.stderr == (
        "extract: error: --format whispers: it has shouts; every plugin has jsonl\n"
    )


def test_a_hook_that_returns_no_text_is_the_plugins_fault(site: Site) -> None:
    site.install("toy", EXPORTING.replace('return "".join(', "return list("))
    file = written(site.path / "lines.jsonl", LINES)
    answer = site.extract("export", str(file), "--format", "shouts")
    assert answer.returncode == 1
    assert "extract_export returned list" in answer.stderr


def test_a_plugin_without_the_hook_has_the_cores_format_alone(site: Site) -> None:
    site.install("toy")
    file = written(site.path / "lines.jsonl", LINES)
    answer = site.extract("export", str(file), "--format", "turtle")
    assert answer.returncode == 1
    assert "plugin 'toy' has no format of its own; every plugin has jsonl" in answer.stderr


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([LINES[1]], "no record in it"),
        ([{"id": "a", "record": {}}], "does not name the plugin of its records; add --plugin"),
        ([LINES[0], {"id": "b", "record": {}, "plugin": "x"}], "several plugins (toy, x)"),
        (["text"], "lines.jsonl:1"),
        ([{"text": "a"}], "lines.jsonl:1: a line of predictions has"),
    ],
)
def test_what_cannot_be_exported_is_one_line(tmp_path: Path, rows: list[Any], told: str) -> None:
    output = tmp_path / "out"
    file = written(tmp_path / "lines.jsonl", rows)
    answer = extract("export", file, "--format", "turtle", "--output", output)
    assert answer.code == 1
    assert answer.errors.count("\n") == 1
    assert told in answer.errors
    assert not output.exists()


def test_what_is_exported_is_not_written_over(tmp_path: Path) -> None:
    file = written(tmp_path / "lines.jsonl", LINES)
    answer = extract("export", file, "--format", "jsonl", "--output", file)
    assert answer.code == 1
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3


def test_files_of_one_name_go_from_predict_to_export_and_evaluate(
    run: Path, command: Command, tmp_path: Path
) -> None:
    texts = {"a/report.txt": "Velmol caused tarvitis.", "b/report.txt": "Brunexal caused gronia."}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    predictions = tmp_path / "predictions.jsonl"
    inputs = [tmp_path / name for name in texts]
    assert command("predict", run, *inputs, "--output", predictions).code == 0
    gold = tmp_path / "gold.jsonl"
    rows = [{"id": name, "text": text, "record": {"diseases": []}} for name, text in texts.items()]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    exported = command("export", predictions, "--format", "jsonl")
    assert [json.loads(line)["id"] for line in exported.output.splitlines()] == list(texts)
    scored = command(
        "evaluate",
        "--plugin",
        "medical_ner",
        "--predictions",
        predictions,
        "--data",
        gold,
        "--json",
    )
    assert scored.code == 0, scored.errors
    assert json.loads(scored.output)["documents"] == 2


def test_one_file_twice_is_refused_before_work_begins(
    run: Path, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("Velmol caused tarvitis.")
    output = tmp_path / "predictions.jsonl"
    done = command("predict", run, tmp_path / "a.txt", tmp_path / "a.txt", "--output", output)
    assert done.code == 1
    assert done.errors.count("\n") == 1
    assert "a.txt, twice: both have a document with the id 'a.txt'" in done.errors
    assert not output.exists()
