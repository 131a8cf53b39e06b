"""Download a package of the Python Package Index into a folder, without installing it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from ..errors import SettingsError


def download_package(requirement: str, folder: Path, otherwise: str) -> None:
    """Unpack the wheel of a package alone, without what it depends on.

    Args:
        requirement: name and version, such as ``name==1.0``.
        folder: takes the content of the wheel.
        otherwise: what the user may do where that is not possible.

    Raises:
        SettingsError: there is no pip and no uv, or the download fails; says what ``otherwise`` is.
    """
    options = ("install", "--no-deps", "--only-binary", ":all:", "--target", str(folder))
    # importlib.util.find_spec would ask setuptools, too, which then gives up its own distutils in
    # this process (Python 3.11) and cannot be imported any more: torch.compile needs it.
    if PathFinder.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *options]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", *options, "--python", sys.executable]
    else:
        raise SettingsError(
            f"neither pip nor uv is here to download {requirement}; install one, or {otherwise}"
        )
    # Standard output is for results; on a terminal pip's progress bar goes where ours does.
    shown = sys.stderr.isatty()
    done = subprocess.run(
        [*command, requirement],
        stdout=sys.stderr if shown else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise SettingsError(
            f"{requirement} cannot be downloaded ({said[-1] if said else 'pip gives no reason'}); "
            f"go online or set pip's index, or {otherwise}"
        )
