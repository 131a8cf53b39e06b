"""Predictions: in order, a line for each document whatever it is, resumable, from any source."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from running import Answer, Moment, extract
from tiny import Trained, Workplace, contents, documents, info, lines, write_documents

import fieldsmith

Command = Callable[..., Answer]

TEXT = "aspirin and rash. aspirin caused rash in 12 patients. Case 7."


def write_rows(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Say whether two lines say the same; what shares a batch moves the last digits."""
    same = all(one[name] == other[name] for name in ("record", "spans", "windows"))
    return same and one["confidence"] == pytest.approx(other["confidence"], abs=1e-4)


def predicted(command: Command, *arguments: object, stdin: bytes = b"") -> list[dict[str, Any]]:
    answer = command("predict", *arguments, stdin=stdin)
    assert answer.code == 0, answer.errors
    return rows_of(answer.output)


@pytest.fixture(scope="module")
def unbroken(workplace: Workplace, trained: Trained) -> Path:
    """The predictions of three groups of documents, written in one go."""
    output = workplace.folder / "unbroken.jsonl"
    answer = extract("predict", trained.run, workplace.many, "--output", output)
    assert answer.code == 0, answer.errors
    assert "75 lines, 75 of them written now" in answer.errors
    assert answer.output == ""
    return output


# What a line says


def test_a_line_stands_for_each_document_in_order(unbroken: Path, workplace: Workplace) -> None:
    ids = [block.partition("|")[0] for block in workplace.many.read_text().split("\n\n")]
    assert [row["id"] for row in lines(unbroken)] == ids
    assert not list(unbroken.parent.glob(f"{unbroken.name}.*"))


def test_a_line_holds_record_spans_confidence_and_windows(
    unbroken: Path, workplace: Workplace
) -> None:
    texts = {}
    for block in workplace.many.read_text().split("\n\n"):
        title, abstract = (line.split("|", 2)[2] for line in block.splitlines()[:2])
        texts[block.partition("|")[0]] = f"{title} {abstract}"
    found = 0
    for row in lines(unbroken):
        names = [name for name in row if name not in ("truncated", "repeats")]
        expected = ["id", "record", "spans", "confidence", "status", "occurrences", "windows"]
        assert names == [*expected, "plugin"]
        assert row["plugin"] == "medical_ner"
        read, total = row["windows"]
        assert 0 < read <= total
        assert set(row["spans"]) <= set(row["confidence"])
        for pointer, (start, end) in row["spans"].items():
            value = row["record"]
            for part in pointer.split("/")[1:]:
                value = value[int(part) if isinstance(value, list) else part]
            assert texts[row["id"]][start:end] == value
            assert row["status"][pointer] == "verbatim"
            for start, end in row["occurrences"].get(pointer, []):
                assert texts[row["id"]][start:end] == value
            found += 1
        assert all(0 <= value <= 1 for value in row["confidence"].values())
    assert found > 100


def test_every_document_has_its_line_whatever_happens(
    trained: Trained, tmp_path: Path, command: Command
) -> None:
    source = write_rows(
        tmp_path / "rows.jsonl",
        [
            {"id": "good", "text": TEXT},
            {"id": "empty", "text": ""},
            {"id": "blank", "text": " \n\t"},
            {"id": "broken", "text": TEXT, "record": 5},
            {"id": "half", "text": "a \ud800 b"},
            {"id": "noise", "text": "<|eot_id|>\u2028\u0007\U0001f600" * 9},
            {"id": "again", "text": TEXT},
        ],
    )
    rows = predicted(command, trained.run, source)
    assert [row["id"] for row in rows] == [
        "good", "empty", "blank", "broken", "half", "noise", "again",
    ]  # fmt: skip
    by_id = {row["id"]: row for row in rows}
    for name, reason in {
        "empty": "the document is empty",
        "blank": "the document is empty",
        "broken": "an object is wanted",
        "half": "half a surrogate pair",
    }.items():
        assert by_id[name]["record"] is None
        assert reason in by_id[name]["error"]
    assert by_id["good"]["record"]["chemicals"] == ["aspirin"]
    assert "error" not in by_id["good"]
    assert alike(by_id["again"], by_id["good"])


