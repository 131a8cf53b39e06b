"""What is shipped is what is in the repository, and it runs where it is installed."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from paths import ROOT

import fieldsmith

MADE = shutil.ignore_patterns("__pycache__", "*.egg-info")

SETUP = configparser.ConfigParser(interpolation=None)
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")


def lines(section: str, option: str) -> list[str]:
    """Return the lines of an option of setup.cfg, comments aside."""
    found = (line.strip() for line in SETUP[section][option].splitlines())
    return [line for line in found if line and not line.startswith("#")]


def import_names() -> dict[Path, str]:
    """Return each mapped folder and the name that it is imported by."""
    pairs = (line.split("=") for line in lines("options", "package_dir"))
    return {ROOT / folder.strip(): name.strip() for name, folder in pairs}


def shipped_as(path: Path) -> str:
    """Return the place of a file of the repository in a wheel."""
    folder = next(folder for folder in import_names() if path.is_relative_to(folder))
    return f"{import_names()[folder]}/{path.relative_to(folder).as_posix()}"


def files_of(folder: Path) -> Iterator[Path]:
    return (
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def requirements() -> list[Requirement]:
    declared = lines("options", "install_requires")
    for extra in SETUP["options.extras_require"]:
        declared += lines("options.extras_require", extra)
    return [Requirement(line) for line in declared]


# What setup.cfg says


def test_every_plugin_has_an_import_name() -> None:
    folders = [ROOT / "core", *(path.parent for path in ROOT.glob("plugins/*/__init__.py"))]
    expected = {
        folder: "fieldsmith" if folder.name == "core" else f"fieldsmith_{folder.name}"
        for folder in folders
    }
    assert import_names() == expected


def test_every_folder_with_python_is_a_package() -> None:
    found = {
        Path(shipped_as(path)).parent.as_posix().replace("/", ".")
        for folder in import_names()
        for path in files_of(folder)
        if path.suffix == ".py"
    }
    assert set(lines("options", "packages")) == found


def test_every_plugin_is_an_entry_point() -> None:
    pairs = (line.split("=") for line in lines("options.entry_points", "extract.plugins"))
    declared = {name.strip(): target.strip() for name, target in pairs}
    names = {name for name in import_names().values() if name != "fieldsmith"}
    assert declared
    assert declared == {name.removeprefix("fieldsmith_"): name for name in names}


def test_constraints_pin_what_is_declared_within_its_range() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = {
        re.sub(r"[-_.]+", "-", pin.name).lower(): pin
        for pin in (Requirement(line) for line in text.splitlines() if not line.startswith("#"))
    }
    assert requirements()
    for requirement in requirements():
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name == "setuptools":  # pip does not list what it brings itself
            continue
        (pin,) = pins[name].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), requirement


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = SETUP["options"]["python_requires"].removeprefix(">=")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"version_info < ({oldest.replace('.', ', ')})" in makefile
    assert f"Python {oldest} or newer" in makefile
    ruff = (ROOT / "ruff.toml").read_text(encoding="utf-8")
    assert f'target-version = "py{oldest.replace(".", "")}"' in ruff
    assert SpecifierSet(f">={oldest}").contains("{}.{}.{}".format(*sys.version_info[:3]))


def test_mypy_sees_every_package() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for folder, name in import_names().items():
        assert f"ln -sfn ../{folder.relative_to(ROOT)} $@/{name}\n" in makefile
        assert f".types/{name}" in SETUP["mypy"]["files"]


def test_ci_runs_what_developers_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make --no-print-directory test" in script.read_text(encoding="utf-8")


# What the code imports


def imported(path: Path) -> set[str]:
    """Return the top-level names that a file imports absolutely."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def modules(folder: Path) -> list[Path]:
    """Return the Python files of a folder, of which there are some."""
    found = list(folder.rglob("*.py"))
    assert found, folder
    return found


@pytest.mark.parametrize("folder", ["core", "plugins", "tests", "tools", "benchmarks"])
def test_a_folder_s_name_is_no_import_name(folder: str) -> None:
    for path in modules(ROOT / folder):
        assert not {"core", "plugins", "tests"} & imported(path), path


def test_the_core_names_no_domain() -> None:
    for path in modules(ROOT / "core"):
        assert not [name for name in imported(path) if name.startswith("fieldsmith_")], path


def test_what_the_code_imports_is_declared() -> None:
    ours = set(import_names().values())
    declared = {re.sub(r"[-_.]+", "_", each.name).lower() for each in requirements()}
    other_names = {"pyyaml": "yaml", "pdfminer_six": "pdfminer", "mlflow_skinny": "mlflow"}
    declared |= {name for project, name in other_names.items() if project in declared}
    for folder in import_names():
        for path in modules(folder):
            foreign = imported(path) - set(sys.stdlib_module_names) - ours
            # Optional: looked for, and used where it is there.
            assert foreign - {"flash_attn"} <= declared, path


# What is built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution as for a release."""
    work = tmp_path_factory.mktemp("build")
    source = work / "source"
    source.mkdir()
    for name in ("core", "plugins"):
        shutil.copytree(ROOT / name, source / name, ignore=MADE)
    for name in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", work / "dist", source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    (path,) = (work / "dist").glob("*.whl")
    return path


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    expected = {shipped_as(path) for folder in import_names() for path in files_of(folder)}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    assert held == expected
    assert f"Version: {fieldsmith.__version__}\n" in text
    assert "License: Apache-2.0\n" in text
    assert f"Requires-Python: {SETUP['options']['python_requires']}\n" in text
    assert wheel.name == f"fieldsmith-{fieldsmith.__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts' folder of a fresh environment in which the wheel is installed.

    Its dependencies are those of the running environment, seen through a path file; an editable
    install there stays behind, because path files are not read through one.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [scripts / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel],
        check=True,
        capture_output=True,
    )
    site = subprocess.run(
        [scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return scripts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version"], f"extract (fieldsmith) {fieldsmith.__version__}"),
        (["plugins"], "medical_ner"),
        (["plugins", "medical_ner"], "Prompt: user"),
        (["doctor"], "training can run"),
        (["train", "--help"], "Example:"),
    ],
)
def test_the_wheel_runs_where_it_is_installed(
    environment: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    environment_variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    answer = subprocess.run(
        [environment / "extract", *arguments],
        env=environment_variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert said in answer.stdout


def test_the_wheel_is_what_runs(environment: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [environment / "python", "-c", "import fieldsmith; print(fieldsmith.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert Path(where.strip()).is_relative_to(environment.parent)
