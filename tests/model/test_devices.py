"""Device, precision and memory: one answer for training, planning and the doctor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fieldsmith.model import devices
from fieldsmith.settings import Settings


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "CONTROL_GROUP", tmp_path)
    assert devices.within_control_group(100, 80) == (100, 80)
    (tmp_path / "memory.current").write_text("30\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert devices.within_control_group(100, 80) == (100, 80)
    (tmp_path / "memory.max").write_text("50\n")
    assert devices.within_control_group(100, 80) == (50, 20)
    assert devices.main_memory() == (50, 20)
    assert devices.free_memory("cpu") == 20


def test_the_precision_that_is_set_is_used() -> None:
    assert devices.pick_precision(Settings(precision="fp16"), "cpu") == "fp16"


@pytest.mark.parametrize(
    ("device", "bf16", "precision"),
    [
        ("cpu", True, "bf16"),
        ("cpu", False, "fp32"),
        ("cuda", True, "bf16"),
        ("cuda", False, "fp16"),
        ("mps", False, "fp32"),
    ],
)
def test_the_best_precision_of_a_device_is_chosen(
    device: str, bf16: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "has_bf16", lambda _: bf16)
    assert devices.pick_precision(Settings(), device) == precision


def test_emulated_bf16_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_supported(*, including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert not devices.has_bf16("cuda")


def test_a_gpu_of_another_machine_is_assumed_to_have_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.pick_precision(Settings(), "cuda") == "bf16"


def test_apple_s_gpu_trains_in_float32() -> None:
    assert not devices.has_bf16("mps")
