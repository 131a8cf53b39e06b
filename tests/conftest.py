"""What tests share: the command as installed, and plugins installed beside it."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from installed_plugins import Site
from paths import why_missing

if TYPE_CHECKING:
    from command import Command
    from running_command import RunningCommand
    from tiny_families import CausalRun
    from tiny_model import Trained, Workplace

    from fieldsmith.plugins import Plugin

# Before anything imports the hub's client: no test may depend on what lies outside.
os.environ["HF_HUB_OFFLINE"] = "1"
# Equal results bit for bit want equal counts of threads, in the test and in the command.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty folder to install plugins in; only the command run from it sees them."""
    path = tmp_path / "site"
    path.mkdir()
    return Site(path)


@pytest.fixture
def here(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The same folder, seen by the test itself."""
    monkeypatch.syspath_prepend(site.path)
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


def pytest_configure(config: pytest.Config) -> None:
    """Hide GPUs from tests that do not ask for them: a process that is forked cannot use one."""
    if "not gpu" in config.option.markexpr:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose published data is not at hand."""
    needed = (name for mark in item.iter_markers("realdata") for name in mark.args)
    if reason := next(filter(None, map(why_missing, needed)), None):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def medical() -> Plugin:
    """The plugin for chemicals and diseases, loaded."""
    from fieldsmith.plugins import load

    return load("medical_ner")


# How long an example takes is no property of the code: other tests may run beside it.
# The same examples each time, so that a change is judged by what it changes; `make test-slow` looks
# for new ones, and for twice as many.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Trainings that take seconds; see tiny_model.py


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A tiny model and a tiny corpus, read by many tests and changed by none."""
    from forked_command import load_libraries
    from tiny_model import Workplace

    load_libraries()
    return Workplace.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def trained(workplace: Workplace) -> Trained:
    """A finished training of that model on that corpus, through the command line."""
    return workplace.train(workplace.folder / "trained")


@pytest.fixture(scope="session")
def joint(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training of the tiny model on two domains; ``papers.jsonl`` is beside it."""
    from command import extract
    from joint_run import joint_order, write_papers

    folder = tmp_path_factory.mktemp("joint")
    write_papers(folder / "papers.jsonl")
    answer = extract(*joint_order(workplace, folder / "papers.jsonl", folder / "together"))
    assert answer.code == 0, answer.errors
    return folder / "together"


@pytest.fixture(scope="session")
def causal(tmp_path_factory: pytest.TempPathFactory) -> CausalRun:
    """A finished and scored training of a tiny causal model, read by many tests."""
    from tiny_families import FAMILIES, train_run, write_family
    from tiny_model import write_corpus

    from fieldsmith.evaluation.evaluate import evaluate_run
    from fieldsmith.runs.folder import Run

    folder = tmp_path_factory.mktemp("llama")
    write_corpus(folder / "corpus")
    write_family(folder / "model", FAMILIES["llama"], folder / "corpus")
    (folder / "model" / "LICENSE").write_text("Of the base model.", encoding="utf-8")
    card = "---\nlicense: mit\n---\n# Base\n"
    (folder / "model" / "README.md").write_text(card, encoding="utf-8")
    made = train_run(folder, folder / "model")
    evaluate_run(Run.open(made.run), split="test")
    return made


@pytest.fixture(scope="session")
def merged(causal: CausalRun) -> Path:
    """The model folder of that run."""
    from fieldsmith.exporting.merged import merge
    from fieldsmith.runs.folder import Run

    merge(Run.open(causal.run), causal.folder / "merged")
    return causal.folder / "merged"


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> CausalRun:
    """A finished training of a tiny causal model whose tokenizer llama.cpp knows."""
    from known_to_llama_cpp import train_known

    return train_known(tmp_path_factory.mktemp("tinyllama"))


@pytest.fixture
def run(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the finished run, which a test may damage."""
    return Path(shutil.copytree(trained.run, tmp_path / "run"))


@pytest.fixture
def command(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in this process: libraries and model stay loaded between commands."""
    from command import Answer

    from fieldsmith.cli import main

    def run_here(*arguments: object, stdin: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in arguments])
        output, errors = capfdbinary.readouterr()
        code = leaving.value.code
        return Answer(code if isinstance(code, int) else 0, output.decode(), errors.decode())

    return run_here


@pytest.fixture
def commands() -> Iterator[list[RunningCommand]]:
    """Commands that a test has started, to be ended with their processes if it fails."""
    started: list[RunningCommand] = []
    yield started
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
        for process in command.started:
            if process.is_running():
                process.kill()