def test_a_document_that_does_not_fit_is_an_error(
    run: Path, tmp_path: Path, command: Command
) -> None:
    settings = info(run)
    settings["settings"]["window"]["value"] = "document"
    (run / "run.json").write_text(json.dumps(settings))
    rows = [{"id": "long", "text": "aspirin " * 600}, {"id": "short", "text": "aspirin and rash."}]
    long, short = predicted(command, run, write_rows(tmp_path / "rows.jsonl", rows))
    assert long["record"] is None
    assert long["error"].startswith("length: the document does not fit the model")
    assert (long["windows"], short["windows"]) == ([0, 1], [1, 1])
    assert short["record"]["chemicals"] == ["aspirin"]


def test_an_answer_that_is_cut_off_is_closed_and_says_so(
    run: Path, tmp_path: Path, command: Command
) -> None:
    rows = write_rows(tmp_path / "a.jsonl", [{"id": "a", "text": TEXT}])
    (whole,) = predicted(command, run, rows)
    settings = info(run)
    settings["settings"]["max_new_tokens"]["value"] = 8
    (run / "run.json").write_text(json.dumps(settings))
    (row,) = predicted(command, run, rows)
    assert "truncated" not in whole
    assert row["truncated"] > 0
    assert row["windows"] == [3, 3]
    for field, items in row["record"].items():
        assert [item for item in whole["record"][field] if item in items] == items
    assert row["record"] != whole["record"]


def test_unsure_leaves_are_left_out_and_counted(
    trained: Trained, workplace: Workplace, command: Command
) -> None:
    whole = predicted(command, trained.run, workplace.unseen)
    sure = predicted(command, trained.run, workplace.unseen, "--min-confidence", "0.9")
    assert any("unsure" in row for row in sure)
    for before, after in zip(whole, sure, strict=True):
        assert all(value >= 0.9 for value in after["confidence"].values())
        assert after["status"].keys() == after["confidence"].keys()
        for field, items in after["record"].items():
            assert [item for item in before["record"][field] if item in items] == items
        dropped = sum(map(len, before["record"].values())) - sum(map(len, after["record"].values()))
        assert after.get("unsure", 0) == dropped


def test_an_unconstrained_answer_says_so(
    trained: Trained, workplace: Workplace, command: Command
) -> None:
    rows = predicted(command, trained.run, workplace.unseen, "--unconstrained")
    assert all(row["constrained"] is False for row in rows)
    assert any(row["record"] for row in rows)


# Where documents come from


def test_all_sources_of_a_text_give_the_same_answer(
    trained: Trained, tmp_path: Path, command: Command
) -> None:
    plain = tmp_path / "note.txt"
    plain.write_text(TEXT, encoding="utf-8")
    row = {"id": "r", "text": TEXT}
    table = write_rows(tmp_path / "rows.jsonl", [row, row | {"id": "s"}])
    title, abstract = TEXT.split(". ", 1)
    write_documents(tmp_path / "pubtator.txt", [f"p|t|{title}.\np|a|{abstract}"])
    several = predicted(command, trained.run, plain, table, tmp_path / "pubtator.txt")
    assert [row["id"] for row in several] == ["note.txt", "r", "s", "p"]
    (typed,) = predicted(command, trained.run, "-", stdin=TEXT.encode())
    assert typed["id"] == "-"
    (streamed,) = predicted(command, trained.run, "-", stdin=json.dumps(row).encode())
    assert streamed["id"] == "r"
    for found in (*several, typed, streamed):
        assert alike(found, several[0])
    assert several[0]["record"]["chemicals"] == ["aspirin"]


