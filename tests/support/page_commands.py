"""Run the commands of a page of the documentation, in the folder that has its files."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from command import Answer
from doc_commands import blocks
from forked_command import read_hub_variables, run_forked
from installed_plugins import Site
from running_command import RunningCommand, start
from served import started

from fieldsmith.plugins import load
from fieldsmith.review.decisions import Reviews

Words = Mapping[str, object]
"""What a page says, and what takes its place; besides SITE and MODEL, an address and a folder."""

MODEL = "path/to/a/model"
"""A tiny model, which takes the place of those that are not at hand."""

_SHORT = {
    "max_steps": 2,
    "eval_documents": 2,
    "score_documents": 2,
    "max_new_tokens": 24,
    "lora_rank": 4,
    "compile": "no",
    "augment_copies": 0,
}

_MAY_FAIL = {"cases", "engine-check", "--cases", "--max-loss", "--tolerance"}
"""What has exit code 1 for a model that has learned nothing; an error has a line that says so."""

_LIMIT = 1200  # seconds; two processes may share a core


@dataclass
class PageCommands:
    """The commands of a page, which run in the working folder.

    Attributes:
        words: see ``Words``.
        logs: a folder for what a command prints that runs beside others.
        nodes: the commands for several machines, which run beside each other.
    """

    words: Words
    logs: Path
    nodes: list[RunningCommand] = field(default_factory=list)

    def run(self, command: Sequence[str]) -> None:
        """Run a command; one that serves is asked once, and after a review some rows are decided.

        Args:
            command: as the page has it, without the name of the program.
        """
        arguments = self._with_stand_ins(command)
        if dict(pairwise(arguments)).get("--node-rank", "0") == "0":
            _remove_output(arguments)
        if _serves(arguments):
            with started(*arguments) as server:
                assert server.ask("/").status == 200
                assert server.stop() == 0
            if arguments[0] == "review":
                _decide(arguments)
        elif "--nodes" in arguments:
            self.nodes.append(start(self.logs, *arguments))
        else:
            prepare = read_hub_variables if arguments[0] == "push" else _nothing
            answer = run_forked(arguments, prepare=prepare, limit=_LIMIT)
            _require_success(arguments, answer)
        if arguments[0] == "new":
            _install(arguments[1])

    def finish(self) -> None:
        """Wait for what runs beside the other commands."""
        for node in self.nodes:
            answer = node.ended()
            _require_success(["train", "--nodes"], answer)

    @property
    def _model(self) -> str:
        return str(self.words.get("MODEL", MODEL))

    def _with_stand_ins(self, command: Sequence[str]) -> list[str]:
        found = [str(self.words.get(argument, argument)) for argument in command]
        name, is_new = found[0], "--resume" not in found
        if "--model" in found:
            at = found.index("--model") + 1
            found[at] = found[at] if Path(found[at]).exists() else self._model
        elif "--preset" in found:
            found += ["--model", self._model]
        for option in {"--processes", "--gpus"} & set(found):
            at = found.index(option)
            found[at : at + 2] = ["--processes", "1" if "--nodes" in found else "2"]
        if name == "fetch":
            found += ["--service", str(self.words["SITE"]), "--delay", "0"]
        if "--model" in found and name in ("evaluate", "predict"):
            found.append("--set=max_new_tokens=24")
        if name == "train" and is_new:
            found += [f"--set={key}={value}" for key, value in _SHORT.items()]
        if name == "plan":
            found.append("--set=augment_copies=0")
        if name in ("audit", "train") and is_new:
            found.append("--allow-unlearnable")  # of so few documents
        return found


def _nothing() -> None:
    """Prepare nothing."""


def _serves(arguments: Sequence[str]) -> bool:
    others = {"--apply", "--compare", "--export"}
    return arguments[0] == "serve" or (arguments[0] == "review" and not others & set(arguments))


def _remove_output(arguments: Sequence[str]) -> None:
    """Remove what is there already, such as of an earlier command of the page."""
    paths = [Path(arguments[1])] if arguments[0] == "new" else []
    if "--output" in arguments:
        output = Path(arguments[arguments.index("--output") + 1])
        paths += [output, output.with_suffix(".answers.jsonl")]
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def _require_success(arguments: Sequence[str], answer: Answer) -> None:
    allowed = {0, 1} if set(arguments) & _MAY_FAIL else {0}
    told = f"{shlex.join(arguments)}: {answer.output[-2000:]}{answer.errors}"
    assert answer.code in allowed, told
    assert "extract: error:" not in answer.errors, told


def _decide(arguments: Sequence[str]) -> None:
    """Accept documents, as a person does in the page of a review."""
    options = dict(pairwise(arguments))
    source, reviewer = Path(arguments[1]), options.get("--reviewer", "me")
    output = Path(options.get("--output", source.with_suffix(f".{reviewer}.jsonl")))
    reviews = Reviews(load("medical_ner"), source, output, reviewer, 12)
    for number in range(len(reviews.items)):
        reviews.decide(number, reviews.current(number))


def _install(name: str) -> None:
    """Do what `pip install -e NAME` does, for a folder that is on Python's path."""
    entry_points = f"[extract.plugins]\n{name} = fieldsmith_{name}\n"
    Site(Path(name)).declare(f"fieldsmith-{name}", "0.1.0", entry_points)


def write_shown_files(page: Path) -> None:
    """Write the files that a page shows into the working folder."""
    for language in ("json", "jsonl", "python", "text", "yaml"):
        for name, content in blocks(page, language):
            if name:
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(content, encoding="utf-8")


def run_python(name: str) -> None:
    """Run a file of a page; it has to print something."""
    done = subprocess.run(
        [sys.executable, name], env={**os.environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{name}: {done.stderr}"
    assert done.stdout, name
