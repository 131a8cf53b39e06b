"""Trials of the command line with hostile input: each in a process of its own, judged, counted."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import resource
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from command import Answer
from forked_command import HangError, run_forked

from fieldsmith.files.writing import is_left_over

HUNG = -1
"""The exit code of a command that does not end."""

_MOST_MEMORY = 12 * 2**30


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
    """How a trial ended: what the command came to, and its faults."""

    trial: Trial
    answer: Answer
    seconds: float
    faults: tuple[str, ...]


def run(trial: Trial) -> Outcome:
    """Run a trial and judge it."""
    trial.given.mkdir(parents=True, exist_ok=True)
    trial.made.mkdir(exist_ok=True)
    before = _state(trial.given)
    began = time.monotonic()
    try:
        answer = run_forked(trial.arguments, trial.folder, prepare=partial(_prepare, trial.site))
    except HangError:
        answer = Answer(HUNG, "", "")
    seconds = time.monotonic() - began
    faults = tuple(_faults(trial, answer, _state(trial.given) != before))
    return Outcome(trial, answer, seconds, faults)


def _prepare(site: Path | None) -> None:
    """Bound the memory of this process, and let it see the plugins of a folder."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    if site:
        sys.path.insert(0, str(site))
        importlib.invalidate_caches()


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


def _faults(trial: Trial, answer: Answer, is_changed: bool) -> Iterable[str]:
    if answer.code == HUNG:
        yield "hang"
    elif answer.code not in {0, 1, 2}:
        yield f"exit code {answer.code}"
    if "Traceback (most recent call last)" in answer.errors:
        yield "traceback"
    elif answer.code == 1 and not _says_why(answer):
        yield "no line that says why"
    if is_changed:
        yield "an input was changed"
    if answer.code:
        yield from _half_made(trial.made)


def _says_why(answer: Answer) -> bool:
    """Say whether the last line is the error, and a line; findings are on standard output."""
    last = (answer.errors.splitlines() or [""])[-1]
    findings = ("unsound", "fail  ", '"fail"')
    return last.startswith("extract: error: ") or any(each in answer.output for each in findings)


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
        codes = Counter(outcome.answer.code for outcome in of_kind)
        faulty = sum(bool(outcome.faults) for outcome in of_kind)
        slowest = max(outcome.seconds for outcome in of_kind)
        counts = (len(of_kind), codes[0], codes[1], codes[2], faulty)
        lines.append(f"| {kind} | {' | '.join(map(str, counts))} | {slowest:.1f} s |")
    for outcome in outcomes:
        if outcome.faults:
            trial = outcome.trial
            lines += ["", f"{trial.kind}, {trial.name}: {', '.join(outcome.faults)}"]
            lines.append(f"    extract {' '.join(map(str, trial.arguments))}")
            lines += (f"    {line}" for line in outcome.answer.errors[-1500:].split("\n"))
    text = "\n".join(lines) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return text
