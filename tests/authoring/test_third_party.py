"""Other people's plugins: built, installed beside ours, used, and gone again.

The tutorial is one of them: its page is followed line by line.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from doc_commands import SHORT, blocks, commands
from installed_plugins import Site
from paths import ROOT
from tiny_families import write_llama
from tiny_model import write_corpus

from fieldsmith.authoring.checks import CHECKS, check_plugin
from fieldsmith.authoring.scaffold import create

PAGE = ROOT / "docs" / "tutorial.md"
CODE = ROOT / "docs" / "tutorial"

WRAPPER = '''
"""Counts documents whose record is right as a whole, in any domain."""

import fieldsmith


@fieldsmith.hookimpl(wrapper=True)
def extract_metric(example, prediction, schema):
    counts, found = (yield), prediction.record
    right = found is not None and all(found.get(k) == v for k, v in example.record.items())
    return {**counts, "whole": (float(right), float(found is not None), 1.0)}
'''.lstrip()


@dataclass(frozen=True)
class Place:
    """An environment of its own, in which fieldsmith is installed, and a working folder."""

    python: Path
    folder: Path

    def run(self, *arguments: str | Path) -> str:
        """Run Python there; it has to succeed, and what it printed comes back."""
        done = self.tried(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def tried(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        return subprocess.run(
            [self.python, *arguments],
            cwd=self.folder,
            env={**environment, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def extract(self, *arguments: str | Path) -> str:
        return self.run("-m", "fieldsmith.cli", *arguments)

    def install(self, *projects: str) -> None:
        """Build a wheel of each project in the working folder, and install it."""
        wheels = [self._wheel(self.folder / project) for project in projects]
        self._pip("install", "--no-deps", "--no-index", *wheels)

    def remove(self, *names: str) -> None:
        distributions = [f"fieldsmith-{name.replace('_', '-')}" for name in names]
        self._pip("uninstall", "--yes", *distributions)

    def states(self) -> dict[str, str]:
        """Return what `extract plugins` says of each plugin."""
        rows = json.loads(self.extract("plugins", "--json"))
        return {row["name"]: row["state"] for row in rows}

    def _pip(self, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "pip", "--python", self.python, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _wheel(self, project: Path) -> Path:
        built = subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", project],
            capture_output=True,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
        (wheel,) = (project / "dist").glob("*.whl")
        return wheel


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that sees what the running one has, ours included."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    # A line that begins with import is run: so path files there are read, too, and an editable
    # install is found.
    seen = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    Path(site, "beside.pth").write_text(seen, encoding="utf-8")
    return python


@pytest.fixture
def place(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(environment, tmp_path)


def written(name: str, source: str) -> None:
    """Write the project of a plugin whose module is something else."""
    module = create(name) / f"fieldsmith_{name}" / "__init__.py"
    module.write_text(source, encoding="utf-8")


@pytest.fixture
def installed(place: Place) -> Iterator[Place]:
    """The environment with a new plugin, a wrapper for any plugin, and a broken one."""
    written("whole", WRAPPER)
    written("broken", "import no_such_package\n")
    place.extract("new", "shiny")
    place.install("shiny", "whole", "broken")
    yield place
    if "shiny" in place.states():
        place.remove("shiny", "whole", "broken")


def test_a_third_party_plugin_is_found_checked_and_gone_again(installed: Place) -> None:
    states = installed.states()
    assert states["shiny"] == "ok"
    assert states["whole"] == "wrapper"
    assert "No module named 'no_such_package'" in states["broken"]
    assert states["medical_ner"] == "ok"

    said = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "shiny")
    assert f"{len(CHECKS) + 1} passed" in said
    checked = installed.extract("check", "shiny", "--with", "whole")
    assert [line.split()[0] for line in checked.splitlines()] == ["ok"] * len(CHECKS)
    assert "F1 title 0.00, place 0.00, speakers 0.00, kind 0.00, whole 0." in checked

    installed.remove("shiny", "whole", "broken")
    assert not {"shiny", "whole", "broken"} & installed.states().keys()
    gone = installed.tried("-m", "fieldsmith.cli", "plugins", "shiny")
    assert gone.returncode == 1
    assert "no plugin is called 'shiny'" in gone.stderr
    assert gone.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_third_party_plugin_is_trained_scored_and_used(installed: Place) -> None:
    order = ("train", "--plugin", "shiny", "--with", "whole", "--output", "run")
    installed.extract(*order, "--set", "max_steps=2", *SHORT)
    scores = json.loads(installed.extract("evaluate", "run", "--json"))
    assert scores["plugin"] == "shiny"
    assert {"title/f1", "kind/f1", "whole/f1"} <= set(scores["metrics"])
    Path("note.txt").write_text("Bram Teles gives a talk at Room 4.", encoding="utf-8")
    (line,) = installed.extract("predict", "run", "note.txt").splitlines()
    assert set(json.loads(line)["record"]) <= {"title", "place", "speakers", "kind"}
    installed.remove("shiny", "whole", "broken")
    gone = installed.tried("-m", "fieldsmith.cli", "predict", "run", "note.txt")
    assert gone.returncode == 1
    assert "no plugin is called 'shiny'" in gone.stderr


# The tutorial


def test_the_plugin_of_the_tutorial_keeps_to_its_contract(here: Site, place: Place) -> None:
    package = create("job_adverts") / "fieldsmith_job_adverts"
    fill_in(package)
    shutil.move(package, here.path)
    here.declare("adverts", "1.0", f"[extract.plugins]\njob_adverts = {package.name}\n")
    assert {check.state for check in check_plugin("job_adverts")} == {"ok"}


@pytest.mark.slow
def test_the_tutorial_leads_to_scores(place: Place) -> None:
    for file in ("advert.txt", "sample.csv"):
        shutil.copy(CODE / file, place.folder)
    write_corpus(place.folder / "corpus")
    write_llama(place.folder / "tiny", place.folder / "corpus")
    ran = []
    for _program, *arguments in commands(PAGE):
        if "--from" in arguments:
            new_from_records(place, arguments)
            continue
        if "--preset" in arguments:
            arguments += ["--model", "tiny"]
        if arguments[0] == "train":
            arguments += ["--set", "max_steps=2", "--set", "eval_documents=2", *SHORT]
        said = place.extract(*arguments)
        ran.append(arguments[0])
        if arguments[0] == "new":
            fill_in(place.folder / "job_adverts" / "fieldsmith_job_adverts")
            place.install("job_adverts")
        elif arguments[0] == "check":
            assert {line.split()[0] for line in said.splitlines()} == {"ok"}
        elif arguments[0] == "predict":
            record = json.loads(said)["record"]
            assert set(record) <= {"title", "employer", "town", "skills", "contract"}
    place.remove("job_adverts")
    assert ran == ["new", "check", "audit", "train", "evaluate", "predict", "train"]


def new_from_records(place: Place, arguments: Sequence[str]) -> None:
    """Make the project from records, in a folder where no project has its name."""
    elsewhere = place.folder / "elsewhere"
    elsewhere.mkdir()
    row = {"text": "Nurse wanted in Ulm.", "record": {"title": "Nurse", "town": "Ulm"}}
    (elsewhere / arguments[-1]).write_text(json.dumps(row), encoding="utf-8")
    replace(place, folder=elsewhere).extract(*arguments)
    assert (elsewhere / arguments[1] / "fieldsmith_job_adverts" / "schema.json").is_file()


OWN_FIELDS = ROOT / "docs" / "how-to" / "own-fields.md"


@pytest.mark.slow
def test_rows_with_fields_of_their_own_lead_to_scores(place: Place) -> None:
    ((name, shown),) = blocks(OWN_FIELDS, "jsonl")
    rows = [json.loads(line) for line in shown.splitlines()]
    for number in range(40):  # the page shows three
        row = rows[number % 3]
        rows.append({**row, "text": f"No. {number}. {row['text']}"})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (place.folder / name).write_text(lines, encoding="utf-8")
    (place.folder / "new.txt").write_text(rows[0]["text"], encoding="utf-8")
    assert "pip install -e invoices" in OWN_FIELDS.read_text(encoding="utf-8")
    ran = []
    for _program, *arguments in commands(OWN_FIELDS):
        if arguments[0] == "train":
            arguments += ["--set", "max_steps=2", "--set", "eval_documents=2", *SHORT]
        said = place.extract(*arguments)
        ran.append(arguments[0])
        if arguments[0] == "new":
            schema = place.folder / "invoices" / "fieldsmith_invoices" / "schema.json"
            fields = json.loads(schema.read_text(encoding="utf-8"))["properties"]
            assert fields["vendor"]["x-source"] == "verbatim"
            assert (fields["total"]["type"], fields["date"]["format"]) == ("number", "date")
            place.install("invoices")
        elif arguments[0] == "check":
            assert {line.split()[0] for line in said.splitlines()} == {"ok"}
    place.remove("invoices")
    assert ran == ["new", "check", "audit", "train", "evaluate", "evaluate", "predict"]


def fill_in(package: Path) -> None:
    """Do what the page says in words."""
    shutil.copy(CODE / "plugin.py", package / "__init__.py")
    for file in ("schema.json", "sample.csv", "cases.yaml"):
        shutil.copy(CODE / file, package)
    (package / "sample.jsonl").unlink()


def test_what_the_tutorial_shows_is_in_its_files() -> None:
    shown = [
        (name, block)
        for language in ("python", "json", "csv")
        for name, block in blocks(PAGE, language)
    ]
    assert len(shown) >= 5
    for name, block in shown:
        assert block.rstrip("\n") in (CODE / name).read_text(encoding="utf-8"), block


def test_the_tutorial_names_every_step() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "pip install -e job_adverts" in text
    assert {path.name for path in CODE.iterdir() if path.is_file()} == {
        *re.findall(r"`(?:fieldsmith_job_adverts/)?(\w+\.(?:py|json|csv|yaml))`", text),
        "advert.txt",
    } - {"__init__.py", "pyproject.toml", "sample.jsonl"}
    assert shlex.split("extract predict runs/first advert.txt") in commands(PAGE)


def test_the_contract_of_the_tutorial_is_about_a_hundred_lines() -> None:
    assert len((CODE / "plugin.py").read_text(encoding="utf-8").splitlines()) <= 110
