"""A cluster of Ray: start a local one or connect to one, and count the actors that fit into it.

Nothing here prints: Ray's own messages go to the log files of its session.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import EngineError, SettingsError
from ..model.devices import usable_cores
from ..progress import say

if TYPE_CHECKING:
    from types import ModuleType

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # an actor without a GPU sees none
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_TQDM": "0",
}
"""For Ray's processes; what the user has set stays."""

_LOCAL = {
    "RAY_gcs_rpc_server_reconnect_timeout_s": "15",  # it does not come back
    "RAY_worker_niceness": "0",  # actors are what the command is for
}
"""For a local cluster alone."""

_LONGEST = 28
"""Characters of a folder below which paths of Ray's sockets are not too long for the system."""

_SHOWN = 160
"""Characters of an error of Ray that a message shows; the rest is about its connections."""

_STORE = 1 << 29
"""Bytes of a local cluster's object store; twice of what ``ray_predictions`` keeps in it."""


_FIRST = 10.0
"""Seconds in which a cluster has to take a connection."""


@dataclass(frozen=True)
class Actors:
    """How many actors answer documents, and how many GPUs each has; each has one CPU."""

    count: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.count} actor{'s' * (self.count > 1)} of one CPU and {self.gpus:g} GPUs"


@contextmanager
def cluster(address: str | None, actors: int | None = None) -> Iterator[Mapping[str, float]]:
    """Connect to a cluster and yield its resources, such as ``{"CPU": 8.0, "GPU": 1.0}``.

    Args:
        address: such as ``host:6379``, or ``auto`` for that of this machine; None starts a local
            cluster, which is stopped at the end.
        actors: what a local cluster has to have room for.

    Raises:
        SettingsError: Ray is not installed, or there is no such cluster.
        EngineError: the cluster, or too much of it, is not reached any more.
    """
    if address is not None:
        _require_reached(address)
    os.environ.update({**_ENVIRONMENT, **({} if address else _LOCAL), **os.environ})
    with ExitStack() as stack:
        # Ray prints what happens to its processes on standard output, which is for results.
        nothing = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        stack.enter_context(redirect_stdout(nothing))
        ray = _imported()
        where = address or "local"
        options = {} if address else _local_options(stack, actors)
        stack.callback(ray.shutdown)  # before the files of Ray's processes are deleted
        try:
            with _silent_stderr():
                ray.init(where, log_to_driver=False, logging_level=logging.CRITICAL, **options)
                resources = ray.cluster_resources()
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise SettingsError(_not_reached(address, error)) from error
        try:
            yield resources
        except ray.exceptions.RayTaskError:  # an exception of the code that Ray has called
            raise
        except ray.exceptions.RayError as error:
            raise EngineError(
                f"Ray: {_first_line(error)} ({type(error).__name__}); the same command with "
                f"--output goes on where it was"
            ) from error


def actors_for(
    resources: Mapping[str, float],
    asked: int | None = None,
    gpus: float | None = None,
    servers: int = 0,
) -> Actors:
    """Return as many actors as were asked for, or as a cluster has room for.

    Args:
        resources: what the cluster has.
        asked: number of actors; None for one a GPU, or, without GPUs, one a CPU. Of those that ask
            servers two for each server are enough to keep it busy.
        gpus: of each actor; None for 1, or 0 if the cluster has none or servers answer.
        servers: number of servers that answer in the place of actors.

    Raises:
        SettingsError: there is no room for them.
    """
    cpus, cards = int(resources.get("CPU", 0)), resources.get("GPU", 0.0)
    if gpus is None:
        gpus = 1.0 if cards and not servers else 0.0
    room = cpus
    if gpus:
        room = min(cpus, int(cards * int(1 / gpus) if gpus <= 1 else cards / gpus))
    actors = Actors(asked or max(1, min(room, 2 * servers) if servers else room), gpus)
    if actors.count > room:
        raise SettingsError(
            f"--engine ray: no room for {actors} in a cluster of {cpus} CPUs and {cards:g} GPUs; "
            f"choose other --actors or --gpus-per-actor"
        )
    return actors


def say_if_busy(actors: Actors) -> None:
    """Say so if other work has what actors need: they begin to answer once it is free."""
    import ray

    free = ray.available_resources()
    if free.get("CPU", 0) < 1 or free.get("GPU", 0) < actors.gpus:
        say("ray: all of the cluster is in use; waiting until one actor has room")


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what is written to standard error, also by the part of Ray that is not in Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _imported() -> ModuleType:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise SettingsError(
            f"--engine ray: needs the package ray with its part for data ({error}): "
            f"pip install 'fieldsmith[ray]'"
        ) from error
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return ray


def _local_options(stack: ExitStack, actors: int | None) -> dict[str, object]:
    """Return the options that start a cluster of the CPUs that this process may use."""
    above = tempfile.gettempdir()
    folder = tempfile.TemporaryDirectory(
        prefix="ray-", dir=above if len(above) <= _LONGEST else "/tmp", ignore_cleanup_errors=True
    )
    return {
        "num_cpus": max(usable_cores(), actors or 1),
        "include_dashboard": False,
        "object_store_memory": _STORE,
        "_temp_dir": stack.enter_context(folder),
    }


def _require_reached(address: str) -> None:
    """Refuse an address at which nothing listens; Ray itself tries it for minutes.

    Raises:
        SettingsError: it is none, or nothing listens there.
    """
    host, _colon, port = address.rpartition(":")
    if address == "auto":  # Ray knows the cluster of this machine, if there is one
        return
    if not host or "/" in host or not port.isdigit():
        raise SettingsError(f"--ray-address {address}: name an address as host:port, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _FIRST).close()
    except (OSError, OverflowError) as error:
        raise SettingsError(_not_reached(address, error)) from error


def _not_reached(address: str | None, error: Exception) -> str:
    if address is None:
        return f"--engine ray: no local cluster could be started: {_first_line(error)}"
    return (
        f"--ray-address {address}: no cluster that this machine is a part of is reached there: "
        f"{_first_line(error)}"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0].strip().rstrip("."), _SHOWN, placeholder=" …")
