"""The installed command in a process of its own, and how to kill it at an exact moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EXTRACT = Path(sys.executable).with_name("extract")

KILLED = -signal.SIGKILL

# Runs in the command's process before anything else. An audit event is raised before the act that
# it names, so the process dies with that act undone.
_KILLER = """
import os, signal, sys

event, ending, number = os.environ["KILL_AT"].split("|")
left = int(number)


def hook(name, arguments):
    global left
    if name == event and any(str(argument).endswith(ending) for argument in arguments):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(hook)
"""


@dataclass(frozen=True)
class Moment:
    """When a process is to be killed: before the n-th act upon a path with this ending.

    event: an audit event of Python: "open", "os.rename" or "shutil.rmtree".
    """

    event: str
    ending: str
    number: int = 1


@dataclass(frozen=True)
class Answer:
    """What a command came to."""

    code: int
    output: str
    errors: str


Command = Callable[..., Answer]
"""The fixture ``command``: takes the arguments of the command line."""


def extract(
    *arguments: str | Path,
    kill: Moment | None = None,
    stdin: bytes = b"",
    timeout: float = 300,
) -> Answer:
    """Run the installed command; with ``kill``, end it by SIGKILL at that moment."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ)
        if kill:
            (Path(folder) / "sitecustomize.py").write_text(_KILLER, encoding="utf-8")
            before = os.environ.get("PYTHONPATH")
            environment["PYTHONPATH"] = os.pathsep.join([folder, before] if before else [folder])
            environment["KILL_AT"] = f"{kill.event}|{kill.ending}|{kill.number}"
        done = subprocess.run(
            [EXTRACT, *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=timeout,
        )
    answer = Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert kill is None or answer.code == KILLED, f"not killed at {kill}: {answer.errors}"
    return answer
