"""Predictions of several processes of this machine, one a GPU, or sharing the cores of a CPU.

Groups of documents are the unit of work, the same ones as in one process. They are read in this
process, answered by whichever worker has least to do, and their predictions come back in order, so
that lines and scores are those of one process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from ..data import Document, Prediction
from ..errors import EngineError, SettingsError
from ..model.devices import pick_device
from ..progress import say
from ..runs.folder import Run
from ..task import Task
from .extractor import Extractor, checked_task
from .groups import GroupPredictor
from .worker import Loading, Reply

_SCRIPT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from fieldsmith.extraction.worker import serve
serve(int(sys.argv[2]))
"""

_QUEUED = 2
"""Groups that a worker is sent before it has answered: the one it answers, and the next one."""

_AHEAD = 4
"""Groups for each worker that are read before the predictions of the first of them are taken."""

_POLL = 1.0
"""Seconds after which it is looked whether a worker has ended and its connection has not."""

_ENDING = 10.0
"""Seconds in which a worker whose connection is closed has ended."""

_RANKS = "RANK", "LOCAL_RANK", "WORLD_SIZE"
"""Variables of a process that trains together with others, which a worker does not."""


@contextmanager
def open_predictor(
    run: Run,
    processes: int = 1,
    *,
    adapter: bool = True,
    constrained: bool = True,
    min_confidence: float | None = None,
) -> Iterator[GroupPredictor]:
    """Load the model of a run, in this process or in several others, which end with the context.

    Args:
        run: a complete run.
        processes: how many answer; 1 for this one.
        adapter: see ``Extractor.load``, as for the other arguments and the errors.
        constrained: whether answers are constrained.
        min_confidence: values below it are left out.

    Raises:
        SettingsError: there are fewer GPUs than processes.
        EngineError: a worker has ended.
    """
    if processes == 1:
        yield Extractor.load(
            run.folder,
            adapter=adapter,
            constrained=constrained,
            min_confidence=min_confidence,
            trusted=run.trusted,
        )
        return
    environments = worker_environments(processes, _count_gpus(processes))
    task = checked_task(run)  # before any process is started
    loading = Loading(run.folder, adapter, constrained, min_confidence, run.trusted, warns=True)
    if min_confidence is None:
        min_confidence = run.min_confidence() if adapter else 0.0
    with ExitStack() as stack:
        workers = WorkerProcesses(task, min_confidence)
        for environment in environments:
            worker = _Worker.start(environment)
            stack.callback(worker.end)
            workers.workers.append(worker)
        workers.load(loading)
        yield workers


def worker_environments(processes: int, gpus: int) -> list[dict[str, str]]:
    """Return the environment of each worker.

    Each computes with as many threads as one process would: how a product is divided among threads
    decides the last digits. Threads that wait do not spin, so that workers can share the cores.

    Args:
        processes: how many workers there are.
        gpus: how many GPUs are visible; 0 for a CPU.
    """
    import torch

    common = {name: value for name, value in os.environ.items() if name not in _RANKS}
    common.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    common.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    common.setdefault("GOMP_SPINCOUNT", "0")
    if not gpus:
        return [common] * processes
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))
    cards = [card.strip() for card in visible.split(",")]
    return [{**common, "CUDA_VISIBLE_DEVICES": card} for card in cards[:processes]]


def _count_gpus(processes: int) -> int:
    """Return how many GPUs there are for so many processes, each of which has one of its own.

    Raises:
        SettingsError: fewer.
    """
    if pick_device().type != "cuda":
        return 0
    import torch

    found = torch.cuda.device_count()
    if found < processes:
        raise SettingsError(
            f"--processes {processes}: this machine has {found} GPU{'s' * (found > 1)}, and each "
            f"process takes one; choose at most {found}, or see extract doctor"
        )
    return found


@dataclass
class _Group:
    """A group that was sent to a worker; ``reply`` is None until it is answered."""

    reply: Reply | None = None

    def result(self) -> Reply:
        """Return the reply, or raise the error that it holds."""
        assert self.reply is not None
        if self.reply.error is not None:
            raise self.reply.error
        return self.reply


