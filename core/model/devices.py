"""Decide on what a model runs: the device, its precision, and the memory that is free there.

Training, ``extract plan`` and ``extract doctor`` all ask here, so that they agree. torch and psutil
are imported when they are used: the doctor also runs where one of them is broken.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..settings import Settings

if TYPE_CHECKING:
    import torch

CONTROL_GROUP = Path("/sys/fs/cgroup")

_ALLOCATOR = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")
"""Variables that configure torch's allocator; all its versions since 2.6 read the first."""


def pick_device() -> torch.device:
    """Return the device to run on: CUDA, else Apple's MPS, else the CPU."""
    import torch

    _let_segments_grow()
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _let_segments_grow() -> None:
    """Let torch extend what it holds of a GPU, unless the user has configured its allocator.

    Batches are of many lengths, and of fixed blocks few would fit the next batch. torch reads the
    variable when it first allocates on a GPU, and can do so on Linux alone.
    """
    if sys.platform == "linux" and not any(name in os.environ for name in _ALLOCATOR):
        os.environ[_ALLOCATOR[0]] = "expandable_segments:True"


def pick_precision(settings: Settings, device: torch.device | str) -> str:
    """Return "bf16", "fp16" or "fp32": the one that is set, else the best that the device has.

    Args:
        settings: ``precision`` decides, unless it is "auto".
        device: may be "cuda" on a machine without one, to plan for another machine; its GPU is
            assumed to have bf16, as all NVIDIA GPUs since 2020 do.
    """
    import torch

    kind = torch.device(device).type
    if settings.precision != "auto":
        return settings.precision
    if has_bf16(kind) or (kind == "cuda" and not torch.cuda.is_available()):
        return "bf16"
    return "fp16" if kind == "cuda" else "fp32"


def has_bf16(device: torch.device | str) -> bool:
    """Say whether a device of this machine computes in bf16 in hardware, and training uses it.

    Emulated bf16 is slower than float32 on a CPU, and slower than fp16 on a GPU.
    """
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    flags = Path("/proc/cpuinfo")
    if kind == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return flags.exists() and any(
            name in flags.read_text() for name in ("avx512_bf16", "amx_bf16")
        )
    return False


def free_memory(device: torch.device | str) -> int:
    """Return the bytes that are free: of a GPU, or of main memory.

    What torch holds of a GPU's memory without a tensor in it is free, too.
    """
    import torch

    if torch.device(device).type == "cuda":
        device = torch.device(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + held
    return main_memory()[1]


def main_memory() -> tuple[int, int]:
    """Return the total and the free bytes of main memory, within what a container allows."""
    import psutil

    memory = psutil.virtual_memory()
    return within_control_group(memory.total, memory.available)


def within_control_group(total: int, free: int) -> tuple[int, int]:
    """Lower total and free bytes to the limit of the control group, where there is one."""
    try:
        limit = int((CONTROL_GROUP / "memory.max").read_text())
        used = int((CONTROL_GROUP / "memory.current").read_text()) - _reclaimable()
    except (OSError, ValueError):  # no control group, or "max"
        return total, free
    return min(total, limit), min(free, max(limit - used, 0))


def _reclaimable() -> int:
    """Return the bytes of file cache that the control group gives up before it refuses memory."""
    try:
        lines = (CONTROL_GROUP / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def peak_memory_mb() -> float:
    """Return the peak memory in megabytes: of the GPU where one is used, else of the process."""
    import resource  # not on Windows

    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def usable_cores() -> int:
    """Return how many cores of the CPU this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
