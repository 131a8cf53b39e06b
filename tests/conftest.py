"""What tests share: the command as installed, and plugins installed beside it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from running import Answer
    from tiny import Trained, Workplace

# Before anything imports the hub's client: no test may depend on what lies outside.
os.environ["HF_HUB_OFFLINE"] = "1"
# Equal results bit for bit want equal counts of threads, in the test and in the command.
os.environ["OMP_NUM_THREADS"] = "1"

EXTRACT = Path(sys.executable).with_name("extract")

SHIPPED = ("arxiv_metadata", "dcat_datasets", "medical_ner", "news_json")
"""The plugins that come with the package, by name."""

TOY = '''
"""Words that are shouted.

A toy domain.
"""

import fieldsmith
from fieldsmith import Document, Example, Message


@fieldsmith.hookimpl
def extract_schema():
    return {"type": "object", "properties": {"loud": {"type": "array"}}}


@fieldsmith.hookimpl
def extract_prompt(document, schema):
    return [Message("user", f"Which words of {document.text!r} are loud?")]


@fieldsmith.hookimpl
def extract_load(source):
    yield Example(Document("one", "do it NOW"), {"loud": ["NOW"]})


@fieldsmith.hookimpl
def extract_metric(example, prediction, schema):
    return {"loud": (1, 2, 3)}
'''.lstrip()


@dataclass(frozen=True)
class Site:
    """A folder of installed distributions, in front of those of the environment."""

    path: Path

    def install(
        self,
        name: str,
        source: str = TOY,
        *,
        distribution: str | None = None,
        version: str = "1.0",
        target: str | None = None,
    ) -> None:
        """Install a distribution with one module, as pip would, that declares one plugin."""
        distribution = distribution or f"{name}-plugin"
        module = f"{distribution}_module".replace("-", "_")
        (self.path / f"{module}.py").write_text(source, encoding="utf-8")
        entry_points = f"[extract.plugins]\n{name} = {target or module}\n"
        self.declare(distribution, version, entry_points)

    def declare(self, distribution: str, version: str, entry_points: str = "") -> None:
        """Write the metadata of a distribution."""
        folder = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (folder / "METADATA").write_text(metadata, encoding="utf-8")
        (folder / "entry_points.txt").write_text(entry_points, encoding="utf-8")

    def extract(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed command with these distributions."""
        return subprocess.run(
            [EXTRACT, *arguments],
            env={**os.environ, "PYTHONPATH": str(self.path), **(environment or {})},
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


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


# How long an example takes is no property of the code: other tests may run beside it.
# The same examples each time, so that a change is judged by what it changes; `make test-slow` looks
# for new ones.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Trainings that take seconds; see tiny.py


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A tiny model and a tiny corpus, read by many tests and changed by none."""
    from tiny import Workplace

    return Workplace.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def trained(workplace: Workplace) -> Trained:
    """A finished training of that model on that corpus, through the command line."""
    return workplace.train(workplace.folder / "trained")


@pytest.fixture
def run(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the finished run, which a test may damage."""
    return Path(shutil.copytree(trained.run, tmp_path / "run"))


@pytest.fixture
def command(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """The command line in this process: libraries and model stay loaded between commands."""
    from running import Answer

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
