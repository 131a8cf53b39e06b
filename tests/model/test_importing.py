"""What is printed while the libraries are imported: nothing that a user cannot act on."""

from __future__ import annotations

import subprocess
import sys


def test_the_import_of_the_libraries_prints_nothing() -> None:
    code = "from fieldsmith.model.importing import import_model_libraries as f; f()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
