"""The ways in which processes share a training, and which of them ``parallel: auto`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Way = Literal["one", "ddp", "fsdp", "zero2", "zero3"]
"""One device alone, or what is divided among several, as the setting ``parallel`` says it."""

WAYS: tuple[Way, ...] = ("one", "ddp", "fsdp", "zero2", "zero3")

OFFLOADS = {
    "none": WAYS,
    "optimizer": ("zero2", "zero3"),
    "params": ("fsdp", "zero3"),
}
"""Ways that can keep in main memory what the setting ``offload`` names."""


@dataclass(frozen=True)
class Choice:
    """What ``parallel: auto`` takes.

    Attributes:
        way: one device alone, a whole copy for each process (ddp), or shards (fsdp).
        processes: how many processes share the training.
        needed: bytes that a whole copy takes on a device, at most.
        free: bytes that a process has to fit into; None where they are unknown.
    """

    way: Way
    processes: int
    needed: int
    free: int | None


def choose_way(needed: int, free: int | None, processes: int, devices: int = 1) -> Choice:
    """Choose how processes share a training: a whole copy for each where that fits, else shards.

    One process takes one device; if its copy does not fit there, all devices share it.

    Args:
        needed: bytes that a whole copy takes on a device, at most.
        free: bytes that a process has to fit into; None where they are unknown.
        processes: how many there are to be; 1 where nobody asked for more.
        devices: how many GPUs there are.
    """
    fits = free is None or needed <= free
    if processes > 1:
        return Choice("ddp" if fits else "fsdp", processes, needed, free)
    if fits or devices < 2:
        return Choice("one", 1, needed, free)
    return Choice("fsdp", devices, needed, free)
