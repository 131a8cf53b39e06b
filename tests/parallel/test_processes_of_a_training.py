"""``extract train --processes 2`` and its like, through the installed command, on the CPU."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from command import EXTRACT, KILLED, Answer, extract
from installed_plugins import GOOD, Site
from paths import ROOT
from tiny_model import Workplace, info, lines

SHORT: dict[str, Any] = {"max_steps": 2, "eval_documents": 2, "score_documents": 2}

# A loader that notes the process it runs in, and then waits to be ended.
WAITING = GOOD.replace(
    "    if source is None:\n",
    "    import os, pathlib, time\n"
    "    pathlib.Path(os.environ['NOTES'], os.environ['RANK']).write_text(str(os.getpid()))\n"
    "    time.sleep(600)\n"
    "    if source is None:\n",
    1,
)


# A plugin with which the main process is late to write what it trains on.
LATE = (
    GOOD
    + """

import os
import time

if os.environ.get("RANK") == "0":
    from fieldsmith.training import manifest

    versions = manifest.versions
    manifest.versions = lambda: (time.sleep(15), versions())[1]
"""
)


@dataclass
class Started:
    """A command that runs."""

    process: subprocess.Popen[bytes]
    files: tuple[Path, Path]

    def errors(self) -> str:
        return self.files[1].read_text(encoding="utf-8")

    def answer(self) -> Answer:
        code = self.process.wait(timeout=300)
        return Answer(code, self.files[0].read_text(encoding="utf-8"), self.errors())

    def child(self, rank: int) -> psutil.Process | None:
        """The process of a rank, if it is there."""
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                if child.environ().get("RANK") == str(rank):
                    return child
        return None


@contextmanager
def started(
    folder: Path,
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str | Path] = (EXTRACT,),
    name: str = "",
) -> Iterator[Started]:
    """Start a command in a session of its own, as a terminal does; it is ended in any case."""
    folder.mkdir(exist_ok=True)
    files = (folder / f"output{name}", folder / f"errors{name}")
    with files[0].open("wb") as output, files[1].open("wb") as errors:
        process = subprocess.Popen(
            [*command, *arguments],
            env={**os.environ, **(environment or {})},
            cwd=folder,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            # A job in the background of a shell ignores the signal.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        yield Started(process, files)
    finally:
        process.kill()
        process.wait()


def wait_until(is_so: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_file_that_is_missing_is_one_line(tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "missing.jsonl"
    answer = extract(
        *("train", "--plugin", "medical_ner", "--data", data, "--output", run, "--processes", "2")
    )
    assert (answer.code, answer.output) == (1, "")
    assert answer.errors.splitlines() == [f"extract: error: {data}: no such file or folder"]
    assert not run.exists()


@pytest.mark.slow
def test_a_training_whose_process_is_killed_is_resumed(
    workplace: Workplace, tmp_path: Path
) -> None:
    arguments = [*workplace.order(tmp_path / "run", **{**SHORT, "max_steps": 12})]
    at = arguments.index("--output")
    del arguments[at : at + 2]
    with started(tmp_path, *arguments, "--processes", "2") as killed:
        wait_until(lambda: list(tmp_path.glob("runs/*/checkpoints/checkpoint-*")))
        child = killed.child(1)
        assert child is not None
        child.kill()
        answer = killed.answer()
    (run,) = tmp_path.glob("runs/*")
    assert answer.code == 1
    assert answer.errors.splitlines()[-1] == (
        "extract: error: process 1 of 2 was killed (SIGKILL): out of memory is the usual cause; "
        f"resume with extract train --resume {run.relative_to(tmp_path)} --processes 2"
    )
    assert answer.errors.count("error") == 1
    assert "Traceback" not in answer.errors
    answer = extract("train", "--resume", run, "--processes", "2")
    assert answer.code == 0, answer.errors
    assert "resuming from step " in answer.errors
    assert answer.output.splitlines()[-1] == str(run)
    assert answer.output.count("2 of 10 documents, ") == 2
    assert answer.errors.count("documents: 24 train, ") == 1
    assert info(run)["device"]["processes"] == 2


@pytest.mark.slow
def test_a_process_that_is_out_of_memory_is_named_with_the_plan(
    workplace: Workplace, site: Site, tmp_path: Path
) -> None:
    """The second process is on a device that holds four rows from its sixth batch on."""
    (site.path / "sitecustomize.py").write_text(
        f"""