def test_a_folder_is_read_in_order_and_a_bad_file_is_a_line(
    trained: Trained, tmp_path: Path, command: Command
) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "b.txt").write_text(TEXT)
    (folder / "a.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "below" / "c.txt").write_text(TEXT)
    (folder / ".hidden").write_text(TEXT)
    rows = predicted(command, trained.run, folder)
    assert [row["id"] for row in rows] == ["a.txt", "b.txt", "below/c.txt"]
    assert rows[0]["record"] is None
    assert "a.txt" in rows[0]["error"]
    assert rows[1]["record"] == rows[2]["record"] != {}


def test_standard_output_equals_the_file(
    trained: Trained, workplace: Workplace, unbroken: Path, tmp_path: Path, command: Command
) -> None:
    answer = command("predict", trained.run, workplace.many)
    assert answer.code == 0, answer.errors
    assert answer.output.encode() == unbroken.read_bytes()


def test_python_gives_what_the_command_gives(trained: Trained, command: Command) -> None:
    extractor = fieldsmith.load(trained.run)
    prediction = extractor(TEXT)
    (row,) = predicted(command, trained.run, "-", stdin=TEXT.encode())
    assert isinstance(prediction, fieldsmith.Prediction)
    assert prediction.record == row["record"]
    assert {p: list(span) for p, span in prediction.spans.items()} == row["spans"]
    assert prediction.confidence == row["confidence"]
    assert list(prediction.windows) == row["windows"]
    assert prediction.error is None
    assert len(prediction.raw) == prediction.windows[1]
    assert prediction.document.text == TEXT
    assert extractor(" ").error == "the document is empty"
    assert "half a surrogate pair" in (extractor("a \udcff").error or "")


# Killed and gone on with


def test_killed_and_gone_on_with_it_writes_equal_bytes(
    trained: Trained, workplace: Workplace, unbroken: Path, tmp_path: Path
) -> None:
    output = tmp_path / "records.jsonl"
    partial = tmp_path / "records.jsonl.partial"
    order = ("predict", trained.run, workplace.many, "--output", output)
    # The partial file is opened for each of the three groups.
    extract(*order, kill=Moment("open", partial.name, 2))
    assert len(partial.read_bytes().splitlines()) == 32
    assert not output.exists()

    # A kill while a group is written leaves a part of it, and half a line.
    group = unbroken.read_bytes().splitlines(keepends=True)[32:40]
    partial.write_bytes(partial.read_bytes() + b"".join(group)[:-20])
    extract(*order, kill=Moment("os.rename", output.name))
    assert len(partial.read_bytes().splitlines()) == 75
    assert not output.exists()

    answer = extract(*order)
    assert answer.code == 0, answer.errors
    assert "75 lines, 11 of them written now" in answer.errors
    assert output.read_bytes() == unbroken.read_bytes()
    assert list(contents(tmp_path)) == [output.name]


def test_what_was_begun_with_other_documents_is_not_gone_on_with(
    trained: Trained, workplace: Workplace, unbroken: Path, tmp_path: Path, command: Command
) -> None:
    other = tmp_path / "other.txt"
    write_documents(other, documents(75, seed=999, first=301))
    output = tmp_path / "records.jsonl"
    extract(
        "predict", trained.run, other, "--output", output,
        kill=Moment("open", "records.jsonl.partial", 2),
    )  # fmt: skip
    answer = command("predict", trained.run, workplace.many, "--output", output)
    assert "75 lines, 75 of them written now" in answer.errors
    assert output.read_bytes() == unbroken.read_bytes()


def test_what_another_adapter_began_is_not_gone_on_with(
    run: Path, trained: Trained, workplace: Workplace
) -> None:
    from fieldsmith.data import Document
    from fieldsmith.predictions import key_of
    from fieldsmith.runs import Run

    rows = [Document("a", "b")]
    key = key_of(Run(trained.run), rows, {})
    assert key_of(Run(run), rows, {}) == key
    assert key_of(Run(run), rows, {"min_confidence": 0.5}) != key
    assert key_of(Run(run), [Document("a", "c")], {}) != key
    weights = run / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    assert key_of(Run(run), rows, {}) != key


# Where they cannot go


def test_an_output_that_cannot_be_written_is_one_line(
    trained: Trained, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file" / "records.jsonl", tmp_path):
        answer = command("predict", trained.run, workplace.unseen, "--output", output)
        assert answer.code == 1
        assert answer.errors.startswith(f"extract: error: {tmp_path}")
        assert answer.errors.count("\n") == 1
        assert answer.output == ""
    assert list(contents(tmp_path)) == ["file"]


def test_an_input_is_not_written_over(
    trained: Trained, workplace: Workplace, command: Command
) -> None:
    before = workplace.unseen.read_bytes()
    answer = command("predict", trained.run, workplace.unseen, "--output", workplace.unseen)
    assert answer.code == 1
    assert "is an input too" in answer.errors
    assert workplace.unseen.read_bytes() == before
