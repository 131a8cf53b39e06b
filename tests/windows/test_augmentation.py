"""Windows with other values: text and record change together, and nothing else does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from answer_text import text_of
from invented_plugins import shipped_prompts

from fieldsmith.data import IGNORED, Document, Record
from fieldsmith.dataset.loading import read_splits
from fieldsmith.plugins import Plugin
from fieldsmith.schema.pointers import leaves
from fieldsmith.settings import EMBEDDED, resolve
from fieldsmith.task import Task
from fieldsmith.windows.augmentation import augmented
from fieldsmith.windows.rows import build_rows

SCHEMA = {
    "type": "object",
    "properties": {
        "drug": {"type": ["string", "null"], "x-source": "verbatim"},
        "signs": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"drug": {"type": "string", "x-source": "verbatim"}},
            },
        },
        "tone": {"type": "string"},
    },
}


def window(text: str, **record: object) -> tuple[Document, Record]:
    return Document("1", text, {"url": "here"}), {"tone": "calm", **record}


WINDOWS = [
    window("zinc gave a rash, zinc!", drug="zinc", signs=["rash"], pairs=[{"drug": "zinc"}]),
    window("iron salts and salts", drug="iron salts", signs=["salts"], pairs=[]),
    window("Nothing is calm.", drug=None, signs=[], pairs=[]),
    window("gold: fever, severe fever", drug="gold", signs=["fever", "severe fever"], pairs=[]),
]


def many() -> Iterator[tuple[tuple[Document, Record], tuple[Document, Record]]]:
    """Yield windows before and after, for many seeds."""
    for seed in range(60):
        yield from zip(WINDOWS, augmented(WINDOWS, SCHEMA, seed), strict=True)


def test_every_value_is_in_the_text_and_comes_from_its_field() -> None:
    drugs, signs = {"zinc", "iron salts", "gold"}, {"rash", "salts", "fever", "severe fever"}
    changed = 0
    for (before, _), (after, record) in many():
        changed += before.text != after.text
        assert record["drug"] is None or record["drug"] in drugs
        assert set(record["signs"]) <= signs
        for _pointer, value in leaves({**record, "tone": None}):
            assert value is None or str(value) in after.text
        assert (after.id, after.meta, record["tone"]) == ("1", {"url": "here"}, "calm")
    assert changed > 60


def test_the_rest_of_the_text_stays() -> None:
    for (before, old), (after, new) in many():
        if before.text.startswith("zinc"):
            # Each place of a value changes alike, and so does each leaf that holds it.
            assert after.text == f"{new['drug']} gave a {new['signs'][0]}, {new['drug']}!"
            assert new["pairs"] == [{"drug": new["drug"]}]
        elif before.text.startswith("gold"):
            assert after.text == f"{new['drug']}: {new['signs'][0]}, {new['signs'][1]}"
            assert len(set(new["signs"])) == 2
        elif not old["signs"]:
            assert (after, new) == (before, old)


def test_equal_seeds_give_equal_windows_and_others_others() -> None:
    made = [list(augmented(WINDOWS, SCHEMA, seed)) for seed in range(10)]
    assert made == [list(augmented(WINDOWS, SCHEMA, seed)) for seed in range(10)]
    assert any(windows != made[0] for windows in made)


def test_copies_are_rows_of_their_own_beside_the_counts(medical: Plugin) -> None:
    examples = read_splits(medical, None, allow_leaks=False)[0].train[:30]
    settings = resolve(EMBEDDED, medical.name, medical.settings(EMBEDDED), {}).values
    plain, doubled = (
        build_rows(
            examples,
            Task(medical, dataclasses.replace(settings, augment_copies=copies), shipped_prompts()),
        )
        for copies in (0, 2)
    )
    assert plain.copies == []
    assert len(doubled.copies) == 2 * len(plain.rows)
    assert dataclasses.replace(doubled, copies=[]) == dataclasses.replace(plain, copies=[])
    assert doubled.trained == doubled.rows + doubled.copies
    changed = sum(row != copy for row, copy in zip(plain.rows * 2, doubled.copies, strict=True))
    assert changed > len(plain.rows)
    tokenizer = shipped_prompts().tokenizer
    found = 0
    for row in doubled.copies:
        border = row.labels.count(IGNORED)
        assert row.labels[border:] == row.input_ids[border:]
        text = tokenizer.decode(row.input_ids[:border])
        record = json.loads(text_of(row.input_ids[border:], shipped_prompts()))
        values = [value for name in ("chemicals", "diseases") for value in record[name]]
        assert all(value in text for value in values)
        found += len(values)
    assert found > len(doubled.copies)
