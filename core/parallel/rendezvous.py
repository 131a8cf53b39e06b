"""Where the nodes of a training meet, and learn that the processes of another one have failed."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousInfo,
    RendezvousStoreInfo,
)

from ..errors import ProcessError, SettingsError
from ..progress import say
from .group import ProcessGroup

_JOINING = 15 * 60.0
"""Seconds for all nodes to come."""

_PARTING = 5.0
"""Seconds for the other nodes to read why this one has failed, or to say so themselves."""

_RUN_ID = "fieldsmith"
"""The same on all nodes: names of values that they share begin with it."""


class NodeFailedError(Exception):
    """The processes of another node have failed; the message is their error in a line."""


@dataclass
class Rendezvous(RendezvousHandler):
    """The meeting of all nodes at the main address, in the form of torch's elastic launcher.

    Its own static one waits for the nodes in a call that Ctrl-C does not end, and does not learn
    that a node has failed. A node alone meets itself, at a port that the system chooses.

    Attributes:
        group: the nodes.
        store: what the nodes share; None before they have met.
        processes: how many the nodes have together.
    """

    group: ProcessGroup
    store: TCPStore | None = None
    processes: int = 0

    def get_backend(self) -> str:
        """Return a name by which torch finds this meeting among others."""
        return f"{_RUN_ID}-{id(self)}"

    @property
    def use_agent_store(self) -> bool:
        """The processes use the store of the nodes, instead of opening one more port."""
        return True

    def next_rendezvous(self) -> RendezvousInfo:
        """Wait until all nodes are there.

        Raises:
            SettingsError: the options of the nodes contradict each other, or they do not meet.
        """
        host, port = self.group.address
        if self.group.node_rank == 0:
            self.store = _opened(host, port)
        else:
            self.store = _reached(host, port, self.group)
        self.processes = _meet(self.store, self.group)
        return RendezvousInfo(
            PrefixStore(_RUN_ID, self.store),
            self.group.node_rank,
            self.group.nodes,
            RendezvousStoreInfo(host, self.store.port),
        )

    def num_nodes_waiting(self) -> int:
        """Return 0, as no node joins later; torch asks several times a second.

        Raises:
            NodeFailedError: another node has failed.
        """
        if self.group.nodes > 1 and (line := self._failure()) is not None:
            raise NodeFailedError(line)
        return 0

    def is_closed(self) -> bool:
        """Say that nodes may still meet."""
        return False

    def set_closed(self) -> None:
        """Do nothing: the nodes meet once."""

    def get_run_id(self) -> str:
        """Return what names of values in the store begin with."""
        return _RUN_ID

    def shutdown(self) -> bool:
        """Say that nothing is left to close."""
        return True

    def share_failure(self, line: str) -> None:
        """Let the other nodes know why this one has failed, and wait until they do."""
        store, others = self.store, set(range(self.group.nodes)) - {self.group.node_rank}
        if store is None or not others:
            return
        names = [f"ended/{number}" for number in others]

        def is_known() -> bool:
            return bool(store.check(names))

        with suppress(RuntimeError):  # the node that holds the store is gone
            store.set("failure", line)
            if self.group.node_rank == 0:  # whose end takes the store away
                _wait(is_known, _PARTING)

    def failure_elsewhere(self) -> str:
        """Return the error of another node, for a node whose processes have lost theirs."""
        found: list[str] = []

        def look() -> bool:
            if (line := self._failure()) is not None:
                found.append(line)
            return bool(found)

        _wait(look, _PARTING)
        return found[0] if found else "a process of another node has ended; its command says why"

    def _failure(self) -> str | None:
        assert self.store is not None
        try:
            if not self.store.check(["failure"]):
                return None
            self.store.set(f"ended/{self.group.node_rank}", "")
            return str(self.store.get("failure").decode())
        except RuntimeError:
            return "node 0 has ended, on which the nodes depend; its command says why"


def _opened(host: str, port: int) -> TCPStore:
    try:
        return TCPStore(host, port, is_master=True, wait_for_workers=False)
    except RuntimeError as error:
        reason = "the port is used already" if "EADDRINUSE" in str(error) else _short(error)
        raise SettingsError(
            f"--main-address {host}:{port}: node 0 cannot listen there: {reason}"
        ) from error


def _reached(host: str, port: int, group: ProcessGroup) -> TCPStore:
    """Return the store of node 0, once it is there."""
    say(f"node {group.node_rank} of {group.nodes}: waiting for node 0 at {host}:{port}")

    def answers() -> bool:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except socket.gaierror as error:
            raise SettingsError(f"--main-address {host}: {error.strerror}") from error
        except OSError:
            return False
        return True

    if not _wait(answers, _JOINING):
        raise ProcessError(f"node 0 did not answer at {host}:{port} for {_JOINING / 60:g} minutes")
    try:
        return TCPStore(host, port, is_master=False, wait_for_workers=False)
    except RuntimeError as error:
        raise ProcessError(f"{host}:{port} is not node 0 of a training: {_short(error)}") from error


def _meet(store: TCPStore, group: ProcessGroup) -> int:
    """Wait until each node has said what it is; return how many processes they have together."""
    own = {"command": str(uuid.uuid4()), "nodes": group.nodes, "processes": group.processes}
    held = store.compare_set(f"node/{group.node_rank}", "", json.dumps(own))
    if json.loads(held) != own:
        raise SettingsError(f"--node-rank {group.node_rank}: another command has this number")
    names = [f"node/{number}" for number in range(group.nodes)]
    if not store.check(names):
        say(f"node {group.node_rank} of {group.nodes}: waiting for other nodes")
    if not _wait(lambda: store.check(names), _JOINING):
        missing = ", ".join(name[5:] for name in names if not store.check([name]))
        raise ProcessError(f"node {missing} did not come for {_JOINING / 60:g} minutes")
    nodes = [json.loads(store.get(name)) for name in names]
    for number, node in enumerate(nodes):
        if node["nodes"] != group.nodes:
            raise SettingsError(
                f"--nodes {group.nodes}: node {number} was started with --nodes {node['nodes']}"
            )
    return sum(node["processes"] for node in nodes)


def _wait(is_there: Callable[[], bool], seconds: float) -> bool:
    """Wait for something; unlike a wait of torch's, Ctrl-C ends it."""
    deadline = time.monotonic() + seconds
    while not (found := is_there()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _short(error: Exception) -> str:
    return str(error).splitlines()[0]
