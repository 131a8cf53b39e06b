"""Scores: of which documents, with intervals, beside baselines; and what a run refuses to score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Command
from tiny_model import (
    Trained,
    Workplace,
    contents,
    documents,
    info,
    lines,
    without_cost,
    write_documents,
)

import fieldsmith
import fieldsmith_medical_ner
from fieldsmith import Document, Example
from fieldsmith.dataset.splits import fingerprint
from fieldsmith.evaluation.selection import refuse_trained

NAMES = ("chemicals", "diseases", "relations")


def scored(command: Command, *arguments: object) -> dict[str, Any]:
    answer = command("evaluate", *arguments, "--json", "--again", "many tests, one run")
    assert answer.code == 0, answer.errors
    summary: dict[str, Any] = json.loads(answer.output)
    return summary


def refused(command: Command, *arguments: object) -> str:
    """Return the one line that a refusal prints."""
    answer = command("evaluate", *arguments)
    assert answer.code == 1, answer.output
    assert answer.output == ""
    assert answer.errors.startswith("extract: error: ")
    assert answer.errors.count("\n") == 1, answer.errors
    return answer.errors


@pytest.fixture
def labelled(tmp_path: Path, command: Command) -> Path:
    """JSONL of two documents labelled test, one validation, one nothing, and a copy of one."""
    empty: dict[str, Any] = {"chemicals": [], "diseases": [], "relations": []}
    rash = {"chemicals": [], "diseases": ["rash"], "relations": []}
    rows = [
        {"id": "a", "text": "No one was ill.", "record": empty, "split": "test"},
        {"id": "b", "text": "A rash came.", "record": rash, "split": "test"},
        {"id": "c", "text": "Another rash came.", "record": rash, "split": "validation"},
        {"id": "d", "text": "One more rash came.", "record": rash},
        {"id": "e", "text": "Not known to anyone."},
        {"id": "b", "text": "A rash  came.", "record": rash, "split": "test"},
    ]
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# Which documents


def test_the_own_split_scores_as_after_the_training(run: Path, command: Command) -> None:
    before = json.loads((run / "metrics.json").read_text())
    assert list(before) == ["validation"]
    predictions = (run / "predictions" / "validation.jsonl").read_bytes()
    summary = scored(command, run, "--split", "validation")
    assert without_cost({"it": summary}) == without_cost({"it": before["validation"]})
    assert (run / "predictions" / "validation.jsonl").read_bytes() == predictions
    test = scored(command, run)
    after = json.loads((run / "metrics.json").read_text())
    assert after == {"validation": summary, "test": test}
    assert test["split"] == "test"


def test_other_data_is_scored_whole(run: Path, workplace: Workplace, command: Command) -> None:
    summary = scored(command, run, "--data", workplace.unseen)
    assert (summary["split"], summary["documents"]) == ("unseen.txt", 12)
    assert summary["score"] > 0.3
    assert summary["baselines"]["null"]["score"] == 0
    assert json.loads((run / "metrics.json").read_text())["unseen.txt"] == summary
    rows = lines(run / "predictions" / "unseen.txt.jsonl")
    assert len(rows) == 12
    assert all(row["gold"]["chemicals"] for row in rows)


def test_official_labels_choose_and_a_document_without_one_counts(
    run: Path, labelled: Path, command: Command
) -> None:
    def ids(*options: str) -> list[str]:
        name = scored(command, run, "--data", labelled, *options)["split"]
        file = run / "predictions" / f"{name.replace(':', '-')}.jsonl"
        return [row["id"] for row in lines(file)]

    assert ids("--split", "test") == ["a", "b", "d"]
    assert ids("--split", "validation") == ["c", "d"]
    assert ids("--split", "train") == ["d"]
    assert ids() == ["a", "b", "c", "d"]
    assert scored(command, run, "--data", labelled)["set_aside"] == 2


def test_a_path_called_test_is_not_taken_for_the_own_split(
    run: Path, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "test").mkdir()
    write_documents(tmp_path / "test" / "unseen.txt", documents(3, seed=7, first=801))
    assert scored(command, run, "--data", tmp_path / "test")["documents"] == 3
    assert set(json.loads((run / "metrics.json").read_text())) == {"validation", "test:all"}


# What is said


def test_the_answer_has_the_shape_that_is_promised(
    run: Path, workplace: Workplace, command: Command
) -> None:
    summary = scored(command, run, "--data", workplace.unseen)
    promised = ["plugin", "split", "documents", "score", "metrics", "valid"]
    assert list(summary)[:6] == promised
    assert summary["plugin"] == "medical_ner"
    assert set(summary["baselines"]) == {"null"}
    expected = {f"{name}/{rate}" for name in NAMES for rate in ("precision", "recall", "f1")}
    assert expected <= set(summary["metrics"])
    for interval in summary["metrics"].values():
        assert list(interval) == ["value", "low", "high"]
        assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1
    assert summary["metrics"]["score"]["value"] == summary["score"]
    mean = sum(summary["metrics"][f"{name}/f1"]["value"] for name in NAMES) / 3
    assert summary["score"] == pytest.approx(mean)
    assert 0 < summary["valid"] <= 1
    assert summary["seconds_per_document"] > 0
    assert summary["peak_memory_mb"] > 100


def test_the_scores_are_those_of_the_predictions_and_the_gold(
    run: Path, workplace: Workplace, command: Command
) -> None:
    summary = scored(command, run, "--data", workplace.unseen)
    for name in ("chemicals", "diseases"):
        matched = predicted = gold = 0
        for row in lines(run / "predictions" / "unseen.txt.jsonl"):
            ours, theirs = ({*(r or {name: []})[name]} for r in (row["record"], row["gold"]))
            matched += len(ours & theirs)
            predicted += len(ours)
            gold += len(theirs)
        f1 = summary["metrics"][f"{name}/f1"]["value"]
        assert f1 == pytest.approx(2 * matched / (predicted + gold))


def test_the_table_says_the_same(run: Path, workplace: Workplace, command: Command) -> None:
    summary = scored(command, run, "--data", workplace.unseen, "--base")
    again = ("--again", "as a table")
    table = command("evaluate", run, "--data", workplace.unseen, "--base", *again).output
    for name in NAMES:
        row = next(line for line in table.splitlines() if f" {name} " in line)
        interval = summary["metrics"][f"{name}/f1"]
        assert f"{interval['value']:.3f}" in row
        assert f"{interval['low']:.3f}-{interval['high']:.3f}" in row
        assert f"{summary['baselines']['base']['metrics'][f'{name}/f1']['value']:.3f}" in row
    assert "12 documents" in table
    assert "better than the base by" in table


def test_the_base_model_is_scored_beside(run: Path, workplace: Workplace, command: Command) -> None:
    alone = scored(command, run, "--data", workplace.unseen)
    summary = scored(command, run, "--data", workplace.unseen, "--base")
    base = summary["baselines"]["base"]
    assert {name for name in summary if name != "baselines"} == set(alone) - {"baselines"}
    assert summary["score"] == alone["score"]
    assert base["score"] != summary["score"]
    difference = base["difference"]
    assert difference["value"] == pytest.approx(summary["score"] - base["score"])
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert 0 < difference["p_value"] <= 1
    assert len(lines(run / "predictions" / "unseen.txt.jsonl")) == 12


# What is refused


def test_documents_are_seen_by_text_not_by_id() -> None:
    trained = {fingerprint("One text"), fingerprint("Two")}
    texts = {"1": "one  text", "2": "three", "3": "TWO"}
    rows = [Example(Document(name, text), {}) for name, text in texts.items()]
    assert refuse_trained(rows, trained, allow_leaks=True)[1] == ["1", "3"]
    other = [Example(Document("1", "four"), {})]
    assert refuse_trained(other, trained, allow_leaks=False) == ([fingerprint("four")], [])


def test_documents_of_the_training_are_refused_with_their_count(
    run: Path, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    trained_on = (workplace.corpus / "train.txt").read_text().split("\n\n")
    mixed = tmp_path / "mixed.txt"
    write_documents(mixed, [*trained_on[:3], *documents(5, seed=5, first=901)])
    line = refused(command, run, "--data", mixed)
    assert "3 of 8 documents were in this run's training data (1, 2, 3)" in line
    assert "--allow-leaks" in line
    allowed = scored(command, run, "--data", mixed, "--allow-leaks")
    assert (allowed["documents"], allowed["trained_on"]) == (8, 3)
    assert "24 of 24 documents" in refused(command, run, "--split", "train")


def test_own_data_that_changed_is_refused(
    workplace: Workplace, run: Path, tmp_path: Path, command: Command
) -> None:
    moved = tmp_path / "corpus"
    moved.mkdir()
    for name, data in contents(workplace.corpus).items():
        (moved / name).write_bytes(data)
    known = info(run)
    known["data"]["source"] = str(moved)
    (run / "run.json").write_text(json.dumps(known))
    assert scored(command, run)["documents"] == 10
    write_documents(moved / "test.txt", documents(10, seed=1, first=901))
    line = refused(command, run, "--again", "other documents")
    assert "the data changed since the run was trained" in line


def test_data_without_labels_is_refused(run: Path, tmp_path: Path, command: Command) -> None:
    source = tmp_path / "plain.jsonl"
    source.write_text(json.dumps({"id": "a", "text": "aspirin"}) + "\n")
    answer = command("evaluate", run, "--data", source)
    assert (answer.code, answer.output) == (1, "")
    told, refusal = answer.errors.splitlines()
    assert told == f"{source}: 1 row was set aside; the first: {source}:1: it has no record"
    assert refusal == f"extract: error: {source} holds no document with a record to score"


def test_a_changed_schema_is_refused(
    run: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = fieldsmith_medical_ner.extract_schema()
    schema["properties"]["remarks"] = {"type": ["string", "null"]}
    monkeypatch.setattr(fieldsmith, "read_schema", lambda _module_file: schema, raising=False)
    assert "schema, probe changed since this run was trained" in refused(command, run)


def test_a_changed_chat_template_is_refused(run: Path, command: Command) -> None:
    template = run / "adapter" / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|eot_id|>", "<|eot_id|>\n"))
    line = refused(command, run)
    assert f"{template}: cannot be loaded: it has changed since the training" in line


def test_a_changed_tokenizer_is_refused(run: Path, command: Command) -> None:
    file = run / "adapter" / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    tokenizer["model"]["merges"].pop()
    file.write_text(json.dumps(tokenizer), encoding="utf-8")
    line = refused(command, run)
    assert f"{file}: cannot be loaded: it has changed since the training" in line


def test_a_broken_tokenizer_is_one_line(run: Path, command: Command) -> None:
    (run / "adapter" / "tokenizer.json").write_text('{"model": 1}')
    assert "cannot be loaded" in refused(command, run)


def test_a_receipt_that_is_gone_is_refused(run: Path, command: Command) -> None:
    (run / "adapter" / "receipt.json").unlink()
    assert "receipt.json: cannot be read" in refused(command, run)


def test_another_base_model_is_refused(
    workplace: Workplace, run: Path, tmp_path: Path, command: Command
) -> None:
    known = info(run)
    known["settings"]["model"]["value"] = known["base_model"]["name"] = str(tmp_path / "model")
    (run / "run.json").write_text(json.dumps(known))
    assert f"base model is looked for at {tmp_path / 'model'}, where" in refused(command, run)
    for name, data in contents(workplace.model).items():
        (tmp_path / "model" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    assert scored(command, run)["documents"] == 10
    weights = tmp_path / "model" / "model.safetensors"
    held = weights.read_bytes()
    weights.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    line = refused(command, run, "--split", "validation")
    assert "is not the one it was trained on" in line


def test_a_trained_run_needs_nothing_of_where_it_was_started(
    trained: Trained, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert info(trained.run)["base_model"]["name"] == str(workplace.model)
