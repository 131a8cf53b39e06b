"""Minimum confidence and signal weights: chosen on held-out documents, stored in the run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command import Command
from invented_plugins import plugin_of, shipped_prompts
from random_extractor import extractor
from tag_examples import SCHEMA, tags_of
from tag_examples import TEXT as TAGGED
from tiny_model import Trained, Workplace, info

from fieldsmith.data import Counts, Document, Example, Prediction, Record, Schema
from fieldsmith.evaluation.threshold import Threshold, best_shares, best_threshold
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.extraction.postprocess import WindowAnswer
from fieldsmith.plugins import load
from fieldsmith.settings import Settings
from fieldsmith.tagging.ensemble import Shares
from fieldsmith.task import Task
from fieldsmith.text.grounding import ground
from fieldsmith.windows.cutting import Window

TEXT = "aspirin and morphine were given; the nurse and the day were not."
GOLD: Record = {"chemicals": ["aspirin", "morphine"], "diseases": []}

SETTINGS = Settings(score=["chemicals"])


def chosen(named: dict[str, float], settings: Settings = SETTINGS) -> tuple[float, float]:
    """Return threshold and score where the model named these chemicals with these confidences."""
    task = Task(load("medical_ner"), settings, shipped_prompts())
    document = Document("1", TEXT)
    record: Record = {"chemicals": list(named), "diseases": []}
    prediction = Prediction(
        document,
        record=record,
        confidence={f"/chemicals/{at}": sure for at, sure in enumerate(named.values())},
        grounding=ground(record, TEXT),
    )
    example = Example(document, dict(GOLD))
    found = best_threshold(task, [example], [prediction])
    return found.min_confidence, round(found.scores["score"], 6)


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
        answer = command("evaluate", run, "--split", "validation", "--json", *options)
        assert answer.code == 0, answer.errors
        loaded: dict[str, float] = json.loads(answer.output)
        return loaded

    own, none = evaluated(), evaluated("--min-confidence", 0)
    assert (own["min_confidence"], none["min_confidence"]) == (0.9, 0)
    assert own["unsure"] > none["unsure"] == 0


def test_the_adapter_says_how_its_prompts_are_read(trained: Trained) -> None:
    card = (trained.run / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "attended to each other in both directions in training (`prefix_lm`)" in card


def counted(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    gold = set((example.record or {})["names"])
    found = set((prediction.record or {})["names"])
    return {"names": Counts(float(len(gold & found)), float(len(found)), float(len(gold)))}


def shares_of(
    asking: Extractor, examples: list[Example], answers: list[list[WindowAnswer]]
) -> tuple[Shares, Threshold]:
    documents = [example.document for example in examples]
    first = best_threshold(asking.task, examples, asking.predict_answered(documents, answers))
    return best_shares(asking, examples, answers, first)


def best_for(
    gold: list[str], documents: int = 1, tag_share: float | None = None
) -> tuple[Shares, float]:
    """Return the weights chosen for answers and tags that disagree, and the score at them."""
    document = Document("1", TAGGED)
    record: Record = {"title": None, "names": ["Zinc oxide", "study"], "pairs": []}
    answer = WindowAnswer(
        Window(document, 0),
        "",
        record=record,
        confidence={"/names/0": 0.9, "/names/1": 0.6},
        tags={"names": tags_of([("Zinc oxide", 0.1), ("study", 0.8)])},
    )
    asking = extractor(SCHEMA, 20, tags=True)
    plugin = plugin_of(SCHEMA, metric=counted)
    fixed = replace(asking.task.settings, score=["names"], tag_share=tag_share)
    assert asking.ensemble is not None
    ensemble = replace(asking.ensemble, gazetteer=None, shares=Shares.initial(fixed))
    asking = replace(asking, task=replace(asking.task, plugin=plugin, settings=fixed))
    examples = [Example(document, {"names": gold})] * documents
    shares, found = shares_of(replace(asking, ensemble=ensemble), examples, [[answer]] * documents)
    return shares, found.scores["score"]


def test_the_weights_are_those_that_score_better() -> None:
    assert best_for(["Zinc oxide"], documents=8) == (Shares(tags=0.0), 1.0), "the answers are right"
    assert best_for(["study"], documents=8) == (Shares(), 1.0), "the tags are right, as by default"
    assert best_for(["Zinc oxide", "study"]) == (Shares(), 1.0), "no weight is better"


def test_a_weight_that_is_set_is_not_chosen() -> None:
    shares, score = best_for(["Zinc oxide"], documents=8, tag_share=0.75)
    assert shares.tags == 0.75
    assert score < 1


def test_what_may_be_chance_changes_no_weight() -> None:
    rows = [0, 0, 0, 0, 1]

    def mixed(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
        wanted = ["Zinc oxide"] if rows[int(example.document.id)] else ["study"]
        return counted(replace(example, record={"names": wanted}), prediction, schema)

    asking = extractor(SCHEMA, 20, tags=True)
    fixed = replace(asking.task.settings, score=["names"])
    assert asking.ensemble is not None
    ensemble = replace(asking.ensemble, gazetteer=None, shares=Shares(tags=0.0))
    plugin = plugin_of(SCHEMA, metric=mixed)
    asking = replace(
        asking, ensemble=ensemble, task=replace(asking.task, plugin=plugin, settings=fixed)
    )
    examples = [Example(Document(str(n), TAGGED), {"names": []}) for n in range(len(rows))]
    answers = [
        [
            WindowAnswer(
                Window(example.document, 0),
                "",
                record={"title": None, "names": ["Zinc oxide", "study"], "pairs": []},
                confidence={"/names/0": 0.9, "/names/1": 0.6},
                tags={"names": tags_of([("Zinc oxide", 0.1), ("study", 0.8)])},
            )
        ]
        for example in examples
    ]
    shares, _found = shares_of(asking, examples, answers)
    assert shares == Shares(tags=0.0), "four documents against one prove nothing"


def test_a_run_stores_the_weights_and_prediction_takes_them(
    run: Path, trained: Trained, workplace: Workplace, command: Command
) -> None:
    shares = info(trained.run)["training"]["shares"]
    assert set(shares) == {"tags", "gazetteer"}
    assert all(0 <= share <= 1 for share in shares.values())

    def confidences() -> list[dict[str, float]]:
        answer = command("predict", run, workplace.unseen, "--min-confidence", 0)
        assert answer.code == 0, answer.errors
        return [json.loads(line)["confidence"] for line in answer.output.splitlines()]

    before = confidences()
    stored = info(run)
    stored["training"]["shares"] = {"tags": 0.1, "gazetteer": 0.9}
    (run / "run.json").write_text(json.dumps(stored))
    assert confidences() != before
