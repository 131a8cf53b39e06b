"""Predictions: in order, a line for each document whatever it is, resumable, from any source."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import Command, Moment, extract
from invented_plugins import NAMES, plugin_of
from tiny_model import Trained, Workplace, contents, documents, info, lines, write_documents

import fieldsmith
from fieldsmith import Document, Example, InputError, Schema
from fieldsmith.dataset.inputs import open_inputs
from fieldsmith.extraction import extractor as predict_module
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.extraction.groups import group_size
from fieldsmith.extraction.postprocess import valid_together
from fieldsmith.extraction.prediction_file import LineCounts, key_of, predict_lines
from fieldsmith.schema.records import first_problem
from fieldsmith.settings import Settings
from fieldsmith.windows.merging import Merged

GROUP = 32  # documents; the tiny model answers eight prompts at once

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


def test_a_line_is_written_for_each_document_in_order(unbroken: Path, workplace: Workplace) -> None:
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
        names = [name for name in row if name not in ("truncated", "repeats", "unsure")]
        expected = ["id", "record", "spans", "confidence", "status", "occurrences", "windows"]
        expected.append("read")
        assert names == [*expected, "plugin"]
        assert row["plugin"] == "medical_ner"
        read, total = row["windows"]
        assert 0 < read <= total
        assert row["read"] == 1.0 or read < total
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
        "half": "half a surrogate pair",
    }.items():
        assert by_id[name]["record"] is None
        assert reason in by_id[name]["error"]
        assert by_id[name]["read"] == 0.0
    assert by_id["good"]["record"]["chemicals"] == ["aspirin"]
    assert "error" not in by_id["good"]
    assert alike(by_id["broken"], by_id["good"]), "a prediction needs no record"
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
    assert (long["read"], short["read"]) == (0.0, 1.0)
    assert short["record"]["chemicals"] == ["aspirin"]


def test_a_window_that_does_not_fit_is_no_part_of_what_was_read(
    run: Path, tmp_path: Path, command: Command
) -> None:
    settings = info(run)
    settings["settings"]["window_size"]["value"] = 600  # the model reads 512 tokens
    (run / "run.json").write_text(json.dumps(settings))
    short, long = "aspirin and rash.", f"A{' a' * 520}."
    rows = [{"id": "a", "text": f"{short} {long}"}, {"id": "b", "text": short}]
    output = tmp_path / "records.jsonl"
    source = write_rows(tmp_path / "rows.jsonl", rows)
    answer = command("predict", run, source, "--output", output)
    assert "2 of them written now, 1 of documents that were not read whole" in answer.errors
    partly, whole = lines(output)
    assert (partly["windows"], whole["windows"]) == ([1, 2], [1, 1])
    seen = {text: sum(map(len, text.split())) for text in (short, long)}
    assert partly["read"] == pytest.approx(seen[short] / (seen[short] + seen[long]))
    assert whole["read"] == 1.0


def test_an_answer_that_is_cut_off_is_closed_and_says_so(
    run: Path, tmp_path: Path, command: Command
) -> None:
    rows = write_rows(tmp_path / "a.jsonl", [{"id": "a", "text": TEXT}])
    (whole,) = predicted(command, run, rows, "--min-confidence", "0")
    settings = info(run)
    settings["settings"]["max_new_tokens"]["value"] = 8
    (run / "run.json").write_text(json.dumps(settings))
    (row,) = predicted(command, run, rows)
    assert "truncated" not in whole
    assert row["truncated"] > 0
    assert row["windows"] == [3, 3]
    for field, items in row["record"].items():
        assert [item for item in whole["record"][field] if item in items] == items


def test_unsure_leaves_are_left_out_and_counted(
    trained: Trained, workplace: Workplace, command: Command
) -> None:
    whole = predicted(command, trained.run, workplace.unseen, "--min-confidence", "0")
    known = sorted(value for row in whole for value in row["confidence"].values())
    median = known[len(known) // 2]
    sure = predicted(command, trained.run, workplace.unseen, "--min-confidence", str(median))
    assert any("unsure" in row for row in sure)
    assert any(row["confidence"] for row in sure)
    for before, after in zip(whole, sure, strict=True):
        assert all(value >= median for value in after["confidence"].values())
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


def test_tags_are_combined_with_constrained_answers(trained: Trained) -> None:
    loaded = [Extractor.load(trained.run, constrained=constrained) for constrained in (True, False)]
    assert [extractor.ensemble is not None for extractor in loaded] == [True, False]
    task = loaded[0].task
    untagged = replace(task, settings=replace(task.settings, tagging_weight=0.0))
    assert Extractor.around(loaded[0].model, untagged).ensemble is None
    combined, generated = (
        extractor(TEXT).confidence for extractor in (loaded[0], replace(loaded[0], ensemble=None))
    )
    assert combined != generated


def test_of_what_all_windows_have_too_much_the_least_sure_goes() -> None:
    schema: Schema = {
        "type": "object",
        "properties": {"names": {"type": "array", "items": {"type": "string"}, "maxItems": 2}},
    }
    sure = {"/names/0": 0.9, "/names/1": 0.2, "/names/2": 0.6}
    kept = valid_together(Merged({"names": ["a", "b", "c"]}, {}, sure), schema)
    assert (kept.record, kept.left_out) == ({"names": ["a", "c"]}, 1)
    assert kept.moved(sure) == {"/names/0": 0.9, "/names/1": 0.6}
    certain = Merged({"names": ["a", "b", "c"]}, {}, dict.fromkeys(sure, 1.0))
    assert first_problem(valid_together(certain, schema).record, schema)
    few = Merged({"names": ["a", "b"]}, {}, {"/names/0": 0.1})
    assert valid_together(few, schema).record == few.record


@pytest.mark.parametrize("adapter", [True, False])
def test_every_answer_has_the_keys_that_training_annotates(trained: Trained, adapter: bool) -> None:
    keys = ["chemicals", "diseases", "relations"]
    assert json.loads((trained.run / "run.json").read_text())["answered"] == keys
    extractor = Extractor.load(trained.run, adapter=adapter)
    for prediction in extractor.predict([Document(text, text) for text in (TEXT, "No.", "rash")]):
        assert list(prediction.record or {}) == keys
    assert extractor.grammars is not None
    grammar = extractor.grammars.for_text(TEXT)
    whole = '{"chemicals":[],"diseases":[],"relations":[]}'
    wanted = {"{}": False, '{"chemicals":[]}': False, whole: True}
    for answer, allowed in wanted.items():
        refusal = grammar.refusal(extractor.task.prompts.answer(answer)[:-1])
        assert (refusal is None) == allowed, answer


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


# However many there are


@pytest.mark.parametrize(("prompts", "documents"), [(1, 32), (8, 32), (64, 256)])
def test_a_group_fills_several_batches(prompts: int, documents: int) -> None:
    assert group_size(Settings(eval_batch_size=prompts)) == documents


def test_documents_are_read_as_they_are_answered(trained: Trained, tmp_path: Path) -> None:
    extractor = fieldsmith.load(trained.run)
    count, made, gone, most = 40 * GROUP, 0, 0, 0

    def forget() -> None:
        nonlocal gone
        gone += 1

    def load(_source: Path | None) -> Iterator[Example]:
        nonlocal made, most
        for number in range(count):
            document = Document(f"{number}", TEXT if number % 500 == 0 else " ")
            weakref.finalize(document, forget)
            made += 1
            most = max(most, made - gone)
            yield Example(document)

    (tmp_path / "many.lst").write_text("")
    with open_inputs(plugin_of(NAMES, load=load), [str(tmp_path / "many.lst")]) as rows:
        assert rows.count == count
        assert most < 4
        counts = LineCounts()
        for number, group in enumerate(predict_lines(extractor, rows, counts=counts), 1):
            assert len(group) == GROUP
            assert made == count + number * GROUP  # and nothing beyond what was asked for
    assert (counts.lines, counts.unread) == (count, count - 3)
    assert most <= 2 * GROUP + 4


def test_inputs_that_change_meanwhile_are_reported(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "rows.jsonl", [{"text": "a"}])
    with open_inputs(plugin_of(NAMES), [str(source)]) as rows:
        assert [row.id for row in rows] == [row.id for row in rows]
        write_rows(source, [{"text": "b"}])
        with pytest.raises(InputError, match=r"rows\.jsonl: changed while it was read"):
            list(rows)


def test_windows_are_asked_for_in_parts(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{TEXT} {TEXT}", "", TEXT, "rash and pain."]
    given = [Document(str(number), text) for number, text in enumerate(texts)]
    extractor = fieldsmith.load(trained.run)
    told: list[int] = []
    whole = extractor.predict(given)
    monkeypatch.setattr(predict_module, "_AT_ONCE", 2)
    in_parts = extractor.predict(given, told.append)
    assert [p.record for p in in_parts] == [p.record for p in whole]
    assert [p.windows for p in in_parts] == [p.windows for p in whole]
    assert sum(told) == len(given)


# Killed and gone on with


def test_killed_and_resumed_it_writes_equal_bytes(
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


def test_what_was_begun_with_other_documents_is_not_resumed(
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


def test_what_another_adapter_began_is_not_resumed(
    run: Path, trained: Trained, workplace: Workplace
) -> None:
    from fieldsmith.runs.folder import Run

    key = key_of(Run(trained.run), "inputs", {})
    assert key_of(Run(run), "inputs", {}) == key
    assert key_of(Run(run), "inputs", {"min_confidence": 0.5}) != key
    assert key_of(Run(run), "others", {}) != key
    gazetteer = Run(run).gazetteer_file
    known = gazetteer.read_bytes()
    gazetteer.unlink()
    assert key_of(Run(run), "inputs", {}) != key
    gazetteer.write_bytes(known)
    assert key_of(Run(run), "inputs", {}) == key
    weights = run / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    assert key_of(Run(run), "inputs", {}) != key


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
