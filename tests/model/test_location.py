"""Where a model is: its config and its weights, and what is said where one of them is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import LlamaConfig

from fieldsmith.errors import SettingsError
from fieldsmith.model import location
from fieldsmith.model.location import read_config, require_weights
from fieldsmith.settings import Settings


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("pytorch_model.bin", "the folder has pytorch_model.bin, a pickle, which could run any"),
        ("consolidated.00.pth", "the folder has consolidated.00.pth, a pickle"),
        ("tf_model.h5", "the folder has tf_model.h5; safetensors are wanted"),
        ("config.json", "the folder has no weights (*.safetensors)"),
    ],
)
def test_a_folder_without_safetensors_is_told_with_what_it_has(
    file: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(SettingsError) as refused:
        require_weights(Settings(model=str(tmp_path)))
    assert said in str(refused.value)
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"")
    require_weights(Settings(model=str(tmp_path)))


def remote_config(folder: Path) -> None:
    """Write a model whose config is of a class in its own folder, which prints something."""
    fields = LlamaConfig().to_dict() | {"model_type": "own"}
    fields["auto_map"] = {"AutoConfig": "own.OwnConfig"}
    (folder / "config.json").write_text(json.dumps(fields), encoding="utf-8")
    (folder / "own.py").write_text(
        "from transformers import LlamaConfig\nprint('read')\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n",
        encoding="utf-8",
    )


def test_a_model_with_code_of_its_own_names_the_setting_that_allows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote_config(tmp_path)
    with pytest.raises(SettingsError) as refused:
        read_config(Settings(model=str(tmp_path)))
    assert str(refused.value).endswith("if you trust it: --set trust_remote_code=true")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "c"))
    read_config(Settings(model=str(tmp_path), trust_remote_code=True))
    shown = capsys.readouterr()
    assert not shown.out, "records may be written there"
    assert "read" in shown.err


def test_a_hub_that_is_not_reached_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2
    import huggingface_hub

    asked = []

    def unreachable(url: str) -> None:
        asked.append(url)
        raise httpx2.ConnectError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    monkeypatch.setattr(location, "_cached", lambda *_given: None)
    with pytest.raises(SettingsError, match="the Hugging Face hub cannot be reached: "):
        read_config(Settings(model="some/model"))
    assert len(asked) == 1
