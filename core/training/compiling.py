"""Compile the decoder's layers (``torch.compile``): the same numbers up to rounding, sooner.

Each layer is compiled in place, so names in the state dict stay as they are, and all layers of a
kind share the compiled code. It is compiled for any batch size and length at once: on a CPU a step
takes the same time as one that is compiled for its shape alone, which would cost 10 to 20 seconds
for each shape, and a resumed training would not compile for the same shapes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch

from ..errors import SettingsError
from ..parallel import is_sharded
from ..progress import say
from ..settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WORTHWHILE_STEPS, WORTHWHILE_PARAMETERS = 200, 50_000_000
"""From here on ``auto`` compiles: what compiling costs is then less than what it saves."""

_VARIANTS = 64
"""Compiled variants of one kind of layer: by mask, by gradient, and where a batch has one row."""


def compile_layers(model: Any, settings: Settings, steps: int, device: torch.device) -> None:
    """Compile the layers of a model if the settings ask for it, or if ``auto`` finds it worthwhile.

    Args:
        model: the model that is trained, with its adapter.
        settings: ``compile`` decides.
        steps: optimiser steps of the whole training, so that a resumed one decides alike.
        device: what it is trained on.

    Raises:
        SettingsError: ``compile`` is "yes", and torch cannot compile here or knows no layers.
    """
    if settings.compile == "no" or is_sharded(settings):
        return
    if settings.compile == "auto" and not _is_worthwhile(model, steps, device):
        return
    layers = _layers(model)
    if settings.activation_checkpointing:  # transformers recomputes inside of what is compiled
        fault = "set activation_checkpointing=false, which compiled layers want"
    elif not layers:
        fault = f"{settings.model} has no layers that are known as such"
    else:
        fault = _fault(device)
    if fault:
        if settings.compile == "yes":
            raise SettingsError(f"compile: {fault}; or set compile=no")
        say(f"compile: not used: {fault}")
        return
    import torch._dynamo

    torch._dynamo.config.recompile_limit = _VARIANTS
    for name in ("torch._dynamo", "torch._inductor"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for layer in layers:
        layer.compile(dynamic=True)
    say("compile: the first steps take longer, because layers are compiled in them")


def _is_worthwhile(model: Any, steps: int, device: torch.device) -> bool:
    if device.type != "cpu" or steps < WORTHWHILE_STEPS:
        return False
    decoder = model.get_decoder()
    stored = int(sum(parameter.numel() for parameter in decoder.parameters()))
    return stored >= WORTHWHILE_PARAMETERS


def _layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    from transformers.modeling_layers import GradientCheckpointingLayer

    decoder: Any = model.get_decoder()
    return [part for part in decoder.modules() if isinstance(part, GradientCheckpointingLayer)]


def _fault(device: torch.device) -> str:
    """Return why torch cannot compile here; "" if it can, as a trial shows."""
    try:
        torch.compile(torch.sin)(torch.ones(8, device=device))
    except Exception as error:  # what fails may be any of several compilers
        reason = " ".join(str(error).split())
        hint = "a C++ compiler such as g++" if device.type == "cpu" else "Triton"
        return f"torch.compile does not work here (it takes {hint}): {reason[:160]}"
    return ""
