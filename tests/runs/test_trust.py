"""A run folder from somebody else runs no code, whatever it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command import Command
from tiny_model import Workplace, contents

DOCUMENT = "1|t|aspirin and rash.\n1|a|aspirin caused rash in 3 patients.\n"

CODE = """
from pathlib import Path
Path({mark!r}).write_text("ran")
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class OwnConfig(LlamaConfig):
    model_type = "own"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
class OwnTokenizer(PreTrainedTokenizerFast):
    pass
"""
AUTO_MAP = {
    "AutoConfig": "own.OwnConfig",
    "AutoModelForCausalLM": "own.OwnModel",
    "AutoTokenizer": ["own.OwnTokenizer", "own.OwnTokenizer"],
}


def change_json(file: Path, **entries: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **entries}))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that code of the run writes if it runs."""
    return tmp_path / "mark"


@pytest.fixture
def hostile(run: Path, workplace: Workplace, tmp_path: Path, mark: Path) -> Path:
    """A run that says to trust the code of its base model, and has code beside its adapter."""
    model = Path(shutil.copytree(workplace.model, tmp_path / "hostile-model"))
    for folder in (model, run / "adapter"):
        (folder / "own.py").write_text(CODE.format(mark=str(mark)))
    change_json(model / "config.json", auto_map=AUTO_MAP, model_type="own")
    for folder in (model, run / "adapter"):
        change_json(folder / "tokenizer_config.json", auto_map=AUTO_MAP)
    change_json(run / "adapter" / "adapter_config.json", base_model_name_or_path=str(model))
    receipt = json.loads((run / "adapter" / "receipt.json").read_bytes())
    del receipt["files"]
    (run / "adapter" / "receipt.json").write_text(json.dumps(receipt))
    info = json.loads((run / "run.json").read_bytes())
    info["settings"]["model"]["value"] = str(model)
    info["settings"]["trust_remote_code"] = {"value": True, "from": "user"}
    info["base_model"]["name"] = str(model)
    (run / "run.json").write_text(json.dumps(info))
    return run


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "document.txt"
    path.write_text(DOCUMENT)
    return path


@pytest.mark.parametrize("name", ["predict", "evaluate", "resume"])
def test_a_run_does_not_say_what_is_trusted(
    hostile: Path, document: Path, command: Command, mark: Path, name: str
) -> None:
    before = contents(hostile)
    answer = {
        "predict": lambda: command("predict", hostile, document),
        "evaluate": lambda: command("evaluate", hostile),
        "resume": lambda: command("train", "--resume", hostile),
    }[name]()
    assert answer.code == 1
    line = answer.errors.splitlines()[-1]
    assert "runs code of its own (trust_remote_code); if you trust that code" in line
    assert "--trust-remote-code" in line
    assert "Traceback" not in answer.errors
    assert not mark.exists()
    assert contents(hostile) == before


def test_what_a_run_does_not_admit_is_not_run_either(
    hostile: Path, document: Path, command: Command, mark: Path
) -> None:
    info = json.loads((hostile / "run.json").read_bytes())
    info["settings"]["trust_remote_code"]["value"] = False
    (hostile / "run.json").write_text(json.dumps(info))
    answer = command("predict", hostile, document)
    assert answer.code == 1
    assert answer.errors.splitlines()[-1].startswith("extract: error: ")
    assert "Traceback" not in answer.errors
    assert not mark.exists()


def test_the_report_of_such_a_run_runs_nothing(hostile: Path, command: Command, mark: Path) -> None:
    answer = command("report", hostile)
    assert answer.code == 0, answer.errors
    assert not mark.exists()


def test_the_user_may_trust_the_code(
    hostile: Path, document: Path, command: Command, mark: Path
) -> None:
    command("predict", hostile, document, "--trust-remote-code")
    assert mark.read_text() == "ran"


def test_the_flag_is_for_runs(workplace: Workplace, tmp_path: Path, command: Command) -> None:
    answer = command(*workplace.order(tmp_path / "new"), "--trust-remote-code")
    assert answer.code == 2
    assert not (tmp_path / "new").exists()
