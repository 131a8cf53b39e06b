"""The card in an adapter's folder: its metadata, and what it says about runs of each kind."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pluggy
import pytest
from huggingface_hub import ModelCard
from invented_plugins import NAMES, plugin_of, shipped_prompts
from plain_answers import snippet

from fieldsmith import Document, Message, Schema, hookimpl, hookspecs
from fieldsmith.settings import Settings
from fieldsmith.task import Task
from fieldsmith.training.adapter import _base_folder
from fieldsmith.training.model_card import write_card

HUB = {"name": "someone/a-model", "commit": "0123abcd"}
FOLDER = {"name": "models/mine", "sha256": "0123abcd"}

SYSTEM = Message("system", 'Find "names" in {braces}.\n```json\n')


def card(
    folder: Path, base: dict[str, str] = HUB, min_confidence: float = 0.0, **chosen: Any
) -> ModelCard:
    """Write the card of an invented run and return it as the hub's client reads it."""
    task = Task(plugin_of(NAMES, [SYSTEM]), Settings(**chosen), shipped_prompts())
    return card_of(folder, task, base, min_confidence)


def card_of(
    folder: Path,
    task: Task,
    base: dict[str, str] = HUB,
    min_confidence: float = 0.0,
    base_folder: str = "",
) -> ModelCard:
    info = {
        "plugin": {"name": "invented", "distribution": "invented", "version": "1"},
        "base_model": base,
        "counts": {
            "documents": {"train": 5, "validation": 3, "test": 50},
            "windows": {"trained": 7},
        },
        "answered": ["names"],
        "longest_lists": {"/properties/names": 20},
        "training": {"steps": 1},
    }
    write_card(folder, task, info, min_confidence, base_folder=base_folder)
    return ModelCard((folder / "README.md").read_text(encoding="utf-8"))


def test_the_card_says_of_how_many_documents_the_scores_are(tmp_path: Path) -> None:
    assert "Scores of" not in card(tmp_path).text
    text = card(tmp_path, score_documents=2).text
    assert "- Scores of validation at the end of training: of 2 of 3 documents" in text


def test_the_metadata_name_the_base_model_and_its_licence(tmp_path: Path) -> None:
    on_hub: Any = card(tmp_path).data
    assert (on_hub.library_name, on_hub.base_model) == ("peft", "someone/a-model")
    assert on_hub.license == "other"
    assert on_hub.license_link == "https://huggingface.co/someone/a-model"
    whole: Any = card(tmp_path, tuning="full").data
    assert whole.library_name == "transformers"
    # A path of this machine is no name of the hub.
    local: Any = card(tmp_path, base=FOLDER).data
    assert local.base_model is None


def test_the_prompt_in_the_card_is_the_one_of_the_training(tmp_path: Path) -> None:
    card(tmp_path)
    tree = ast.parse(snippet(tmp_path))
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert values["MESSAGES"] == [
        {"role": "system", "content": SYSTEM.content},
        {"role": "user", "content": "{document}"},
    ]
    assert values["END"] == shipped_prompts().end


def test_the_schema_is_the_one_that_is_enforced(tmp_path: Path) -> None:
    card(tmp_path)
    schema: Schema = json.loads((tmp_path / "schema.json").read_text(encoding="utf-8"))
    assert schema["required"] == ["names"]
    assert schema["properties"]["names"]["maxItems"] == 40
    assert (tmp_path / "grammar.lark").read_text(encoding="utf-8").endswith("CHUNKS: %regex ")


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ({"prefix_lm": True}, "attended to each other in both directions"),
        ({"tagging_weight": 1.0}, "has the answer alone"),
    ],
)
def test_what_other_engines_answer_worse_says_so(
    tmp_path: Path, chosen: dict[str, Any], why: str
) -> None:
    text = " ".join(card(tmp_path, **chosen).text.split())
    assert "answer worse than `extract predict`" in text
    assert why in text
    assert "```python" not in text
    assert not (tmp_path / "schema.json").exists()
    assert not (tmp_path / "grammar.lark").exists()


@pytest.mark.parametrize(
    ("chosen", "parts"),
    [
        ({"quantize": "nf4"}, {"dequantize", "PeftModel", "BitsAndBytesConfig"}),
        ({"quantize": "none"}, {"PeftModel"}),
        ({"quantize": "none", "tuning": "full"}, set()),
    ],
)
def test_the_script_loads_the_weights_of_the_training(
    tmp_path: Path, chosen: dict[str, Any], parts: set[str]
) -> None:
    card(tmp_path, **chosen)
    script = snippet(tmp_path)
    compile(script, "answer.py", "exec")
    all_parts = {"dequantize", "PeftModel", "BitsAndBytesConfig"}
    assert {part for part in all_parts if part in script} == parts


def test_a_threshold_and_windows_are_told(tmp_path: Path) -> None:
    told = card(tmp_path, min_confidence=0.35, window="tokens", window_size=640).text
    assert "`min_confidence`" in told
    assert "0.35" in told
    assert "up to 640 tokens" in told
    untold = card(tmp_path).text
    assert "min_confidence" not in untold
    assert "**Windows**" not in untold


def test_no_script_where_the_prompt_depends_on_more_than_the_text(tmp_path: Path) -> None:
    class Long:
        @hookimpl
        def extract_prompt(self, document: Document, schema: Schema) -> list[Message]:
            return [Message("user", f"{len(document.text)} characters: {document.text}")]

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(Long())
    plugin = replace(plugin_of(NAMES), _hooks=manager.hook)
    text = card_of(tmp_path, Task(plugin, Settings(), shipped_prompts())).text
    assert "depends on more than the text" in text
    assert "```python" not in text


def test_the_script_finds_a_base_in_a_folder_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = _base_folder(Settings(model="models/mine"))
    assert found == str(tmp_path / "models" / "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _base_folder(Settings(model="models/mine")) == "~/models/mine"
    assert _base_folder(Settings(model="someone/a-model")) == ""

    task = Task(plugin_of(NAMES, [SYSTEM]), Settings(), shipped_prompts())
    for given, line in (
        (found, f"BASE, COMMIT = {found!r}, None"),
        ("~/models/mine", "BASE, COMMIT = str(Path('~/models/mine').expanduser()), None"),
        ("", "BASE, COMMIT = 'models/mine', None"),
    ):
        card_of(tmp_path, task, FOLDER, base_folder=given)
        assert f"\n{line}\n" in snippet(tmp_path)
