"""Write files atomically, and check before any work that they can be written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ..errors import OutputError
from .special import is_special, open_special

_LEFT_OVER = re.compile(r"\.[0-9a-f]{16}\.(.+)\.new")
"""Name of a temporary file; a process that is killed leaves it."""


@contextmanager
def open_atomically(path: Path) -> Iterator[TextIO]:
    """Open a temporary file beside ``path``; it is renamed to ``path`` once all is written.

    A symbolic link is followed, so that its target is replaced and not the link. What is written to
    a device or a pipe goes there at once. Temporary files of processes that were killed as they
    wrote the same file are deleted.

    Raises:
        OutputError: it cannot be written.
    """
    with writing(path):
        if is_special(path):
            with open_special(path) as stream:
                yield stream
            return
        target = resolved(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(target.parent, target.name)
        temporary, stream = _open_temporary(target)
        try:
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                os.replace(temporary, target)
        finally:
            with suppress(OSError):
                temporary.unlink()  # already renamed if all went well


def _open_temporary(target: Path) -> tuple[Path, TextIO]:
    """Open a new file beside another, locked for as long as it is open."""
    while True:
        path = temporary_beside(target)
        stream = path.open("x", encoding="utf-8", newline="\n")
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another process takes it for a left-over one
                stream.close()
                continue
        if path.exists():
            return path, stream
        stream.close()


def resolved(path: Path) -> Path:
    """Return the absolute path that links lead to.

    Raises:
        OSError: they lead in a circle.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Report as an OutputError of ``path`` that something in the block cannot be written."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        raise OutputError(f"{str(path)!r}: cannot be written (a path has no NUL)") from error


def temporary_beside(path: Path) -> Path:
    """Return a path beside another that nothing has: it is written, and then renamed."""
    return path.with_name(f".{secrets.token_hex(8)}.{path.name}.new")


def is_left_over(name: str, *names: str) -> bool:
    """Say whether a file has the name of a temporary one.

    Args:
        name: of the file.
        names: of the files that it may have been written for; none for all.
    """
    found = _LEFT_OVER.fullmatch(name)
    return found is not None and (not names or found[1] in names)


def remove_left_over(folder: Path, *names: str) -> None:
    """Delete temporary files that killed processes have left in a folder.

    Those that a process is writing stay: it holds a lock on them, which ends with the process.

    Args:
        folder: the folder.
        names: see ``is_left_over``.
    """
    for path in folder.glob(".*.new"):
        if is_left_over(path.name, *names):
            with suppress(OSError), path.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file as a whole, or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with open_atomically(path) as stream:
        stream.buffer.write(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as readable JSON, atomically."""
    write_atomically(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[object]) -> None:
    """Write one compact JSON value a line, atomically."""
    with open_atomically(path) as stream:
        write_lines(stream, rows)


def write_lines(stream: TextIO, rows: Iterable[object]) -> None:
    """Write one compact JSON value a line to an open file."""
    for row in rows:
        stream.write(json_line(row))


def json_line(row: object) -> str:
    """Return a value as compact JSON in a line, which can be written as UTF-8.

    Half a surrogate pair, as in a file's name that is not UTF-8 or in what a model was cut off at,
    becomes the escape of JSON.

    >>> json_line(["é", chr(0xD83D)])
    '["é","\\\\ud83d"]\\n'
    """
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def require_writable(folder: Path) -> None:
    """Create ``folder`` and try to write into it, before any work is spent.

    Raises:
        OutputError: it cannot.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def refuse_input(output: Path, given: Path) -> None:
    """Refuse to write a file that is read.

    Raises:
        OutputError: both are one file, by whatever names.
    """
    if is_same_file(output, given):
        raise OutputError(f"{output}: is the input; write to another file")


def is_same_file(one: Path, other: Path) -> bool:
    """Say whether two paths lead to one file, also by links, or would if it were there."""
    try:
        return os.path.realpath(one) == os.path.realpath(other) or one.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return False


def require_output(path: Path) -> None:
    """Check that a file can be written, before any work is spent; its folder is made.

    Raises:
        OutputError: it cannot.
    """
    with writing(path):
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file")
        if is_special(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        folder = resolved(path).parent
    require_writable(folder)
