"""Nodes that meet: here threads of one process, each with the store of a node."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from fieldsmith.errors import SettingsError
from fieldsmith.parallel.group import ProcessGroup
from fieldsmith.parallel.rendezvous import NodeFailedError, Rendezvous


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def nodes(*counts: int, of: Sequence[int] = ()) -> list[Rendezvous]:
    """Return a node for each number of processes; each says how many nodes there are."""
    address = ("127.0.0.1", free_port())
    said = of or [len(counts)] * len(counts)
    return [
        Rendezvous(ProcessGroup(count, said[rank], rank, address))
        for rank, count in enumerate(counts)
    ]


def meet(group: Sequence[Rendezvous]) -> None:
    with ThreadPoolExecutor(len(group)) as pool:
        # The last one comes first.
        for done in [pool.submit(node.next_rendezvous) for node in reversed(group)]:
            done.result(timeout=60)


def test_a_node_alone_takes_a_free_port() -> None:
    one, other = Rendezvous(ProcessGroup(2)), Rendezvous(ProcessGroup(3))
    meet([one])
    meet([other])
    ports = {node.store.port for node in (one, other) if node.store}
    assert len(ports) == 2
    assert 0 not in ports
    assert (one.processes, other.processes) == (2, 3)


def test_nodes_count_their_processes() -> None:
    group = nodes(2, 1, 4)
    meet(group)
    assert [node.processes for node in group] == [7, 7, 7]
    assert [node.num_nodes_waiting() for node in group] == [0, 0, 0]


@pytest.mark.parametrize("failed", [0, 1])
def test_a_failure_reaches_the_other_nodes(failed: int) -> None:
    group = nodes(1, 1, 1)
    meet(group)
    with ThreadPoolExecutor(1) as pool:
        sharing = pool.submit(group[failed].share_failure, "process 0 of 3: lost")
        for node in set(range(3)) - {failed}:
            assert group[node].failure_elsewhere() == "process 0 of 3: lost"
            with pytest.raises(NodeFailedError, match="process 0 of 3: lost"):
                group[node].num_nodes_waiting()
        sharing.result(timeout=60)


def test_nodes_that_contradict_each_other() -> None:
    with pytest.raises(SettingsError, match="node 0 was started with --nodes 1"):
        meet(nodes(1, 1, of=[1, 2]))


def test_two_nodes_with_the_same_number() -> None:
    group = nodes(1, 1)
    meet(group)
    with pytest.raises(SettingsError, match="--node-rank 1: another command has this number"):
        Rendezvous(group[1].group).next_rendezvous()
    with pytest.raises(SettingsError, match="the port is used already"):
        Rendezvous(group[0].group).next_rendezvous()


def test_a_host_that_there_is_not() -> None:
    group = ProcessGroup(1, 2, 1, ("no-such-host.invalid", 1234))
    with pytest.raises(SettingsError, match=r"--main-address no-such-host\.invalid: "):
        Rendezvous(group).next_rendezvous()
