"""DeepSpeed's configuration: made of the settings, and the user's own checked against them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fieldsmith.errors import SettingsError
from fieldsmith.parallel.zero import with_user_config, zero_config, zero_options
from fieldsmith.settings import Settings

SETTINGS = Settings(parallel="zero3", batch_size=1, accumulation=32, max_grad_norm=0.5)


def written(folder: Path, config: object) -> Path:
    file = folder / "ds_config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


def test_the_config_is_made_of_the_settings() -> None:
    config = zero_config(SETTINGS, "bf16")
    assert config["train_micro_batch_size_per_gpu"] == 1
    assert config["gradient_accumulation_steps"] == 32
    assert config["gradient_clipping"] == 0.5
    assert config["bf16"] == {"enabled": True}
    assert config["zero_optimization"]["stage"] == 3
    assert "offload_optimizer" not in config["zero_optimization"]


@pytest.mark.parametrize(
    ("offload", "kept"),
    [
        ("none", set()),
        ("optimizer", {"offload_optimizer"}),
        ("params", {"offload_optimizer", "offload_param"}),
    ],
)
def test_what_is_offloaded_is_in_the_config(offload: str, kept: set[str]) -> None:
    settings = Settings(parallel="zero3", offload=offload)  # type: ignore[arg-type]
    zero = zero_config(settings, "bf16")["zero_optimization"]
    assert {name for name in zero if name.startswith("offload")} == kept


def test_the_users_config_adds_to_ours_and_may_leave_values_open(tmp_path: Path) -> None:
    theirs = {
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_clipping": 0.5,
        "zero_optimization": {"stage": 3, "overlap_comm": False, "reduce_bucket_size": "auto"},
        "comms_logger": {"enabled": False},
    }
    merged = with_user_config(zero_config(SETTINGS, "bf16"), written(tmp_path, theirs))
    assert merged["train_micro_batch_size_per_gpu"] == 1
    assert merged["gradient_accumulation_steps"] == 32
    assert merged["zero_optimization"]["overlap_comm"] is False
    assert merged["zero_optimization"]["reduce_bucket_size"] == "auto", "transformers fills it"
    assert merged["comms_logger"] == {"enabled": False}


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({"train_micro_batch_size_per_gpu": 4}, "is 4, and by the setting batch_size it is 1"),
        ({"gradient_accumulation_steps": 1}, "is 1, and by the setting accumulation it is 32"),
        ({"gradient_clipping": 1.0}, "is 1.0, and by the setting max_grad_norm it is 0.5"),
        ({"bf16": {"enabled": False}}, "bf16.enabled is False, and by the setting precision"),
        ({"zero_optimization": {"stage": 2}}, "stage is 2, and by the setting parallel it is 3"),
        (
            {"zero_optimization": {"offload_param": {"device": "cpu"}}},
            "offload_param.device is 'cpu', and by the setting offload it is 'none'",
        ),
        ({"optimizer": {"type": "AdamW"}}, "optimizer: the settings name it"),
        ({"scheduler": {"type": "WarmupLR"}}, "scheduler: the settings name it"),
        ([1], "an object is wanted"),
    ],
)
def test_what_contradicts_the_settings_is_refused(
    tmp_path: Path, theirs: object, said: str
) -> None:
    file = written(tmp_path, theirs)
    with pytest.raises(SettingsError) as refused:
        with_user_config(zero_config(SETTINGS, "bf16"), file)
    message = str(refused.value)
    assert message.startswith(f"{file}: ")
    assert said in message
    assert "\n" not in message


def test_a_file_that_is_no_json_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "ds_config.json"
    file.write_text("{stage: 3}", encoding="utf-8")
    with pytest.raises(SettingsError, match="not JSON"):
        with_user_config(zero_config(SETTINGS, "bf16"), file)


@pytest.mark.parametrize(
    ("settings", "precision", "said"),
    [
        (Settings(parallel="zero3", offload="params"), "fp32", "this machine has no GPU"),
        (Settings(parallel="zero2"), "bf16", "DeepSpeed trains in float32 alone on a CPU"),
    ],
)
def test_what_a_cpu_cannot_do_is_refused(settings: Settings, precision: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        zero_options(settings, precision, torch.device("cpu"))
