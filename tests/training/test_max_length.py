"""``--max-length``: up to what the model was made for, and the preset for whole papers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command

from fieldsmith.settings import resolve


@pytest.mark.parametrize("name", ["train", "audit", "plan"])
def test_a_length_beyond_the_model_is_refused(name: str, command: Command, tmp_path: Path) -> None:
    output = ("--output", tmp_path / "run") if name == "train" else ()
    answer = command(name, "--plugin", "medical_ner", "--max-length", "2049", *output)
    assert answer.code == 1
    assert answer.errors == (
        "extract: error: max_length 2049: the model embedded was made for 2048 tokens; set 2048 or "
        "less, or cut documents into windows (--set window=tokens)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_length_that_the_model_has_is_used(command: Command) -> None:
    answer = command("audit", "--plugin", "medical_ner", "--max-length", "2048", "--json")
    assert json.loads(answer.output)["settings"]["max_length"] == 2048
    by_name = command("audit", "--plugin", "medical_ner", "--set", "max_length=4096")
    assert "was made for 2048 tokens" in by_name.errors


def test_a_preset_reads_papers_of_thirty_thousand_tokens() -> None:
    chosen = resolve("llama-3.2-3b-30k", "invented", {}, {}).values
    assert (chosen.max_length, chosen.window) == (30_000, "document")
    assert (chosen.batch_size, chosen.accumulation) == (1, 32)
