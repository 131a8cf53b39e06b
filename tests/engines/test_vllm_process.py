"""A server that is started for a command says why it does not start, and ends with the command."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import Command
from stand_in_vllm import PROCESSES, have_ended, is_running, write_package
from tiny_model import Trained

from fieldsmith.engines import vllm_process
from fieldsmith.engines.server import Server
from fieldsmith.engines.vllm_process import VllmPython, vllm_server
from fieldsmith.errors import EngineError, SettingsError

PYTHON = VllmPython(Path(sys.executable), has_gpu=False)

CALLER = """
import sys, time
from pathlib import Path
from fieldsmith.engines.server import Server
from fieldsmith.engines.vllm_process import VllmPython, vllm_server
with vllm_server(VllmPython(Path(sys.executable), False), Path("model"), "float32"):
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "site"


def pids(tmp_path: Path) -> list[int]:
    return [int(pid) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split()]


def test_it_answers_those_with_the_key_and_ends_with_the_block(
    package: Path, tmp_path: Path
) -> None:
    write_package(package, PROCESSES)
    with vllm_server(PYTHON, Path("model"), "float32") as server:
        assert server.ask("/") == {}
        with pytest.raises(OSError, match="401"):
            type(server)(server.address, "another").ask("/")
        assert all(map(is_running, pids(tmp_path)))
    assert have_ended(pids(tmp_path), within=0.5)
    assert not list(tmp_path.glob("*.log"))


def test_it_ends_with_an_error(package: Path, tmp_path: Path) -> None:
    write_package(package, PROCESSES)
    with (
        pytest.raises(ZeroDivisionError),
        vllm_server(PYTHON, Path("model"), "float32"),
    ):
        _ = 1 / 0
    assert have_ended(pids(tmp_path), within=0.5)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        signal.SIGKILL,
    ],
)
def test_it_ends_however_the_command_is_ended(
    number: signal.Signals, package: Path, tmp_path: Path
) -> None:
    write_package(package, PROCESSES)
    command = [sys.executable, "-c", CALLER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as caller:
        assert caller.stdout
        assert caller.stdout.readline() == b"ready\n"
        caller.send_signal(number)
    assert have_ended(pids(tmp_path))


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ('print("INFO loading")\nraise ValueError("the model is too long")', "the model is too"),
        ("import sys\nsys.exit('api_server.py: error: unrecognized arguments: --x')", "--x"),
        ("import os\nos.kill(os.getpid(), 9)", "killed by signal 9"),
        ("pass", "it says nothing"),
    ],
)
def test_why_it_does_not_start_is_said(
    server: str, said: str, package: Path, tmp_path: Path
) -> None:
    write_package(package, server)
    with (
        pytest.raises(EngineError, match="vLLM does not start") as caught,
        vllm_server(PYTHON, Path("model"), "float32"),
    ):
        pass
    assert said in str(caught.value)
    named = re.search(r"its log is (.*)", str(caught.value))
    assert named
    assert Path(named[1]).is_file()


def test_why_it_has_ended_is_said_where_a_request_fails(package: Path) -> None:
    write_package(
        package,
        PROCESSES.replace(
            "def do_GET(self):",
            """def do_POST(self):
        print("WARNING OSError: of no matter")
        print("RuntimeError: out of memory", flush=True)
        os._exit(1)

    def do_GET(self):""",
        ),
    )

    def lose(server: Server) -> None:
        with pytest.raises(OSError, match="closed connection"):
            server.ask("/v1/completions", {})
        time.sleep(0.5)
        raise EngineError("is not reached any more")

    with (
        pytest.raises(EngineError, match="vLLM has ended: RuntimeError: out of memory"),
        vllm_server(PYTHON, Path("model"), "float32") as server,
    ):
        lose(server)


def test_one_that_says_nothing_is_not_waited_for(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_process, "SILENT", 2.0)
    monkeypatch.setattr(vllm_process, "_LEAVING", 0.5)
    write_package(
        package,
        "import os, time\nopen(os.environ['PIDS'], 'w').write(str(os.getpid()))\ntime.sleep(600)",
    )
    with (
        pytest.raises(EngineError, match="has said nothing"),
        vllm_server(PYTHON, Path("model"), "float32"),
    ):
        pass
    assert have_ended(pids(tmp_path), within=0.5)


def test_what_is_no_python_with_vllm_is_refused(tmp_path: Path) -> None:
    for name, lines in {"fails": "exit 1", "silent": "exit 0", "other": "echo Hello"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    for path, said in [
        (tmp_path / "none", "No such file"),
        (tmp_path, "Permission denied"),
        (tmp_path / "fails", "says nothing"),
        (tmp_path / "silent", "is no Python that runs"),
        (tmp_path / "other", "is no Python that runs"),
        (Path(sys.executable), "has no vLLM"),
    ]:
        with pytest.raises(SettingsError, match=said):
            VllmPython.find(path)


def test_the_command_says_it_in_one_line(trained: Trained, command: Command) -> None:
    python = ("--engine-python", sys.executable)
    done = command("predict", trained.run, "-", "--engine", "vllm", *python, stdin=b"Aspirin.")
    assert (done.code, done.output) == (1, "")
    (line,) = done.errors.splitlines()
    assert "has no vLLM; name the Python of an environment where it is installed" in line


@pytest.mark.parametrize(
    "options",
    [
        ("--engine", "vllm"),
        ("--engine", "vllm", "--engine", "http://host:8000", "--engine-python", "python"),
        ("--engine", "vllm", "--engine-python", "python", "--engine-model", "first"),
        ("--engine", "http://host:8000", "--engine-python", "python"),
        ("--engine-option", "--dtype half"),
        ("--engine-model", "first"),
        ("--engine", "http://host:8000", "--unconstrained"),
    ],
)
@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_options_that_do_not_go_together_are_wrong_usage(
    name: str, options: tuple[str, ...], trained: Trained, command: Command
) -> None:
    done = command(name, trained.run, *(["-"] if name == "predict" else []), *options)
    assert done.code == 2
    assert "Traceback" not in done.errors