@dataclass
class _Worker:
    """A worker process, this end of its connection, and the groups that it has to answer."""

    process: subprocess.Popen[bytes]
    connection: Connection
    queue: deque[_Group] = field(default_factory=deque)

    @staticmethod
    def start(environment: Mapping[str, str]) -> _Worker:
        """Start a process that waits for what it is sent."""
        here, there = Pipe()
        with there:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SCRIPT, json.dumps(sys.path), str(there.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                # A group of its own, so that Ctrl-C reaches this process alone, and so that what
                # the worker starts ends with it.
                process_group=0,
            )
        return _Worker(process, here)

    def send(self, value: Loading | Sequence[Document]) -> _Group:
        """Send something to be answered.

        Raises:
            OSError: the worker has ended.
        """
        self.connection.send(value)
        group = _Group()
        self.queue.append(group)
        return group

    def receive(self) -> Reply:
        """Take the next reply, which is to the first group of the queue.

        Raises:
            EOFError, OSError: the worker has ended.
        """
        reply: Reply = self.connection.recv()
        self.queue.popleft().reply = reply
        return reply

    def end(self) -> None:
        """End the process and what it has started."""
        with suppress(ProcessLookupError, PermissionError):  # nothing of the group is left
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.connection.close()


@dataclass
class WorkerProcesses:
    """Processes that have loaded a run each, and answer groups of documents; ``open_predictor``.

    Attributes:
        task: plugin, settings and prompt format.
        min_confidence: values below it are left out of the records.
        workers: the processes.
        memory: peak of the largest process so far, in megabytes.
    """

    task: Task
    min_confidence: float
    workers: list[_Worker] = field(default_factory=list)
    memory: float = 0.0

    def load(self, loading: Loading) -> None:
        """Let each worker load its model, at the same time, and wait until all have.

        Raises:
            FieldsmithError: as ``Extractor.load``, or a worker has ended.
        """
        say(f"processes: {len(self.workers)}, each of which loads the model")
        loaded = [
            self._send(worker, replace(loading, warns=number == 0))
            for number, worker in enumerate(self.workers)
        ]
        while any(group.reply is None for group in loaded):
            self._receive()
            for group in loaded:
                if group.reply is not None:
                    group.result()

    def predict_groups(
        self,
        groups: Iterable[Sequence[Document]],
        progress: Callable[[int], object] = lambda _count: None,
    ) -> Iterator[list[Prediction]]:
        """Yield the predictions of one group after another; see ``GroupPredictor``.

        An error of a group, or of what reads the groups, is raised after the groups before it.

        Raises:
            EngineError: a worker has ended, whatever group it was to answer.
        """
        source, is_read = _with_fault(groups), False
        waiting: deque[_Group] = deque()
        while True:
            while not is_read and (worker := self._free(len(waiting))):
                group = next(source, None)
                if group is None:
                    is_read = True
                elif isinstance(group, Exception):
                    waiting.append(_Group(Reply(error=group)))
                else:
                    waiting.append(self._send(worker, group))
            if not waiting:
                return
            if waiting[0].reply is None:
                self._receive()
                continue
            reply = waiting.popleft().result()
            progress(len(reply.predictions))
            yield reply.predictions

    def peak_memory_mb(self) -> float:
        """Return the peak memory of the largest process in megabytes."""
        return self.memory

    def _free(self, waiting: int) -> _Worker | None:
        """Return the worker with least to do, or None while enough is read ahead.

        Args:
            waiting: number of groups whose predictions were not taken yet.
        """
        least = min(self.workers, key=lambda worker: len(worker.queue))
        is_enough = waiting >= _AHEAD * len(self.workers) or len(least.queue) >= _QUEUED
        return None if is_enough else least

    def _send(self, worker: _Worker, value: Loading | Sequence[Document]) -> _Group:
        try:
            return worker.send(value)
        except OSError as error:
            raise self._ended(worker) from error

    def _receive(self) -> None:
        """Wait until a worker replies, and take what there is of replies.

        Raises:
            EngineError: a worker has ended.
        """
        ready = wait([worker.connection for worker in self.workers], _POLL)
        for worker in self.workers:
            if worker.connection in ready:
                try:
                    reply = worker.receive()
                except (EOFError, OSError) as error:
                    raise self._ended(worker) from error
                self.memory = max(self.memory, reply.peak_memory_mb)
            elif worker.process.poll() is not None:
                raise self._ended(worker)

    def _ended(self, worker: _Worker) -> EngineError:
        """Return the error that says how a worker has ended."""
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(_ENDING)
        code = worker.process.returncode
        how = f"has ended with exit code {code}"
        if code is None:
            how = "does not answer any more"
        elif code < 0:
            how = f"was killed by signal {-code} ({signal.strsignal(-code)})"
        if code == -signal.SIGKILL:
            how += ", as the system does where memory runs out"
        return EngineError(
            f"process {self.workers.index(worker) + 1} of {len(self.workers)} {how}; repeat the "
            f"command, or use fewer processes (predict with --output goes on where it was)"
        )


def _with_fault(
    groups: Iterable[Sequence[Document]],
) -> Iterator[Sequence[Document] | Exception]:
    """Yield groups and, where reading them fails, the error in the place of the next one."""
    try:
        yield from groups
    except Exception as error:  # raised again in its turn
        yield error
