"""A training may score some documents of a split, and says so; evaluating it scores all."""

from __future__ import annotations

import json
from pathlib import Path

from command import Command
from tiny_model import info, lines

from fieldsmith import Document, Example
from fieldsmith.evaluation.sample import sampled


def test_ids_decide_and_a_larger_sample_holds_a_smaller_one() -> None:
    examples = [Example(Document(f"d{number}", "Text."), {}) for number in range(50)]
    for count in (1, 10, 49):
        chosen = sampled(examples, count)
        assert len(chosen) == count
        backwards = sampled(examples[::-1], count)
        assert backwards[::-1] == chosen
        larger = {each.document.id for each in sampled(examples, count + 1)}
        assert {each.document.id for each in chosen} <= larger
    for count in (0, 50, 99):
        assert sampled(examples, count) == examples


def test_a_training_scores_as_many_as_it_is_told(run: Path, command: Command) -> None:
    known = info(run)
    known["settings"]["score_documents"] = {"value": 3, "from": "user"}
    (run / "run.json").write_text(json.dumps(known))
    (run / "metrics.json").unlink()
    answer = command("train", "--resume", run, "--test")
    assert answer.code == 0, answer.errors
    assert answer.output.count("3 of 10 documents, ") == 2
    metrics = json.loads((run / "metrics.json").read_text())
    for split in ("validation", "test"):
        assert (metrics[split]["documents"], metrics[split]["of"]) == (3, 10)
        assert len(lines(run / "predictions" / f"{split}.jsonl")) == 3

    report = json.loads(command("report", run, "--json").output)
    assert all(document["f1"] is not None for document in report["documents"])
    assert report["scores"]["of"] == 10
    page = run / "page.html"
    assert command("report", run, "--html", page).code == 0
    assert "3 of 10 documents" in page.read_text(encoding="utf-8")

    answer = command("evaluate", run)
    assert (answer.code, answer.output) == (1, "")
    assert "3 of these 10 test documents were scored already" in answer.errors
    answer = command("evaluate", run, "--json", "--again", "three were too few")
    scores = json.loads(answer.output)
    assert scores["documents"] == 10
    assert "of" not in scores
    assert json.loads((run / "metrics.json").read_text())["test"] == scores
