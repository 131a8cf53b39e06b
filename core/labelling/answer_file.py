"""The answers so far, a line each, so that none is asked for twice.

A line is on the disk before another question is asked in its place, whatever ends the process. Half
a line at the end, which a killed process leaves, is cut off.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError
from ..extraction.prediction_file import encoded
from ..files import parse_line, writing
from .teacher import Reply, Usage

_TEXTS = ("text", "date", "version", "fingerprint", "form")


class AnswerFile:
    """Answers by the key of their question; those of earlier processes are there again.

    Several threads may add some.

    Attributes:
        path: the file.
        spent: what all of them have cost.
    """

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        """Read the file; ``open_answers`` opens it."""
        self.path, self.spent = path, Usage()
        self._stream = stream
        self._places: dict[bytes, int] = {}
        self._lock = threading.Lock()
        self._read_all()

    def __contains__(self, key: str) -> bool:
        """Say whether a question was answered."""
        return bytes.fromhex(key) in self._places

    def __len__(self) -> int:
        """Return how many answers there are."""
        return len(self._places)

    def get(self, key: str) -> Reply | None:
        """Return the answer to a question; None if there is none."""
        place = self._places.get(bytes.fromhex(key))
        if place is None:
            return None
        with self._lock:
            self._stream.seek(place)
            line = parse_line(self._stream.readline(), str(self.path), 0)
        assert line is not None
        return _reply_of(line)

    def add(self, key: str, reply: Reply) -> None:
        """Append an answer, and see to it that it is on the disk.

        Raises:
            OutputError: the disk is full, or the file cannot be written any more.
        """
        with self._lock, writing(self.path):
            place = self._stream.seek(0, os.SEEK_END)
            self._stream.write(encoded({"key": key, **asdict(reply)}))
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._places[bytes.fromhex(key)] = place
            self.spent += reply.usage

    def _read_all(self) -> None:
        place = 0
        for number, line in enumerate(self._stream, start=1):
            if not line.endswith(b"\n"):
                with writing(self.path):
                    self._stream.truncate(place)
                break
            try:
                held = parse_line(line, str(self.path), number) or {}
                key, reply = bytes.fromhex(held["key"]), _reply_of(held)
            except (LookupError, TypeError, ValueError) as error:
                raise InputError(
                    f"{self.path}:{number}: is no answer that was kept ({error}); delete the line, "
                    f"or move the file away"
                ) from error
            self._places[key] = place
            self.spent += reply.usage
            place += len(line)


def _reply_of(line: Mapping[str, Any]) -> Reply:
    """Return the answer of a line.

    Raises:
        LookupError, TypeError, ValueError: it holds none.
    """
    texts = {name: line[name] for name in _TEXTS} | {"problem": line.get("problem", "")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("a text is wanted")
    usage = Usage(**{name: int(count) for name, count in line["usage"].items()})
    confidence = {str(pointer): float(value) for pointer, value in line["confidence"].items()}
    return Reply(finished=bool(line["finished"]), usage=usage, confidence=confidence, **texts)


@contextmanager
def open_answers(path: Path) -> Iterator[AnswerFile]:
    """Open the file of answers, which is made if it is not there.

    Raises:
        InputError: it holds something else.
        OutputError: it cannot be written.
    """
    with writing(path):
        stream = path.open("a+b")
    with stream:
        stream.seek(0)
        yield AnswerFile(path, stream)
