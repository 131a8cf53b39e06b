"""A predictions file while it is written: resumable, and locked against other processes."""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..data import Document, Reject
from ..errors import InputError, OutputError
from ..files import (
    is_same_file,
    parse_json,
    parse_line,
    read_text,
    remove_left_over,
    require_output,
    write_atomically,
    write_json,
    writing,
)
from ..files.locks import lock_file, locked
from ..files.special import is_special, open_special
from .prediction_file import encoded, id_of

BUSY = "another process writes it; wait for it, or choose another --output"
"""What to do where another process writes the same predictions."""


def is_partitioned(output: Path) -> bool:
    """Say whether predictions are written as a folder of parquet files, by the output's name."""
    return output.suffix.lower() == ".parquet"


def is_folder(path: Path) -> bool:
    """Say whether a path is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def own_files(output: Path) -> tuple[Path, ...]:
    """Return the files that belong to a predictions file, resolved; () for a device or a pipe."""
    if is_special(output):
        return ()
    path = Path(os.path.realpath(output))
    working = working_files(path, is_folder if is_partitioned(output) else None)
    return path, *working, lock_file(path)


def refuse_outputs(output: Path, inputs: Iterable[str]) -> None:
    """Refuse inputs that would be written over.

    Raises:
        OutputError: an input is the output, one of the files that belong to it, or in it.
    """
    for name in inputs:
        above = Path(os.path.realpath(name)).parents if "\0" not in name else ()
        for own in own_files(output):
            if name != "-" and (is_same_file(own, Path(name)) or own in above):
                raise OutputError(f"{name}: is an input too; write to another file than {output}")


def working_files(
    path: Path, is_partial: Callable[[Path], bool] | None = None
) -> tuple[Path, Path]:
    """Return the files of an output that is not whole: its lines, and what they were made from.

    Files of these names that something else wrote are left alone; others are numbered.

    Args:
        path: the output.
        is_partial: says whether a path may hold the lines; by default a file does.
    """
    is_partial = is_partial or _is_plain
    for number in itertools.count(1):
        ending = ".partial" if number == 1 else f".partial-{number}"
        partial, state = (path.with_name(f"{path.name}{ending}{end}") for end in ("", ".json"))
        held = [each for each in (partial, state) if os.path.lexists(each)]
        if not held or (key_in(state) and (partial not in held or is_partial(partial))):
            break
    return partial, state


class PredictionFile:
    """A predictions file that is written group by group and renamed once it is whole.

    Until then the lines are in ``FILE.partial``, and a hash of what they were made from in
    ``FILE.partial.json``: the same command resumes it, another one starts anew. Where something
    else wrote files of these names, others are taken.
    """

    def __init__(self, path: Path) -> None:
        """Name the files; ``open_predictions`` prepares to write them."""
        self.path = path
        self.partial, self.state = working_files(path)

    def groups_done(self, key: str, size: int, rows: Iterable[Document | Reject]) -> int:
        """Return the number of whole groups of an earlier, interrupted run; cut the file there.

        Args:
            key: hash of all that decides the predictions; a partial file with another key is
                discarded.
            size: documents of a group.
            rows: the documents, of which each line has to be one, in order.

        Raises:
            OutputError: the files cannot be written.
        """
        if key_in(self.state) == key and self.partial.exists():
            groups, length = _whole_groups(self.partial, size, rows)
            with writing(self.partial):
                os.truncate(self.partial, length)
            return groups
        with writing(self.partial):
            self.partial.unlink(missing_ok=True)
        # First the key, then the file: a file without a key is not ours.
        write_json(self.state, {"key": key})
        write_atomically(self.partial, b"")
        return 0

    def write(self, groups: Iterable[list[bytes]], expected: int) -> int:
        """Append groups, each flushed to the disk, and rename the file at the end.

        Args:
            groups: lines.
            expected: number of lines that the whole file has.

        Returns:
            The number of lines written now.

        Raises:
            OutputError: the disk is full, or the file cannot be written any more.
        """
        count = 0
        for lines in groups:
            self.append(lines)
            count += len(lines)
        with writing(self.path):
            with self.partial.open("rb") as stream:
                held = sum(1 for _ in stream)
            if held != expected:
                raise OutputError(
                    f"{self.partial}: has {held} lines where {expected} were written; did another "
                    f"program change it? Delete it and start again"
                )
            os.replace(self.partial, self.path)
            self.state.unlink(missing_ok=True)
        return count

    def append(self, lines: Iterable[bytes]) -> None:
        """Append the lines of a group, flushed to the disk.

        Raises:
            OutputError: the disk is full, or the file cannot be written any more.
        """
        with writing(self.partial), self.partial.open("ab") as stream:
            stream.write(b"".join(lines))
            stream.flush()
            os.fsync(stream.fileno())

    def discard(self) -> None:
        """Delete what was written, where it is not to become a predictions file."""
        with writing(self.partial):
            self.partial.unlink(missing_ok=True)
            self.state.unlink(missing_ok=True)


class PredictionStream:
    """Predictions that are written to a stream, such as a device or a pipe, as they are made."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self.stream = path, stream

    def groups_done(self, _key: str, _size: int, _rows: Iterable[Document | Reject]) -> int:
        """Return 0: what has gone into a stream cannot be read again."""
        return 0

    def write(self, groups: Iterable[list[bytes]], _expected: int) -> int:
        """Write groups; return the number of lines.

        Raises:
            OutputError: the stream cannot be written.
        """
        count = 0
        with writing(self.path):
            for lines in groups:
                self.stream.write(b"".join(lines))
                self.stream.flush()
                count += len(lines)
        return count


@contextmanager
def open_predictions(output: Path) -> Iterator[PredictionFile | PredictionStream]:
    """Prepare to write predictions; no other process can write them meanwhile.

    A symbolic link is followed. A device or a pipe is written as the predictions are made.

    Raises:
        OutputError: it cannot be written, or another process writes it.
    """
    require_output(output)
    if is_special(output):
        with writing(output), open_special(output) as stream:
            yield PredictionStream(output, stream.buffer)
        return
    path = Path(os.path.realpath(output))
    with locked(path, BUSY):
        file = PredictionFile(path)
        remove_left_over(path.parent, path.name, file.state.name)
        yield file


def _is_plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def key_in(state: Path) -> str:
    """Return the key that a state file holds; "" if it is none."""
    try:
        held = parse_json(read_text(state)) if _is_plain(state) else None
    except (OSError, InputError, ValueError):
        return ""
    key = held.get("key") if isinstance(held, dict) and list(held) == ["key"] else None
    return key if isinstance(key, str) and re.fullmatch("[0-9a-f]{64}", key) else ""


def _whole_groups(path: Path, size: int, rows: Iterable[Document | Reject]) -> tuple[int, int]:
    """Return how many whole groups a file begins with, and their length in bytes.

    Every line of a group has to be one that was written for its document.
    """
    groups = length = 0
    expected = iter(rows)
    with path.open("rb") as stream:
        while True:
            lines = list(itertools.islice(stream, size))
            group = list(itertools.islice(expected, size))
            if len(lines) < size or len(group) < size or not all(map(_is_line_of, lines, group)):
                return groups, length
            groups += 1
            length += sum(map(len, lines))


def _is_line_of(line: bytes, row: Document | Reject) -> bool:
    """Say whether a line is a prediction of a document, byte for byte as they are written."""
    try:
        held = parse_line(line, "", 1)
    except InputError:
        return False
    if held is None or encoded(held) != line:
        return False
    return bool(held.get("id") == id_of(row) and {"record", "windows", "plugin"} <= held.keys())
