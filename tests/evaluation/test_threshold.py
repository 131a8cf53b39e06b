"""The confidence under which leaves are left out: chosen on held-out documents, kept by the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import Answer
from tiny_model import Trained, Workplace, info

from fieldsmith.data import Document, Example, Prediction, Record
from fieldsmith.evaluation.threshold import best_threshold
from fieldsmith.plugins import load
from fieldsmith.settings import Settings
from fieldsmith.text.grounding import ground

Command = Callable[..., Answer]

TEXT = "aspirin and morphine were given; the nurse and the day were not."
GOLD: Record = {"chemicals": ["aspirin", "morphine"], "diseases": []}

SETTINGS = Settings(score=["chemicals"])


def chosen(named: dict[str, float], settings: Settings = SETTINGS) -> tuple[float, float]:
    """Return threshold and score where the model named these chemicals with these confidences."""
    plugin = load("medical_ner")
    document = Document("1", TEXT)
    record: Record = {"chemicals": list(named), "diseases": []}
    prediction = Prediction(
        document,
        record=record,
        confidence={f"/chemicals/{at}": sure for at, sure in enumerate(named.values())},
        grounding=ground(record, TEXT),
    )
    example = Example(document, dict(GOLD))
    found = best_threshold(plugin, settings, [example], [prediction])
    return found.threshold, round(found.scores["score"], 6)


@pytest.mark.parametrize(
    ("named", "threshold", "score"),
    [
        ({"aspirin": 0.9, "morphine": 0.4, "nurse": 0.2, "day": 0.1}, 0.25, 1.0),
        ({"aspirin": 0.9, "morphine": 0.1, "nurse": 0.5}, 0.0, 0.8),  # two of three, none missed
        ({"aspirin": 0.3, "morphine": 0.1}, 0.0, 1.0),
        ({}, 0.0, 0.0),
    ],
)
def test_the_threshold_scores_best_and_is_the_lowest_that_does(
    named: dict[str, float], threshold: float, score: float
) -> None:
    assert chosen(named) == (threshold, score)


def test_it_is_not_chosen_where_the_settings_say_so() -> None:
    named = {"aspirin": 0.9, "morphine": 0.4, "nurse": 0.2}
    assert chosen(named, replace(SETTINGS, choose_confidence=False)) == (0.0, 0.8)


def test_a_run_leaves_out_what_its_threshold_says(
    run: Path, trained: Trained, workplace: Workplace, command: Command
) -> None:
    assert 0 <= info(trained.run)["training"]["min_confidence"] < 1

    def answered(*options: object) -> list[dict[str, object]]:
        answer = command("predict", run, workplace.unseen, *options)
        assert answer.code == 0, answer.errors
        return [json.loads(line) for line in answer.output.splitlines()]

    whole = answered("--min-confidence", 0)
    stored = info(run)
    stored["training"]["min_confidence"] = 0.9
    (run / "run.json").write_text(json.dumps(stored))
    assert answered() == answered("--min-confidence", 0.9) != whole
    assert answered("--min-confidence", 0) == whole


def test_an_evaluation_takes_the_threshold_of_the_run_or_another(
    run: Path, command: Command
) -> None:
    stored = info(run)
    stored["training"]["min_confidence"] = 0.9
    (run / "run.json").write_text(json.dumps(stored))

    def evaluated(*options: object) -> dict[str, float]:
        answer = command("evaluate", run, "--json", *options)
        assert answer.code == 0, answer.errors
        loaded: dict[str, float] = json.loads(answer.output)
        return loaded

    own, none = evaluated(), evaluated("--min-confidence", 0)
    assert (own["min_confidence"], none["min_confidence"]) == (0.9, 0)
    assert own["unsure"] > none["unsure"] == 0


def test_the_adapter_says_how_its_prompts_are_read(trained: Trained) -> None:
    card = (trained.run / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "prompts are read as a prefix (prefix_lm)" in card
