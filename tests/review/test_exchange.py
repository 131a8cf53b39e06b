"""Documents go to other annotation tools with their spans, and come back as they were."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from command import Command

from fieldsmith.data import Document, Example, Reject, Teacher
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.dataset.loading import read_examples
from fieldsmith.plugins import Plugin

TEXT = "Aspirin caused rash. Aspirin and morphine did not."
RECORD: dict[str, Any] = {
    "chemicals": ["Aspirin", "morphine"],
    "diseases": ["rash"],
    "relations": [{"chemical": "Aspirin", "disease": "rash"}],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "labels.jsonl"
    teacher = {"model": "big", "licence": "llama3"}
    rows = [
        {"id": "a/1", "text": TEXT, "record": RECORD, "teacher": teacher},
        {"id": "b", "text": TEXT, "record": RECORD, "mentions": {"/chemicals/0": [[0, 7]]}},
        {"id": "c", "text": "Nothing.", "record": {"chemicals": [], "diseases": []}},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def as_annotated(tool: str, written: Any) -> Any:
    """Return what a tool exports where a person accepts everything."""
    if tool == "prodigy":
        return [row | {"answer": "accept"} for row in written]
    return [
        {"id": number, "data": task["data"], "annotations": [{"result": each["result"]}]}
        for number, task in enumerate(written)
        for each in task["predictions"]
    ]


@pytest.mark.parametrize("tool", ["prodigy", "label-studio"])
def test_spans_go_there_and_back(
    medical: Plugin, source: Path, command: Command, tmp_path: Path, tool: str
) -> None:
    tasks = tmp_path / "tasks.json"
    answer = command(
        *("review", source, "--plugin", "medical_ner", "--export", tool, "--output", tasks)
    )
    assert answer.code == 0, answer.errors
    for key in ("chemical", "disease"):
        assert f"relations/{key}: 2 left out: inside objects" in answer.errors
    lines = tasks.read_text("utf-8")
    is_list = tool == "label-studio"
    written = json.loads(lines) if is_list else [json.loads(line) for line in lines.splitlines()]
    back = tmp_path / ("back.json" if is_list else "back.jsonl")
    rows = as_annotated(tool, written)
    text = json.dumps(rows) if is_list else "".join(json.dumps(row) + "\n" for row in rows)
    back.write_text(text, encoding="utf-8")
    examples = [row for row in read_examples(medical, back) if isinstance(row, Example)]
    assert [row.document.id for row in examples] == ["a/1", "b", "c"]
    expected = {key: value for key, value in RECORD.items() if key != "relations"}
    assert [row.record for row in examples[:2]] == [expected, expected]
    assert examples[2].record == {"chemicals": [], "diseases": []}
    spans = [[list(span) for span in row.mentions["/chemicals/0"]] for row in examples[:2]]
    assert spans == [[[0, 7], [21, 28]], [[0, 7]]]
    # A licence holds for what becomes of the record, whoever corrects it.
    assert [row.teacher for row in examples] == [Teacher("big", "llama3"), None, None]


@pytest.mark.parametrize("tool", ["brat", "pubtator"])
def test_a_licence_that_a_format_cannot_hold_is_told(
    source: Path, command: Command, tmp_path: Path, tool: str
) -> None:
    output = tmp_path / "out.pubtator"
    answer = command(
        *("review", source, "--plugin", "medical_ner", "--export", tool, "--output", output)
    )
    assert answer.code == 0, answer.errors
    assert "teacher: 1 labelled by big: the format has no place for its licence" in answer.errors


def test_it_wants_an_output(source: Path, command: Command) -> None:
    answer = command("review", source, "--plugin", "medical_ner", "--export", "prodigy")
    assert answer.code == 2
    assert "--export wants --output" in answer.errors


def span(text: str, label: str, document: str = TEXT) -> dict[str, Any]:
    start = document.index(text)
    value = {"start": start, "end": start + len(text), "text": text, "labels": [label]}
    return {"from_name": "label", "to_name": "text", "type": "labels", "value": value}


ASPIRIN, MORPHINE = span("Aspirin", "chemicals"), span("morphine", "chemicals")
RASH = span("rash", "diseases")
ANNOTATED: dict[str, tuple[list[dict[str, Any]], list[str] | None]] = {
    "alike in another order": (
        [{"result": [ASPIRIN, MORPHINE]}, {"result": [MORPHINE, ASPIRIN]}],
        ["Aspirin", "morphine"],
    ),
    "one found nothing": ([{"result": [ASPIRIN]}, {"result": []}], None),
    "one found more": ([{"result": [ASPIRIN]}, {"result": [ASPIRIN, MORPHINE]}], None),
    "another label": (
        [{"result": [ASPIRIN]}, {"result": [span("Aspirin", "diseases")]}],
        None,
    ),
    "one passed over it": (
        [{"result": [], "was_cancelled": True}, {"result": [MORPHINE]}],
        ["morphine"],
    ),
    "one is ground truth": (
        [{"result": [ASPIRIN]}, {"result": [MORPHINE], "ground_truth": True}],
        ["morphine"],
    ),
}


@pytest.mark.parametrize("case", ANNOTATED)
def test_annotators_of_label_studio_who_differ_are_a_conflict(
    medical: Plugin, tmp_path: Path, case: str
) -> None:
    annotations, chemicals = ANNOTATED[case]
    tasks = [
        {"id": 1, "data": {"text": TEXT}, "annotations": annotations},
        {"id": 2, "data": {"text": "Rash."}, "annotations": [{"result": []}]},
    ]
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(tasks), encoding="utf-8")
    found, other = read_examples(medical, file)
    assert isinstance(other, Example)
    if chemicals is None:
        assert isinstance(found, Reject)
        assert "two reviewers or annotators who differ); decide with `extract review`" in (
            found.reason
        )
        assert (found.id, found.field) == ("1", "record")
        shown = next(iter(read_examples(medical, file, with_proposals=True)))
        assert isinstance(shown, Example)
        assert shown.is_proposed
    else:
        assert isinstance(found, Example)
        assert (found.record or {})["chemicals"] == chemicals


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_an_export_of_label_studio_that_is_not_of_tasks_is_refused(
    medical: Plugin, tmp_path: Path, ending: str
) -> None:
    labels = [each["value"] for each in (ASPIRIN, RASH)]
    row = {"id": 7, "text": TEXT, "label": labels, "annotator": 1, "annotation_id": 2}
    file = tmp_path / f"min.{ending}"
    if ending == "json":
        file.write_text(json.dumps([row]), encoding="utf-8")
    else:
        with file.open("w", encoding="utf-8", newline="") as stream:
            cells = csv.DictWriter(stream, row)
            cells.writeheader()
            cells.writerow(row | {"label": json.dumps(labels)})
    (found,) = read_examples(medical, file)
    assert isinstance(found, Reject)
    assert found.reason.endswith("export the project as JSON")
    # Its text can still be predicted.
    (document,) = read_inputs(medical, [str(file)])
    assert isinstance(document, Document)
    assert document.text == TEXT


EMOJI = "😀 Aspirin caused 🩸 rash."


@pytest.mark.parametrize("units", ["characters", "UTF-16 units", "neither"])
def test_emoji_are_no_matter_in_whatever_unit_label_studio_counts(
    medical: Plugin, source: Path, command: Command, tmp_path: Path, units: str
) -> None:
    """It counts characters; old versions count UTF-16 units, of which an emoji has two."""
    record = {"chemicals": ["Aspirin"], "diseases": ["rash"]}
    source.write_text(json.dumps({"id": "a", "text": EMOJI, "record": record}), encoding="utf-8")
    tasks = tmp_path / "tasks.json"
    command(
        *("review", source, "--plugin", "medical_ner"),
        *("--export", "label-studio", "--output", tasks),
    )
    rows = as_annotated("label-studio", json.loads(tasks.read_text("utf-8")))
    values = [each["value"] for each in rows[0]["annotations"][0]["result"]]
    assert [(each["start"], each["end"]) for each in values] == [(2, 9), (19, 23)]
    for value in values:
        for key in ("start", "end"):
            if units == "UTF-16 units":
                value[key] = len(EMOJI[: value[key]].encode("utf-16-le")) // 2
            elif units == "neither":
                value[key] -= 1
    back = tmp_path / "back.json"
    back.write_text(json.dumps(rows), encoding="utf-8")
    (found,) = read_examples(medical, back)
    if units == "neither":
        assert isinstance(found, Reject)
        assert "be they counted in characters or in UTF-16 units" in found.reason
    else:
        assert isinstance(found, Example)
        assert found.record == record
        assert dict(found.mentions) == {"/chemicals/0": [(2, 9)], "/diseases/0": [(19, 23)]}
