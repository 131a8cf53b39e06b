"""Hashes of the weights in a folder, kept in the user's cache.

Those of a model of 8 billion parameters take 16 GB, which would be read at each command.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ..errors import OutputError
from ..files import write_json
from .gguf import cache_folder

_WORTH = 64 * 2**20
"""Bytes of weights from which on the cache is used; fewer are hashed in a moment."""

_KEPT = 64
"""Folders whose hashes are kept, at most."""


def cache_file() -> Path:
    """Return the file that holds the hashes."""
    return cache_folder().parent / "weight-hashes.json"


def hash_weights(folder: Path) -> str:
    """Return the sha256 of all safetensors of a folder, in the order of their names.

    It is read from the cache where neither size nor time of a file has changed since.
    """
    files = sorted(folder.glob("*.safetensors"))
    if sum(file.stat().st_size for file in files) < _WORTH:
        return _hash(files)
    states = [_state(file) for file in files]
    key, known = str(folder.resolve()), _read()
    entry = known.pop(key, None)
    if entry is None or entry["files"] != states:
        entry = {"files": states, "sha256": _hash(files)}
        _write({**known, key: entry})
    return str(entry["sha256"])


def _state(file: Path) -> list[str | int]:
    found = file.stat()
    return [file.name, found.st_size, found.st_mtime_ns]


def _hash(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _read() -> dict[str, dict[str, object]]:
    """Return what the cache holds; nothing of a damaged one."""
    try:
        known = json.loads(cache_file().read_text(encoding="utf-8"))
        return {
            key: {"files": list(entry["files"]), "sha256": str(entry["sha256"])}
            for key, entry in known.items()
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _write(known: dict[str, dict[str, object]]) -> None:
    try:
        cache_file().parent.mkdir(parents=True, exist_ok=True)
        write_json(cache_file(), dict(list(known.items())[-_KEPT:]))
    except (OSError, OutputError):  # a cache that cannot be written is none
        return
