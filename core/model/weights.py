"""Check weights: no tensor is missing, of another form, or not a number."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import InputError, RunError, SettingsError, shortened
from ..files import check_json, parse_json, read_text

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

_NAME = {"type": "string", "pattern": r"^[A-Za-z0-9_.]+$"}
_NAMES = {"type": ["array", "null"], "items": _NAME}
_FLAG = {"type": "boolean"}
_CONFIG: Mapping[str, Any] = {
    "peft_type": {"const": "LORA"},
    "task_type": {"const": "CAUSAL_LM"},
    "r": {"type": "integer", "minimum": 1, "maximum": 2**16},
    "lora_alpha": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
    "lora_dropout": {"type": "number", "minimum": 0, "maximum": 1},
    # A string would be a regular expression, which may run without end.
    "target_modules": {"type": "array", "items": _NAME, "minItems": 1},
    "modules_to_save": _NAMES,
    "use_rslora": _FLAG,
    "use_dora": _FLAG,
    "fan_in_fan_out": _FLAG,
    "init_lora_weights": _FLAG,
    "bias": {"const": "none"},
}
"""Keys of an adapter's configuration that are read, and what each may be."""

_UNUSED = {
    "base_model_name_or_path",
    "inference_mode",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
}
"""Further keys that PEFT writes whatever the adapter is; nothing follows from them here."""

_WHOLE_NUMBERS = {"BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"}
_SHOWN = 3


def read_adapter_config(folder: Path) -> LoraConfig:
    """Read the configuration of an adapter that was trained here.

    What it holds beyond plain LoRA is refused: it could name modules to import, or expressions that
    run without end.

    Raises:
        RunError: it cannot be read, or is not such a configuration; names file and key.
    """
    from jsonschema import Draft202012Validator
    from peft import LoraConfig

    file = folder / CONFIG
    try:
        stored = parse_json(read_text(file))
        check_json(stored)
    except InputError as error:
        raise RunError(str(error)) from error
    except ValueError as error:
        raise RunError(f"{file}: not JSON: {error}") from error
    if not isinstance(stored, dict):
        raise RunError(f"{file}: a JSON object is wanted, not {shortened(stored)}")
    for key, schema in _CONFIG.items():
        if key not in stored:
            raise RunError(f"{file}: the key {key!r} is missing")
        if not Draft202012Validator(schema).is_valid(stored[key]):
            raise RunError(f"{file}: {key}: {shortened(stored[key])} is none that a run has")
    for key in sorted(stored.keys() - _CONFIG.keys() - _UNUSED):
        if stored[key]:
            raise RunError(f"{file}: {key}: {shortened(stored[key])} is none that a run has")
    return LoraConfig(**{key: stored[key] for key in _CONFIG if key != "peft_type"})


def load_adapter(model: PreTrainedModel, folder: Path) -> Any:
    """Load an adapter over a base model, from the files of its folder alone.

    Raises:
        RunError: a file is missing or damaged; names it.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    config, file = read_adapter_config(folder), folder / WEIGHTS
    if not file.is_file():  # else PEFT would ask the hub, or read a pickle
        raise RunError(f"{file}: cannot be loaded: no such file; restore the run, or train again")
    try:
        check_tensors(file)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Found missing adapter keys")
            adapted = PeftModel.from_pretrained(model, str(folder), config=config)
        _require_same_tensors(adapted, file)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"{file}: cannot be loaded: {reason}") from error
    return adapted


def check_tensors(file: Path) -> None:
    """Check that all tensors of a file are floating-point numbers, and finite.

    Raises:
        OSError, SafetensorError: it cannot be read.
        RunError: a tensor is something else; names file and tensor.
    """
    from safetensors import safe_open

    with safe_open(file, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - it is no mapping
            tensor = tensors.get_tensor(name)
            if not tensor.is_floating_point():
                raise RunError(f"{file}: cannot be loaded: {name} holds {tensor.dtype}, no floats")
            if not bool(torch.isfinite(tensor).all()):
                raise RunError(f"{file}: cannot be loaded: {name} is not finite")


def _require_same_tensors(adapted: Any, file: Path) -> None:
    """Raise RunError if a file lacks a tensor of the adapter, or has another or a different one."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    wanted = {
        name: list(tensor.shape)
        for name, tensor in get_peft_model_state_dict(adapted, save_embedding_layers=False).items()
    }
    with safe_open(file, framework="pt") as tensors:
        found = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
    for what, names in {
        "lacks": wanted.keys() - found.keys(),
        "has, and the model does not,": found.keys() - wanted.keys(),
        "has, in another shape,": {
            name for name in wanted.keys() & found.keys() if wanted[name] != found[name]
        },
    }.items():
        if names:
            raise RunError(f"{file}: cannot be loaded: the file {what} {_listed(names)}")


def require_all_weights(model: PreTrainedModel, loaded: Mapping[str, Any], name: str) -> None:
    """Check a base model: none of its weights was missing, and all are finite.

    Args:
        model: the model.
        loaded: what transformers says of loading it.
        name: of the model, for the message.

    Raises:
        SettingsError: names what is missing or not finite.
    """
    if missing := loaded["missing_keys"]:
        raise SettingsError(f"model {name}: its files lack weights: {_listed(missing)}")
    for key, tensor in _numbers(model):
        if not bool(torch.isfinite(tensor).all()):
            raise SettingsError(f"model {name}: its weights are not finite: {key}")


def require_floats(folder: Path, name: str) -> None:
    """Check that no weight of a base model is stored as whole numbers.

    Raises:
        SettingsError: names the file and the tensor.
    """
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 - it is no mapping
                kind = tensors.get_slice(key).get_dtype()
                if kind in _WHOLE_NUMBERS and re.search(r"\.weight$", key):
                    raise SettingsError(
                        f"model {name}: {file.name}: {key} holds whole numbers ({kind})"
                    )


def _numbers(model: PreTrainedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the floating-point tensors of a model; of quantised weights, those that scale them."""
    for name, parameter in model.named_parameters():
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            scales = (state.absmax, state.offset, getattr(state.state2, "absmax", None))
            for tensor in scales:
                if tensor is not None and tensor.is_floating_point():
                    yield name, tensor
        elif parameter.is_floating_point() and not parameter.is_meta:
            yield name, parameter.data


def _listed(names: Any) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
