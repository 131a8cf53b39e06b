"""FSDP2 (Zhao et al. 2023): each process holds a part of every weight, and of what is trained.

The units that are gathered whole while they compute are the decoder's layers. accelerate shards the
model when the training begins; what is set here is how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..settings import Settings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, TrainingArguments


def fsdp_options(
    settings: Settings, model: PreTrainedModel, device: torch.device
) -> dict[str, Any]:
    """Return the arguments of a training that make it FSDP2.

    Activation checkpointing is not among them: as an option of FSDP it wraps layers under names
    that PEFT does not know, and the saved adapter has no tensors. It is an argument of its own.

    Args:
        settings: ``offload`` decides.
        model: the base model.
        device: what is trained on.

    Raises:
        SettingsError: the model does not say which of its modules are layers, or the settings
            want what FSDP cannot do.
    """
    if settings.offload == "params" and device.type == "cpu":
        raise SettingsError(
            "offload: params are kept in main memory already, as this machine has no GPU; set "
            "offload=none"
        )
    if settings.modules_to_save and _shares_embeddings(model):
        raise SettingsError(
            f"modules_to_save: head and embeddings of {settings.model} are one weight, which fsdp "
            f"cannot split beside a copy; leave it out, or use zero3 or ddp"
        )
    config = {
        "version": 2,
        "transformer_layer_cls_to_wrap": layer_classes(model, settings.model),
        "cpu_offload": settings.offload == "params",
        "reshard_after_forward": True,
        # Whole, a training goes on with another number of processes; an adapter is small.
        "state_dict_type": "FULL_STATE_DICT",
    }
    return {"fsdp": True, "fsdp_config": config}


def _shares_embeddings(model: PreTrainedModel) -> bool:
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    return getattr(head, "weight", None) is getattr(embeddings, "weight", None)


def layer_classes(model: PreTrainedModel, name: str) -> list[str]:
    """Return the names of the classes of the model's layers, which are never split.

    Args:
        model: the base model.
        name: what messages call it.

    Raises:
        SettingsError: the model names none that it has.
    """
    present = {type(module).__name__ for module in model.modules()}
    found = sorted(present & set(model._no_split_modules or ()))
    if not found:
        raise SettingsError(
            f"parallel: {name} does not say which modules are its layers, so fsdp cannot split "
            f"it; use zero3 or ddp"
        )
    return found


def shard_on_cpu(arguments: TrainingArguments) -> None:
    """Let accelerate shard a model that is trained on CPUs, which it offers for devices alone.

    The processes are connected by gloo either way, which has all the operations. accelerate takes
    the kind of device from this entry; the device itself stays the CPU.

    Args:
        arguments: of the training, which are made before the trainer.
    """
    from accelerate import PartialState
    from accelerate.utils import DistributedType

    if arguments.device.type == "cpu":  # asking for it connects the processes
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
