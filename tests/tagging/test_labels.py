"""Tags: which token of a text begins a value, what they are trained by, and what they change."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from invented_plugins import plugin_of, shipped_prompts
from tag_examples import SCHEMA as SPANS
from tiny_model import Workplace

from fieldsmith.data import IGNORED, Document, Example, Message, Record, Schema
from fieldsmith.settings import EMBEDDED, Settings, resolve
from fieldsmith.tagging.labels import Tags, tagging_loss, verbatim_fields
from fieldsmith.task import Task
from fieldsmith.training.callbacks import BestAdapter
from fieldsmith.training.qlora import build_trainer
from fieldsmith.windows.rows import Rows, build_rows

SCHEMA: Schema = {**SPANS, "properties": {**SPANS["properties"], "tone": {"type": "string"}}}
TEXT = "zinc oxide, iron salts: calm zinc oxide <|eot_id|>"
RECORD: Record = {
    "title": None,
    "names": ["zinc oxide"],
    "pairs": [{"drug": "zinc oxide"}, {"drug": "iron"}],
    "tone": "calm",
}


def tagged(text: str, record: Record, *messages: str) -> list[tuple[str, str]]:
    """Return each tagged token of the prompt with its tag, both as text."""
    prompts = shipped_prompts()
    turns = [Message("user", message) for message in messages or (text,)]
    tags = Tags(SCHEMA, prompts).label_prompt(text, turns, record)
    ids = prompts.prompt(turns)
    assert len(tags) == len(ids)

    def read(token: int) -> str:
        return str(prompts.tokenizer.decode([token]))

    return [
        (read(token), "" if chosen == prompts.end else read(chosen))
        for token, chosen in zip(ids, tags, strict=True)
        if chosen != IGNORED
    ]


def values(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return each run of tokens that tell of one value, as text, with its field."""
    runs: list[tuple[str, str]] = []
    for token, name in found:
        if name in {first("names"), first("drug")}:
            runs.append((token, name))
        elif name:
            assert name == first(f" {runs[-1][1]}")
            runs[-1] = (runs[-1][0] + token, runs[-1][1])
    return [(value.strip(), name) for value, name in runs]


VALUES = [("zinc oxide", "names"), ("iron", "drug"), ("zinc oxide", "names")]
"""The first field that holds a value tags it; what is not verbatim has no place."""


def test_fields_are_found_on_every_level_of_a_schema() -> None:
    node = {"properties": {"at": {"x-source": "verbatim"}, "inner": {"$ref": "#/$defs/node"}}}
    fields = list(
        verbatim_fields({"properties": {"a": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}})
    )
    assert fields[:2] == ["a/at", "a/inner/at"]
    assert len(fields) < 10, "a schema that holds itself ends somewhere"
    assert list(verbatim_fields(SCHEMA)) == ["title", "names", "pairs/drug"]


def test_each_token_says_whose_value_begins_or_continues_there() -> None:
    found = tagged(TEXT, RECORD)
    assert "".join(token for token, _ in found) == TEXT, "every token of the text, and no other"
    assert values(found) == [(value, first(name)) for value, name in VALUES]


def first(text: str) -> str:
    prompts = shipped_prompts()
    return str(prompts.tokenizer.decode(prompts.encode(text)[:1]))


def test_a_text_is_tagged_where_it_is_in_a_message() -> None:
    around = f"Read: {TEXT}\nGo on."
    found = tagged(TEXT, RECORD, "zinc oxide is not it", around)
    assert "".join(token for token, _ in found).strip() == TEXT
    assert values(found) == [(value, first(name)) for value, name in VALUES]
    assert tagged(TEXT, RECORD, TEXT.upper()) == []


def test_the_loss_is_that_of_each_tag_against_the_others() -> None:
    torch.manual_seed(0)
    hidden, head = torch.randn(4, 8), torch.randn(20, 8)
    tags = torch.tensor([4, 17, 9, 4])
    classes = torch.tensor([4, 9, 17])
    wanted = 0.0
    for token, tag in zip(hidden, tags.tolist(), strict=True):
        scores = {int(c): float(token @ head[c]) for c in classes}
        total = math.log(sum(map(math.exp, scores.values())))
        wanted += total - scores[tag]
    assert float(tagging_loss(hidden, tags, classes, head)) == pytest.approx(wanted, abs=1e-4)
    assert tagging_loss(hidden[:0], tags[:0], classes, head) == 0


def rows_of(weight: float, copies: int = 0) -> tuple[Rows, Settings]:
    examples = [
        Example(Document(str(n), f"{TEXT} {n}", {}), RECORD | {"title": str(n)}) for n in range(4)
    ]
    chosen = {"tagging_weight": weight, "augment_copies": copies, "batch_size": 2, "epochs": 1}
    settings = resolve(EMBEDDED, "any", {}, chosen | {"precision": "fp32"}).values
    task = Task(plugin_of(SCHEMA), settings, shipped_prompts())
    return build_rows(examples, task), settings


def test_rows_and_their_copies_hold_tags_where_they_are_wanted() -> None:
    rows, plain = rows_of(1.0, copies=1)[0], rows_of(0.0, copies=1)[0]
    assert rows.trained
    assert len(rows.trained) == len(plain.trained)
    for row in rows.trained:
        assert len(row.tags) == row.labels.count(IGNORED) > 0
        assert len(set(row.tags)) > 3
    assert all(row.tags == [] for row in plain.trained)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_trainer_adds_its_loss(workplace: Workplace, tmp_path: Path, accumulation: int) -> None:
    logs, totals = {}, {}
    for weight in (0.0, 3.0):
        rows, settings = rows_of(weight)
        settings = dataclasses.replace(
            settings,
            model=str(workplace.model),
            batch_size=4 // accumulation,
            accumulation=accumulation,
            logging_steps=1,
            max_steps=1,
        )
        prompts = shipped_prompts()
        trainer = build_trainer(
            tmp_path,
            settings,
            prompts,
            rows.rows,
            [],
            scorer=None,
            best=BestAdapter(0),
            tags=[Tags(SCHEMA, prompts).ids] if weight else (),
        )
        totals[weight] = trainer.train().training_loss
        logs[weight] = trainer.state.log_history[0]
    plain = float(logs[0.0]["loss"])
    assert "tagging_loss" not in logs[0.0]
    of_tags = float(logs[3.0]["tagging_loss"])
    assert of_tags > 0.1
    assert float(logs[3.0]["loss"]) == pytest.approx(plain, rel=1e-3)  # of the answers alone
    assert totals[0.0] == pytest.approx(plain, rel=1e-3)
    assert totals[3.0] == pytest.approx(plain + 3 * of_tags, rel=1e-3)
