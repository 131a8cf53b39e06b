"""Install a plugin for the duration of a benchmark."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


@contextmanager
def installed(name: str, module: str) -> Iterator[None]:
    """Register a module of this repository as a plugin, in this process and its children.

    Args:
        name: name of the plugin.
        module: the module with its hooks, such as ``benchmarks.unseen_schema``.
    """
    before = os.environ.get("PYTHONPATH")
    distribution = name.replace("_", "-")
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder) / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8"
        )
        (metadata / "entry_points.txt").write_text(
            f"[extract.plugins]\n{name} = {module}\n", encoding="utf-8"
        )
        sys.path.append(folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, str(ROOT), before]))
        try:
            yield
        finally:
            sys.path.remove(folder)
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
