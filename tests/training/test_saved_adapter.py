"""A saved adapter is refused where its tensors are missing, not finite, or never changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fieldsmith.errors import DivergedError
from fieldsmith.training.saved_adapter import check_saved, fingerprints

NAMES = ("layers.0.lora_A.weight", "layers.0.lora_B.weight")


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {NAMES[0]: torch.full((2, 4), 0.25), NAMES[1]: torch.full((4, 2), float(value))}


def saved(folder: Path, contents: dict[str, torch.Tensor]) -> Path:
    save_file(contents, folder / "adapter_model.safetensors")
    return folder


def refusal(folder: Path, *, trained: bool = True) -> str:
    with pytest.raises(DivergedError) as refused:
        check_saved(folder, fingerprints(tensors(0)), trained=trained)
    message = str(refused.value)
    assert message.startswith(f"{folder / 'adapter_model.safetensors'}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapter_that_was_trained_is_accepted(tmp_path: Path, dtype: torch.dtype) -> None:
    contents = {name: tensor.to(dtype) for name, tensor in tensors(0.001).items()}
    check_saved(saved(tmp_path, contents), fingerprints(tensors(0)), trained=True)


def test_an_adapter_without_tensors_is_refused(tmp_path: Path) -> None:
    assert "2 of 2 tensors are missing" in refusal(saved(tmp_path, {}))


def test_an_adapter_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    contents = tensors(1)
    del contents[NAMES[1]]
    assert f"1 of 2 tensors are missing ({NAMES[1]})" in refusal(saved(tmp_path, contents))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    contents = tensors(1)
    contents[NAMES[1]][2, 1] = value
    assert "not finite" in refusal(saved(tmp_path, contents))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapter_that_never_changed_is_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    contents = {name: tensor.to(dtype) for name, tensor in tensors(0).items()}
    assert "none of its 2 tensors differs" in refusal(saved(tmp_path, contents))


def test_before_the_second_step_it_may_be_what_it_began_as(tmp_path: Path) -> None:
    check_saved(saved(tmp_path, tensors(0)), fingerprints(tensors(0)), trained=False)


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path, tensors(1)) / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    assert "is of no use" in refusal(tmp_path)
