"""The memory of one device where several share a training.

DDP: everything is whole on each device, and gradients are exchanged through buckets as large as
they are. ZeRO (Rajbhandari et al. 2020) divides gradients and optimiser states (stage 2), and the
weights as well (stage 3). FSDP (Zhao et al. 2023) divides all of these. What is divided is gathered
whole for as long as it computes, unit by unit; see ``model_parts``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .batches import Device
from .ways import OFFLOADS, Way

if TYPE_CHECKING:
    from .memory import Measured, Memory

_BUCKET = 500_000_000 * 4
"""Most bytes of the bucket in which DeepSpeed collects gradients, in float32 (its default)."""


@dataclass(frozen=True)
class DeviceShare:
    """The part of a training that one device holds.

    Attributes:
        way: how the training is shared.
        processes: among how many processes, one a device.
        offload: what is kept in main memory: "none", "optimizer" or "params".
        memory: the memory of the device; ``working`` includes ``gathered``.
        gathered: bytes of units that are whole while they compute, or of buckets of gradients.
        offloaded: bytes that the process keeps in main memory.
    """

    way: Way
    processes: int
    offload: str
    memory: Memory
    gathered: int = 0
    offloaded: int = 0


def share_of_device(
    measured: Measured, way: Way, processes: int, offload: str, device: Device
) -> DeviceShare:
    """Return what one device holds of a training that several share.

    Args:
        measured: the training on one device.
        way: what is divided.
        processes: how many processes there are, one a device.
        offload: what is kept in main memory; nothing where the way cannot do so.
        device: on a CPU main memory is the device's own, so that offloading saves nothing.
    """
    if way == "one":
        return DeviceShare(way, 1, "none", measured.memory)
    share = {"ddp": _ddp, "zero2": _zero2, "zero3": _zero3, "fsdp": _fsdp}[way]
    memory, gathered = share(measured, processes)
    if way not in OFFLOADS[offload]:
        offload = "none"
    left = memory
    if device == "cuda" and offload != "none":
        left = replace(memory, gradients=0, optimizer=0)
        if offload == "params":
            left = replace(left, quantized=0, plain=_whole_anyway(measured), adapter=0)
    offloaded = memory.persistent + memory.gradients - left.persistent - left.gradients
    return DeviceShare(way, processes, offload, left, gathered, offloaded)


def _ddp(measured: Measured, _processes: int) -> tuple[Memory, int]:
    memory = measured.memory
    bucket = memory.gradients
    return replace(memory, working=memory.working + bucket), bucket


def _zero2(measured: Measured, processes: int) -> tuple[Memory, int]:
    """Divide gradients, optimiser states, and the copy of the weights that ZeRO updates."""
    memory = measured.memory
    gradients = -(-memory.gradients // processes)
    optimizer = -(-memory.optimizer // processes) + gradients
    held = replace(memory, gradients=gradients, optimizer=optimizer)
    bucket = min(memory.adapter, _BUCKET)
    return _with_working(held, measured.passes + bucket, bucket), bucket


def _zero3(measured: Measured, processes: int) -> tuple[Memory, int]:
    """Divide the weights, too; each layer is gathered before it computes, and the next with it."""
    memory, parts = measured.memory, measured.parts
    whole = _whole_anyway(measured)
    adapter = -(-memory.adapter // processes)
    held = replace(
        memory,
        quantized=-(-memory.quantized // processes),
        plain=whole + -(-(memory.plain - whole) // processes),
        adapter=adapter,
        gradients=adapter,
        optimizer=-(-memory.optimizer // processes) + adapter,
        mapped=0,
    )
    gathered = 2 * max(parts.layer.whole(1), parts.head.whole(1)) + min(memory.adapter, _BUCKET)
    return _with_working(held, measured.passes + gathered, gathered), gathered


def _fsdp(measured: Measured, processes: int) -> tuple[Memory, int]:
    """Divide everything; gradients that accumulate are whole until the last batch of a step."""
    memory, everything = measured.memory, measured.parts.everything
    adapter = everything.shard(processes, "adapter")
    held = replace(
        memory,
        quantized=everything.shard(processes, "quantized"),
        plain=_whole_anyway(measured) + everything.shard(processes, "plain"),
        adapter=adapter,
        gradients=memory.gradients if measured.accumulates else adapter,
        optimizer=-(-memory.optimizer * adapter // memory.adapter),
        mapped=0,
    )
    gathered, at_first = _gathered_by_fsdp(measured, processes)
    return _with_working(held, max(measured.passes + gathered, at_first), gathered), gathered


def _with_working(held: Memory, transient: int, gathered: int) -> Memory:
    """Return the memory of a device with what it takes besides what it holds.

    Args:
        held: the memory of the device.
        transient: most that forward and backward pass take, with what is gathered. As on one
            device, the step of the optimiser may take the gradients once more.
        gathered: bytes that are whole for a while, in generation too unless a copy answers.
    """
    return replace(
        held,
        working=max(0, max(transient, held.gradients) - held.activations),
        answering=held.answering + (0 if held.copy else gathered),
    )


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
    trained, trained_head = (
        processes * unit.shard(processes, "adapter") for unit in (parts.layer, parts.head)
    )
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


def _whole_anyway(measured: Measured) -> int:
    """Return the bytes of weights that are not divided: buffers, which are no parameters."""
    return measured.memory.plain - measured.parts.everything.shard(1, "plain")
