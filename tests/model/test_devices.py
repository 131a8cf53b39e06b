"""Device, precision and memory: one answer for training, planning and the doctor."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fieldsmith.doctor import machine as doctor
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


@pytest.mark.parametrize(
    ("gpu", "capability", "precision"),
    [
        ("Tesla T4", (7, 5), "fp16"),
        ("Tesla V100", (7, 0), "fp16"),
        ("GeForce RTX 2080", (7, 5), "fp16"),
        ("A100", (8, 0), "bf16"),
        ("GeForce RTX 4090", (8, 9), "bf16"),
        ("H200", (9, 0), "bf16"),
    ],
)
def test_training_and_doctor_decide_alike_by_the_gpu(
    gpu: str, capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(name=gpu, major=capability[0], minor=capability[1])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: found)
    # Any of them makes a tensor in bf16, which is emulated on the older ones.
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda _device: True)
    assert torch.cuda.is_bf16_supported()
    assert devices.pick_precision(Settings(), "cuda") == precision
    assert doctor._bf16_row(torch.device("cuda")).detail.endswith(
        f"training computes in {precision}"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="torch can do it on Linux alone")
@pytest.mark.parametrize("chosen", [None, *devices._ALLOCATOR])
def test_the_allocator_is_configured_unless_the_user_has(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in devices._ALLOCATOR:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    if chosen:
        monkeypatch.setenv(chosen, "max_split_size_mb:64")
    devices.pick_device()
    set_now = {name: os.environ[name] for name in devices._ALLOCATOR if name in os.environ}
    wanted = {chosen: "max_split_size_mb:64"} if chosen else None
    assert set_now == (wanted or {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"})


def test_a_gpu_of_another_machine_is_assumed_to_have_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.pick_precision(Settings(), "cuda") == "bf16"


def test_apple_s_gpu_trains_in_float32() -> None:
    assert not devices.has_bf16("mps")
