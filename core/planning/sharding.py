"""The memory of one device where several share a training.

DDP: everything is whole on each device, and gradients are exchanged through buckets as large as
they are. ZeRO (Rajbhandari et al. 2020) divides gradients and optimiser states (stage 2), and the
weights as well (stage 3). FSDP (Zhao et al. 2023) divides all of these. What is divided is gathered
whole for as long as it computes, unit by unit; see ``model_parts``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..settings import Settings
from .batches import Device
from .ways import OFFLOADS, Way

if TYPE_CHECKING:
    from .memory import Measured, Memory

_FLOAT32 = 4
_ITEMSIZES = {"bf16": 2, "fp16": 2, "fp32": _FLOAT32}


@dataclass(frozen=True)
class DeviceShare:
    """The part of a training that one device holds.

    Attributes:
        way: how the training is shared.
        processes: among how many processes, one a device.
        offload: what is kept in main memory: "none", "optimizer" or "params".
        memory: the memory of the device; ``working`` includes ``gathered`` and ``buckets``.
        gathered: bytes of units that are whole while they compute.
        buckets: bytes of the buffers in which gradients are sent.
        offloaded: bytes that the process keeps in main memory.
    """

    way: Way
    processes: int
    offload: str
    memory: Memory
    gathered: int = 0
    buckets: int = 0
    offloaded: int = 0


def share_of_device(
    measured: Measured, way: Way, processes: int, settings: Settings, device: Device
) -> DeviceShare:
    """Return what one device holds of a training that several share.

    Args:
        measured: the training on one device.
        way: what is divided.
        processes: how many processes there are, one a device.
        settings: ``offload`` says what is kept in main memory, where the way can do so, and
            ``deepspeed_config`` how large buffers are.
        device: on a CPU main memory is the device's own, so that offloading saves nothing.

    Raises:
        SettingsError: the configuration of DeepSpeed is none.
    """
    if way == "one":
        return DeviceShare(way, 1, "none", measured.memory)
    offload = settings.offload if way in OFFLOADS[settings.offload] else "none"
    share = DeviceShare(way, processes, offload, measured.memory)
    if way == "ddp":
        share = _ddp(share)
    elif way == "fsdp":
        share = _fsdp(share, measured)
    elif way == "zero2":
        share = _zero2(share, measured, settings)
    else:
        share = _zero3(share, measured, settings)
    if way in ("fsdp", "zero3"):
        loading = _loading(measured, device)
        share = replace(share, memory=replace(share.memory, loading=loading))
    return _offloaded(share, measured) if device == "cuda" else share


def _ddp(share: DeviceShare) -> DeviceShare:
    memory, buckets = share.memory, share.memory.gradients
    return replace(share, memory=replace(memory, working=memory.working + buckets), buckets=buckets)


def _fsdp(share: DeviceShare, measured: Measured) -> DeviceShare:
    """Divide everything; gradients that accumulate are whole until the last batch of a step."""
    memory, processes, everything = share.memory, share.processes, measured.parts.everything
    whole_gradients = memory.trainable * _ITEMSIZES[measured.precision]
    adapter = everything.shard(processes, "adapter")
    held = replace(
        memory,
        quantized=everything.shard(processes, "quantized"),
        plain=_whole_anyway(measured) + everything.shard(processes, "plain"),
        adapter=adapter,
        gradients=max(whole_gradients, adapter) if measured.accumulates else adapter,
        optimizer=-(-memory.optimizer * adapter // memory.adapter),
        mapped=0,
    )
    gathered, at_first = _gathered_by_fsdp(measured, processes)
    transient = max(measured.passes + gathered, at_first)
    return replace(share, memory=_with_working(held, transient, gathered), gathered=gathered)


def _gathered_by_fsdp(measured: Measured, processes: int) -> tuple[int, int]:
    """Return the most bytes that are whole at once, in the passes and before the first layer.

    A unit is received in a buffer and copied out of it. In the forward pass the buffer is kept
    until the next unit is copied: three units, two of them the same one. In the backward pass the
    next unit is received while one computes, beside its gradients and the buffer in which those of
    the last one are sent. The head is not freed between the passes; one that is tied to the
    embeddings is whole from the first to the last, as is what is in no other unit.
    """
    parts = measured.parts
    layer, head = parts.layer.whole(processes), parts.head.whole(processes)
    trained, trained_head = (unit.whole(processes, "adapter") for unit in (parts.layer, parts.head))
    rest = parts.rest.whole(processes)
    if parts.tied:
        most = head + max(3 * layer, 2 * layer + 2 * trained + trained_head)
        return rest + most, rest + 2 * head + 2 * layer
    most = max(
        3 * layer,
        layer + 2 * head,
        layer + head + 2 * trained_head,
        2 * layer + trained + max(trained, trained_head),
    )
    return rest + most, 0


def _zero2(share: DeviceShare, measured: Measured, settings: Settings) -> DeviceShare:
    """Divide gradients, optimiser states, and the copy in float32 of what is trained.

    What is trained is in the precision of the training.
    """
    from .zero_memory import zero_sizes

    memory, processes, itemsize = share.memory, share.processes, _ITEMSIZES[measured.precision]
    part = -(-memory.trainable // processes) * _FLOAT32
    held = replace(
        memory,
        adapter=memory.trainable * itemsize,
        gradients=part,
        optimizer=-(-memory.optimizer // processes) + part,
    )
    sizes = zero_sizes(settings, "zero2", measured.precision, measured.width)
    buckets = sizes.buckets * itemsize
    return replace(share, memory=_with_working(held, measured.passes + buckets), buckets=buckets)


def _zero3(share: DeviceShare, measured: Measured, settings: Settings) -> DeviceShare:
    """Divide the weights, too; they are gathered before they compute, and some are kept."""
    from .zero_memory import zero_sizes

    memory, processes, itemsize = share.memory, share.processes, _ITEMSIZES[measured.precision]
    parts, whole = measured.parts, _whole_anyway(measured)
    part = -(-memory.trainable // processes) * _FLOAT32
    held = replace(
        memory,
        quantized=-(-memory.quantized // processes),
        plain=whole + -(-(memory.plain - whole) // processes),
        adapter=-(-memory.trainable * itemsize // processes),
        gradients=part,
        optimizer=-(-memory.optimizer // processes) + part,
        mapped=0,
    )
    sizes = zero_sizes(settings, "zero3", measured.precision, measured.width)
    # What computes is received in a buffer; more may be kept, or fetched ahead.
    unit = max(parts.layer.whole(1), parts.head.whole(1))
    live = min(parts.everything.whole(1), sizes.live * itemsize)
    gathered = unit + max(unit, live) + parts.everything.small(sizes.small)
    buckets = sizes.buckets * itemsize
    transient = measured.passes + gathered + buckets
    memory = _with_working(held, transient, gathered)
    return replace(share, memory=memory, gathered=gathered, buckets=buckets)


def _with_working(held: Memory, transient: int, gathered: int = 0) -> Memory:
    """Return the memory of a device with what it takes besides what it holds.

    Args:
        held: the memory of the device.
        transient: most that forward and backward pass take, with what is gathered. As on one
            device, the step of the optimiser may take the gradients once more.
        gathered: bytes of weights that are whole for a while, in generation too unless a copy
            answers.
    """
    return replace(
        held,
        working=max(0, max(transient, held.gradients) - held.activations),
        answering=held.answering + (0 if held.copy else gathered),
    )


def _loading(measured: Measured, device: Device) -> int:
    """Return the peak while the weights are loaded, before they are divided.

    Weights in 4 bit are made on the device, and whole; others are read into main memory.
    """
    memory = measured.memory
    if device == "cuda" and not memory.quantized:
        return 0
    weights = memory.quantized + memory.constants + memory.plain + memory.mapped
    return weights + memory.runtime


def _whole_anyway(measured: Measured) -> int:
    """Return the bytes of weights that are not divided: buffers, which are no parameters."""
    return measured.memory.plain - measured.parts.everything.shard(1, "plain")


def _offloaded(share: DeviceShare, measured: Measured) -> DeviceShare:
    """Move what is offloaded from the memory of a GPU."""
    memory = share.memory
    left = memory
    if share.offload != "none":
        left = replace(left, gradients=0, optimizer=0)
    if share.offload == "params":
        left = replace(left, quantized=0, plain=_whole_anyway(measured), adapter=0)
    moved = memory.persistent + memory.gradients - left.persistent - left.gradients
    return replace(share, memory=left, offloaded=moved)
