"""Options of a training by several processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingsError
from .options import Command

if TYPE_CHECKING:
    from ..parallel.environment import Launcher
    from ..parallel.group import ProcessGroup


@dataclass(frozen=True)
class ProcessOptions:
    """What the options of ``process_options`` were set to; None where they were not.

    Attributes:
        gpus: how many processes, each on a GPU.
        processes: how many processes, on GPUs where there are any.
        nodes: how many nodes train together.
        node_rank: the number of this node.
        main_address: host and port of node 0.
    """

    gpus: int | None
    processes: int | None
    nodes: int | None
    node_rank: int | None
    main_address: tuple[str, int] | None

    def group(self) -> ProcessGroup:
        """Return the processes that the options describe: one, if none was given.

        Raises:
            click.UsageError: the options contradict each other.
        """
        from ..parallel.group import ProcessGroup

        if self.gpus and self.processes:
            raise click.UsageError("give either --gpus N or --processes N")
        processes = self.gpus or self.processes or 1
        of_nodes = (self.nodes, self.node_rank, self.main_address)
        if of_nodes == (None, None, None):
            return ProcessGroup(processes)
        if self.nodes is None or self.node_rank is None or self.main_address is None:
            raise click.UsageError("--nodes, --node-rank and --main-address are given together")
        if self.node_rank >= self.nodes:
            raise click.UsageError(
                f"--node-rank {self.node_rank}: nodes are numbered from 0 to {self.nodes - 1}"
            )
        return ProcessGroup(processes, self.nodes, self.node_rank, self.main_address)

    def require_agreement(self, launcher: Launcher) -> None:
        """Refuse options that contradict what has started this process as one of several.

        Raises:
            SettingsError: it has started another number of processes.
        """
        given = {"--gpus": self.gpus, "--processes": self.processes, "--nodes": self.nodes}
        named = " ".join(f"{option} {number}" for option, number in given.items() if number)
        group = self.group()
        if named and group.processes * group.nodes != launcher.processes:
            raise SettingsError(
                f"{named}: {launcher.name} has started {launcher.processes} "
                f"process{'es' * (launcher.processes > 1)} ({launcher.variables}), and this one "
                f"starts no others; leave {named} out"
            )


def _address(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise click.BadParameter(f"{text!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


_OPTIONS = (
    click.option(
        "--processes",
        type=click.IntRange(1),
        metavar="N",
        help="Train in N processes (on each node): each on a GPU of its own, or all on the CPU "
        "where there is no GPU.",
    ),
    click.option(
        "--gpus", type=click.IntRange(1), metavar="N", help="Train in N processes, each on a GPU."
    ),
    click.option(
        "--nodes",
        type=click.IntRange(1),
        metavar="M",
        help="Train on M machines, on each of which this command is started.",
    ),
    click.option(
        "--node-rank",
        type=click.IntRange(0),
        metavar="R",
        help="The number of this machine, from 0; number 0 shows progress, and scores the run.",
    ),
    click.option(
        "--main-address",
        callback=_address,
        metavar="HOST:PORT",
        help="Where the others reach machine 0.",
    ),
)


def process_options(command: Command) -> Callable[..., Any]:
    """Add the options of several processes; the command gets them as one, ``processes``."""

    @functools.wraps(command)
    def with_collected(*arguments: Any, **given: Any) -> Any:
        collected = {each.name: given.pop(each.name) for each in fields(ProcessOptions)}
        return command(*arguments, processes=ProcessOptions(**collected), **given)

    decorated: Command = with_collected
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
