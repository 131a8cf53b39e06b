"""Predictions of a cluster: Ray Data takes groups of documents from a reader to actors and back.

The lines come back in input order, group by group, as ``predict_lines`` yields them, so they are
written and resumed as those are. The checkpoints of Ray Data are not used: they say which ids were
written to files of random names, in no order, and are all held in memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..dataset.inputs import Inputs
from ..engines.connect import KEY
from ..errors import FieldsmithError
from ..progress import say
from ..runs.folder import Run
from ..settings import Settings
from .groups import group_size
from .prediction_file import LineCounts
from .ray_cluster import Actors, actors_for, cluster, say_if_busy

_BUFFER = 1 << 28
"""Bytes of documents and lines that wait in the cluster, at most; then the reader waits."""

_RETRIES = 4
"""How often a group whose actor has died is answered again: the group itself may be the cause."""


@dataclass(frozen=True)
class RayJob:
    """Documents to be answered by a cluster.

    Attributes:
        run: the run whose model answers.
        mapping: ``SOURCE=FIELD`` of each ``--map``.
        min_confidence: see ``Extractor``.
        address: of the cluster; None for a local one.
        actors: how many; None for as many as fit.
        gpus: GPUs of each actor; None for 1 where there are any.
        servers: addresses of servers that answer in place of the run's model.
        server_model: the model or adapter, as the servers call it.
    """

    run: Run
    mapping: tuple[str, ...] = ()
    min_confidence: float | None = None
    address: str | None = None
    actors: int | None = None
    gpus: float | None = None
    servers: tuple[str, ...] = ()
    server_model: str | None = None

    def predict_lines(
        self,
        settings: Settings,
        rows: Inputs,
        *,
        skip: int = 0,
        progress: Callable[[int], object] = lambda _count: None,
        counts: LineCounts | None = None,
    ) -> Generator[list[bytes]]:
        """Yield the lines of one group of documents after another, in input order.

        Args:
            settings: of the run.
            rows: the documents; only where they are is passed on.
            skip: number of groups that are written already.
            progress: called with the number of documents done since the last call.
            counts: is updated with the lines of this call.

        Raises:
            SettingsError, EngineError: as ``cluster`` and ``actors_for``.
            FieldsmithError: a process could not read, or load the model.
        """
        counts = counts or LineCounts()
        size = group_size(settings)
        progress(min(skip * size, rows.count))
        with ExitStack() as stack:
            stdin = stack.enter_context(_named_copy(rows.stdin)) if rows.stdin else None
            resources = stack.enter_context(cluster(self.address, self.actors))
            actors = actors_for(resources, self.actors, self.gpus, len(self.servers))
            say(f"ray: {actors}")
            say_if_busy(actors)
            expected = skip
            for number, content, unread in self._answered(
                rows, stdin.name if stdin else None, actors, size, skip
            ):
                assert number == expected, f"group {number} in place of group {expected}"
                expected += 1
                lines = content.splitlines(keepends=True)
                counts.lines += len(lines)
                counts.unread += unread
                progress(len(lines))
                yield lines

    def _answered(
        self, rows: Inputs, stdin: str | None, actors: Actors, size: int, skip: int
    ) -> Iterator[tuple[int, bytes, int]]:
        """Yield number, lines, and documents that were not read whole, of each group."""
        import ray
        from ray.data import ActorPoolStrategy, read_datasource

        from .ray_actor import Answering, Predictor
        from .ray_reader import GroupSource, Reading

        place, run = os.getcwd(), Path(os.path.abspath(self.run.folder))
        reading = Reading(
            place, run, self.run.trusted, self.mapping, tuple(rows.names), stdin, rows.count,
            rows.sha256, tuple(rows.outputs), dict(rows.shown), size, skip,
        )  # fmt: skip
        answering = Answering(
            place, run, self.run.trusted, self.min_confidence, self.servers, self.server_model,
            os.environ.get(KEY, ""),
        )  # fmt: skip
        _set_up_data()
        # The reader waits most of the time and takes no CPU from an actor: one CPU is enough. It
        # has to be where the command is, whose files it reads.
        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        with warnings.catch_warnings():
            # The number of retries has no name of its own yet.
            warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
            groups = read_datasource(
                GroupSource(reading), override_num_blocks=1, num_cpus=0, label_selector=here
            ).map_batches(
                Predictor,
                fn_constructor_args=(answering,),
                batch_size=1,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=actors.count),
                num_cpus=1,
                num_gpus=actors.gpus,
                max_task_retries=_RETRIES,
            )
        for batch in groups.iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=0
        ):
            for row in batch.to_pylist():
                if row["fault"]:
                    raise FieldsmithError(row["fault"])
                yield row["number"], row["content"], row["unread"]


def _set_up_data() -> None:
    """Set how Ray Data carries rows: in order, each by itself, few at a time, without a word."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.execution_options.preserve_order = True
    limits = context.execution_options.resource_limits
    context.execution_options.resource_limits = limits.copy(object_store_memory=_BUFFER)
    context.target_max_block_size = 1  # a row is more, so each is a block and goes on at once
    context.enable_progress_bars = False
    context.print_on_execution_start = False


def _named_copy(stdin: IO[bytes]) -> IO[bytes]:
    """Return a copy of a file that has no name, which another process can open."""
    copy = tempfile.NamedTemporaryFile(prefix="fieldsmith-")  # noqa: SIM115
    stdin.seek(0)
    shutil.copyfileobj(stdin, copy)
    copy.flush()
    return copy
