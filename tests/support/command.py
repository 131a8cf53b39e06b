"""The command in a process of its own, and how to kill it at an exact moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

EXTRACT = Path(sys.executable).with_name("extract")

KILLED = -signal.SIGKILL


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
    *arguments: object,
    kill: Moment | None = None,
    stdin: bytes = b"",
    timeout: float = 300,
) -> Answer:
    """Run the command in a process that is forked from this one.

    Args:
        arguments: of the command line.
        kill: end it by SIGKILL at that moment.
        stdin: what it reads from standard input.
        timeout: seconds after which it hangs.
    """
    from forked_command import run_forked

    if kill is None:
        return run_forked(arguments, stdin=stdin, limit=timeout)
    answer = run_forked(arguments, prepare=partial(_die_at, kill), stdin=stdin, limit=timeout)
    assert answer.code == KILLED, f"not killed at {kill}: {answer.errors}"
    return answer


def _die_at(moment: Moment) -> None:
    """End this process at a moment.

    An audit event is raised before the act that it names, which is not done then.
    """
    left = moment.number

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if name == moment.event and any(str(each).endswith(moment.ending) for each in arguments):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def run_installed(
    *arguments: object, environment: Mapping[str, str] | None = None, timeout: float = 300
) -> Answer:
    """Run the installed command, with variables beside those of this process."""
    done = subprocess.run(
        [EXTRACT, *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=timeout,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
