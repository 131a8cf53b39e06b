"""What started this process: the user, our launcher, torchrun, or SLURM's srun."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import SettingsError

LAUNCHED = "FIELDSMITH_LAUNCHED"
"""Set, in the processes that ``launcher`` starts, to the number of the process that starts them."""

_TORCH = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torch reads to connect the processes."""

_KILL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl."""

_FIRST_PORT, _PORTS = 20_000, 12_000
"""Ports for the jobs of SLURM: below those that systems give to outgoing connections."""


@dataclass(frozen=True)
class Launcher:
    """What has started this process as one of several.

    Attributes:
        name: as messages call it.
        processes: how many processes train together, on all nodes.
        variables: what it has set, from which the number is known.
    """

    name: str
    processes: int
    variables: str


def is_launched() -> bool:
    """Say whether our launcher started this process; it starts no others then."""
    return LAUNCHED in os.environ


def adopt_launcher() -> Launcher | None:
    """Return what started this process as one of several, None for the user alone.

    Sets the variables from which torch, and ``processes``, know the rank; it is called before
    either is used.

    Raises:
        SettingsError: some of the variables are missing, or have no meaning.
    """
    if is_launched():
        # Ctrl-C is for the process that started this one, which ends it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _end_with(int(os.environ[LAUNCHED]))
        return Launcher("extract", int(os.environ["WORLD_SIZE"]), LAUNCHED)
    if "RANK" in os.environ or "WORLD_SIZE" in os.environ:
        return _torch_launcher(os.environ)
    found = srun_variables(os.environ)
    if not found:
        return None
    os.environ.update(found)
    return Launcher("srun", int(found["WORLD_SIZE"]), "SLURM_STEP_NUM_TASKS")


def _torch_launcher(environment: Mapping[str, str]) -> Launcher:
    missing = [name for name in _TORCH if not environment.get(name)]
    if missing:
        present = " and ".join(name for name in ("RANK", "WORLD_SIZE") if name in environment)
        raise SettingsError(
            f"{present}: set, but not {', '.join(missing)}; start the processes by torchrun, which "
            f"sets all, or unset {present}"
        )
    processes, rank = _number(environment, "WORLD_SIZE"), _number(environment, "RANK")
    if not rank < processes:
        raise SettingsError(f"RANK is {rank}, but WORLD_SIZE {processes}; ranks begin at 0")
    name = "torchrun" if "TORCHELASTIC_RUN_ID" in environment else "a launcher"
    return Launcher(name, processes, "WORLD_SIZE")


def srun_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that torch reads, for a process that srun started as one of several.

    {} for any other process, as for the script of a batch job: SLURM sets its SLURM_PROCID, too,
    but counts the tasks of a step (SLURM_STEP_NUM_TASKS) for what srun starts alone.

    Args:
        environment: the variables of the process.

    Raises:
        SettingsError: a variable of SLURM has no meaning.
    """
    needed = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST")
    if any(not environment.get(name) for name in needed):
        return {}
    processes = _number(environment, "SLURM_STEP_NUM_TASKS")
    if processes < 2:
        return {}
    local = _number(environment, "SLURM_LOCALID")
    if re.fullmatch(r"[^,]+", environment.get("CUDA_VISIBLE_DEVICES", "")):
        local = 0  # each task was given a GPU of its own (--gpus-per-task), the first that it sees
    nodes = environment["SLURM_STEP_NODELIST"]
    return {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": str(processes),
        "LOCAL_RANK": str(local),
        "LOCAL_WORLD_SIZE": str(_tasks_here(environment, processes)),
        "MASTER_ADDR": environment.get("MASTER_ADDR") or first_host(nodes),
        "MASTER_PORT": environment.get("MASTER_PORT") or str(_port(environment)),
    }


def first_host(nodes: str) -> str:
    """Return the first host of a node list as SLURM writes it.

    >>> first_host("node[01-04,07],gpu3")
    'node01'
    """
    first = re.split(r",(?![^[]*\])", nodes.strip(), maxsplit=1)[0]
    # A list may have several ranges: rack[1-2]node[03-04].
    return re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", first)


def _tasks_here(environment: Mapping[str, str], processes: int) -> int:
    """Return how many tasks of the step are on this node, of a list such as ``4(x2),3``."""
    counts: list[int] = []
    for part in environment.get("SLURM_STEP_TASKS_PER_NODE", "").split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match:
            counts += [int(match[1])] * int(match[2] or 1)
    node = _number(environment, "SLURM_NODEID") if environment.get("SLURM_NODEID") else 0
    return counts[node] if node < len(counts) else processes


def _port(environment: Mapping[str, str]) -> int:
    """Return a port that all tasks of a step choose, and no other step of the same job."""
    job = _number(environment, "SLURM_JOB_ID") if environment.get("SLURM_JOB_ID") else 0
    step = environment.get("SLURM_STEP_ID", "0")
    return _FIRST_PORT + (job * 101 + (int(step) if step.isdecimal() else 0)) % _PORTS


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment[name]
    if not value.isdecimal():
        raise SettingsError(f"{name} is {value!r}, where a launcher of processes sets a number")
    return int(value)


def _end_with(parent: int) -> None:
    """Let this process be killed when the one that started it is, however that ends."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_KILL_WITH_PARENT, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it was killed before
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
