"""Files in and out: strict UTF-8, folders in a fixed order, writes that are whole or not there."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .errors import InputError, OutputError

_SPLIT_WORDS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "devel": "validation", "development": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def read_text(path: Path) -> str:
    """Read a text file as strict UTF-8; a byte order mark is dropped, CRLF becomes LF.

    Raises:
        InputError: the file is missing, is no UTF-8, or holds NUL bytes (binary data).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return decode(data, str(path))


def decode(data: bytes, name: str) -> str:
    """Decode bytes as ``read_text`` does; ``name`` stands in the message."""
    if b"\0" in data:
        at = data.index(b"\0")
        raise InputError(f"{name}: byte {at} is NUL, so this is no text file; give it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}:{line}: byte {error.start} is no UTF-8; convert the file "
            f"(iconv -f latin1 -t utf-8)"
        ) from error
    return text.replace("\r\n", "\n")


def files_in(source: Path) -> list[Path]:
    """Return a file itself, or the visible files below a folder, sorted by their path.

    Raises:
        InputError: there is nothing at ``source``, or a folder holds no file.
    """
    if source.is_file():
        return [source]
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    if not source.is_dir():
        raise InputError(f"{source}: neither a file nor a folder")
    inside = sorted(path for path in source.rglob("*") if path.is_file())
    visible = [path for path in inside if not _hidden(path.relative_to(source))]
    if not visible:
        raise InputError(f"{source}: the folder holds no file")
    return visible


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def split_of(path: Path) -> str | None:
    """Return the official split that a file's name, or else its folder's, tells.

    >>> split_of(Path("corpus/CDR_DevelopmentSet.PubTator.txt"))
    'validation'
    """
    for name in (path.name, path.parent.name):
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+", " ", name)
        found = {_SPLIT_WORDS[word] for word in spaced.lower().split() if word in _SPLIT_WORDS}
        if len(found) == 1:
            return found.pop()
        glued = re.search(r"(train|devel|test)(?:ing|opment|op)?(?:set|_|\b)", name.lower())
        if glued:
            return _SPLIT_WORDS[glued[1]]
    return None


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of each line that is not blank, reading lazily.

    Raises:
        InputError: a line is no JSON object; names the file and the line.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    with stream:
        for number, line in enumerate(stream, start=1):
            row = parse_line(line, f"{path}:{number}")
            if row is not None:
                yield number, row


def parse_line(line: bytes, place: str) -> dict[str, Any] | None:
    """Parse one line of JSONL; None for a blank one. Raises InputError naming ``place``."""
    text = decode(line, place).strip()
    if not text:
        return None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError(f"{place}: a JSON object is wanted, not {type(row).__name__}")
    return row


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name beside it, then rename it.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as readable JSON, atomically."""
    write_atomically(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[object]) -> None:
    """Write one compact JSON value a line, atomically."""
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    write_atomically(path, "".join(line + "\n" for line in lines))


def require_writable(folder: Path) -> None:
    """Make ``folder`` and prove that it can be written, before any work is spent.

    Raises:
        OutputError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
