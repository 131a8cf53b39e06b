"""Trials of the command line with hostile input: each in a process of its own, judged and counted.

A trial's process is forked from this one, in which all libraries are loaded, so that it takes as
long as its command alone.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import resource
import signal
import stat
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldsmith.cli import main
from fieldsmith.files.writing import is_left_over

LIMIT = 240
"""Seconds after which a command hangs. `extract check` stops a plugin after 60, and its process
later, if it must."""

_MOST_MEMORY = 12 * 2**30
_ENDED_BY_AN_EXCEPTION = 70


@dataclass(frozen=True)
class Trial:
    """A command that is tried.

    Attributes:
        kind: files, runs, plugins and so on.
        name: what is wrong.
        folder: a folder of its own; what is in ``given`` must stay as it is, what the command
            writes goes to ``made``.
        arguments: of the command line.
        site: a folder of plugins that the command sees.
    """

    kind: str
    name: str
    folder: Path
    arguments: Sequence[object]
    site: Path | None = None

    @property
    def given(self) -> Path:
        return self.folder / "given"

    @property
    def made(self) -> Path:
        return self.folder / "made"


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: its exit code (None after the limit), what it printed, its faults."""

    trial: Trial
    code: int | None
    seconds: float
    errors: str
    faults: tuple[str, ...]


def run(trial: Trial) -> Outcome:
    """Run a trial and judge it."""
    trial.given.mkdir(parents=True, exist_ok=True)
    trial.made.mkdir(exist_ok=True)
    before = _state(trial.given)
    began = time.monotonic()
    code = _ended(_forked(trial), began + LIMIT)
    seconds = time.monotonic() - began
    errors = (trial.folder / "errors").read_text(errors="replace")
    faults = tuple(_faults(trial, code, errors, _state(trial.given) != before))
    return Outcome(trial, code, seconds, errors, faults)


def _forked(trial: Trial) -> int:
    """Run the command in a forked process; return its number."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if process := os.fork():
        return process
    code = _ENDED_BY_AN_EXCEPTION
    try:
        os.setsid()
        for number, name in enumerate(("input", "output", "errors")):
            file = os.open(trial.folder / name, os.O_RDWR | os.O_CREAT)
            os.dup2(file, number)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, encoding="utf-8") for number, mode in enumerate("rww")
        )
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        os.chdir(trial.folder)
        if trial.site:
            sys.path.insert(0, str(trial.site))
            importlib.invalidate_caches()
        main([str(argument) for argument in trial.arguments])
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        finally:  # a plugin may have closed them
            os._exit(code)


def _ended(process: int, limit: float) -> int | None:
    """Wait for a process; after the limit, end it and all that it started."""
    while time.monotonic() < limit:
        number, status = os.waitpid(process, os.WNOHANG)
        if number:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def _state(folder: Path) -> dict[str, tuple[int, str]]:
    """Return type, link or content of everything below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content = b""
        if stat.S_ISLNK(mode):
            content = os.readlink(path).encode()
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        name = os.fsencode(path.relative_to(folder)).decode(errors="replace")
        found[name] = (stat.S_IFMT(mode), hashlib.sha256(content).hexdigest())
    return found


def _faults(trial: Trial, code: int | None, errors: str, is_changed: bool) -> Iterable[str]:
    if code is None:
        yield "hang"
    elif code not in {0, 1, 2}:
        yield f"exit code {code}"
    if "Traceback (most recent call last)" in errors:
        yield "traceback"
    elif code == 1 and not _says_why(trial, errors):
        yield "no line that says why"
    if is_changed:
        yield "an input was changed"
    if code:
        yield from _half_made(trial.made)


def _says_why(trial: Trial, errors: str) -> bool:
    """Say whether the last line is the error, and a line; findings are on standard output."""
    last = (errors.splitlines() or [""])[-1]
    printed = (trial.folder / "output").read_text(errors="replace")
    findings = ("unsound", "fail  ", '"fail"')
    return last.startswith("extract: error: ") or any(each in printed for each in findings)


def _half_made(folder: Path) -> Iterable[str]:
    """Name what a command that failed has left behind."""
    for path in folder.rglob("*"):
        if is_left_over(path.name):
            yield "a temporary file was left"
        if path.name == "run.json":
            yield "a run was left"
        if path.suffix == ".jsonl" and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                json.loads(line)


def write_report(path: Path, outcomes: Sequence[Outcome]) -> str:
    """Write what became of the trials, by kind, and each fault; return the text."""
    lines = ["| kind | trials | did its work | refused | wrong usage | faults | slowest |"]
    lines.append("|---|---|---|---|---|---|---|")
    for kind in dict.fromkeys(outcome.trial.kind for outcome in outcomes):
        of_kind = [outcome for outcome in outcomes if outcome.trial.kind == kind]
        codes = Counter(outcome.code for outcome in of_kind)
        faulty = sum(bool(outcome.faults) for outcome in of_kind)
        slowest = max(outcome.seconds for outcome in of_kind)
        counts = (len(of_kind), codes[0], codes[1], codes[2], faulty)
        lines.append(f"| {kind} | {' | '.join(map(str, counts))} | {slowest:.1f} s |")
    for outcome in outcomes:
        if outcome.faults:
            trial = outcome.trial
            lines += ["", f"{trial.kind}, {trial.name}: {', '.join(outcome.faults)}"]
            lines.append(f"    extract {' '.join(map(str, trial.arguments))}")
            lines += (f"    {line}" for line in outcome.errors[-1500:].split("\n"))
    text = "\n".join(lines) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return text