import os, sys
if os.environ.get("RANK") == "1":
    sys.path.insert(0, {str(ROOT / "tests" / "support")!r})
    import torch
    from small_device import small_device
    torch.nn.functional.embedding = small_device(4, 6)
""",
        encoding="utf-8",
    )
    run = tmp_path / "run"
    order = workplace.order(run, **SHORT | {"max_steps": 8, "batch_size": 8})
    environment = {"PYTHONPATH": str(site.path)}
    with started(tmp_path, *order, "--processes", "2", environment=environment) as training:
        answer = training.answer()
    assert answer.code == 1
    line = answer.errors.splitlines()[-1]
    assert line.startswith(f"extract: error: process 1 of 2: {run}: out of memory while training")
    assert "extract plan counts 0." in line
    assert f"extract train --resume {run}" in line
    assert "gloo" not in answer.errors, "what follows from it is not said"


@contextmanager
def waiting(site: Site, folder: Path) -> Iterator[tuple[Started, list[psutil.Process]]]:
    """Yield a training whose two processes wait for a signal, and these."""
    site.install("waiting", WAITING)
    # A command that is killed leaves its temporary files.
    own = {"TMPDIR": str(folder)}
    environment = {"PYTHONPATH": str(site.path), "NOTES": str(folder), **own}
    arguments = ("train", "--plugin", "waiting", "--output", "run", "--processes", "2")
    with started(folder, *arguments, environment=environment) as training:
        notes = [folder / "0", folder / "1"]
        wait_until(lambda: all(note.is_file() and note.read_text() for note in notes))
        yield training, [psutil.Process(int(note.read_text())) for note in notes]


@pytest.mark.slow
def test_what_the_main_process_writes_is_waited_for(site: Site, tmp_path: Path) -> None:
    site.install("late", LATE)
    order = ("train", "--plugin", "late", "--output", tmp_path / "run", "--processes", "2")
    short = [f"--set={name}={value}" for name, value in {**SHORT, "max_new_tokens": 24}.items()]
    environment = {"PYTHONPATH": str(site.path)}
    with started(tmp_path, *order, *short, environment=environment) as training:
        answer = training.answer()
    assert answer.code == 0, answer.errors


@pytest.mark.slow
def test_ctrl_c_ends_all_processes(site: Site, tmp_path: Path) -> None:
    with waiting(site, tmp_path) as (training, processes):
        os.killpg(training.process.pid, signal.SIGINT)
        answer = training.answer()
        assert (answer.code, answer.output) == (130, "")
        assert answer.errors.strip() == "extract: interrupted"
        assert psutil.wait_procs(processes, timeout=60)[1] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_processes(site: Site, tmp_path: Path, number: signal.Signals) -> None:
    with waiting(site, tmp_path) as (training, processes):
        os.killpg(training.process.pid, number)
        assert training.answer() == Answer(-number, "", "")
        assert psutil.wait_procs(processes, timeout=60)[1] == []


@pytest.mark.slow
def test_no_process_outlives_the_command(site: Site, tmp_path: Path) -> None:
    with waiting(site, tmp_path) as (training, processes):
        training.process.kill()
        assert training.answer().code == KILLED
        assert psutil.wait_procs(processes, timeout=60)[1] == []


def free_address() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return "{}:{}".format(*held.getsockname())


@pytest.mark.slow
def test_two_nodes_train_one_run(workplace: Workplace, tmp_path: Path) -> None:
    run = tmp_path / "run"
    order = (*workplace.order(run, **SHORT), "--nodes", "2", "--main-address", free_address())
    with (
        started(tmp_path / "1", *order, "--node-rank", "1") as other,
        started(tmp_path / "0", *order, "--node-rank", "0", "--processes", "1") as main,
    ):
        answers = [main.answer(), other.answer()]
    assert [answer.code for answer in answers] == [0, 0], answers
    assert answers[0].output.splitlines()[-1] == str(run)
    assert "documents: 24 train" in answers[0].errors
    assert answers[1].output == ""
    assert all(line.startswith("node 1 of 2: ") for line in answers[1].errors.splitlines())
    assert info(run)["device"]["processes"] == 2
    assert info(run)["training"]["steps"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_node_says_what_has_happened_on_another(site: Site, tmp_path: Path, rank: int) -> None:
    site.install("waiting", WAITING)
    environment = {"PYTHONPATH": str(site.path), "NOTES": str(tmp_path)}
    training = ("train", "--plugin", "waiting", "--output", tmp_path / "run", "--nodes", "2")
    order = (*training, "--main-address", free_address(), "--node-rank")
    with (
        started(tmp_path / "on-0", *order, "0", environment=environment) as main,
        started(tmp_path / "on-1", *order, "1", environment=environment) as other,
    ):
        notes = [tmp_path / "0", tmp_path / "1"]
        wait_until(lambda: all(note.is_file() and note.read_text() for note in notes))
        psutil.Process(int(notes[rank].read_text())).kill()
        answers = [main.answer(), other.answer()]
    for answer in answers:
        assert (answer.code, answer.output) == (1, "")
        assert answer.errors.splitlines()[-1].startswith(
            f"extract: error: process {rank} of 2 was killed (SIGKILL): out of memory is the "
        )
        assert answer.errors.count("error") == 1


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.slow
def test_torchrun_starts_the_processes(workplace: Workplace, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = (*TORCHRUN, "-m", "fieldsmith.cli")
    with started(tmp_path, *workplace.order(run, **SHORT), command=command) as training:
        answer = training.answer()
    assert answer.code == 0, answer.errors
    assert answer.output.count("2 of 10 documents, ") == 2
    assert answer.output.splitlines()[-1] == str(run)
    assert answer.errors.count("documents: 24 train, ") == 1
    assert info(run)["device"]["processes"] == 2


@pytest.mark.slow
def test_under_torchrun_an_error_of_all_is_one_line(tmp_path: Path) -> None:
    order = ("train", "--plugin", "medical_ner", "--data", "missing.jsonl")
    command = (*TORCHRUN, "-m", "fieldsmith.cli")
    with started(tmp_path, *order, command=command) as training:
        answer = training.answer()
    said = [line for line in answer.errors.splitlines() if line.startswith("extract: ")]
    assert said == [f"extract: error: {tmp_path}/missing.jsonl: no such file or folder"]


@pytest.mark.slow
def test_srun_starts_the_processes(workplace: Workplace, tmp_path: Path) -> None:
    port = free_address().rpartition(":")[2]
    arguments = list(workplace.order(tmp_path / "run", **SHORT))
    at = arguments.index("--output")
    del arguments[at : at + 2]  # all choose the folder of the first
    common = {
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "MASTER_PORT": port,
    }
    ranks = [{**common, "SLURM_PROCID": number, "SLURM_LOCALID": number} for number in "01"]
    with (
        started(tmp_path, *arguments, environment=ranks[0], name="-0") as first,
        started(tmp_path, *arguments, environment=ranks[1], name="-1") as second,
    ):
        answers = [first.answer(), second.answer()]
    assert [answer.code for answer in answers] == [0, 0], answers
    assert "documents" not in answers[1].output + answers[1].errors
    run = tmp_path / answers[0].output.splitlines()[-1]
    assert info(run)["device"]["processes"] == 2
    assert lines(run / "log.jsonl")
    assert list(tmp_path.glob("runs/*")) == [run]
