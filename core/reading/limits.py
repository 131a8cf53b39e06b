"""What a file may take to be read; a document is data, and may be made to take all there is."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import InputError
from ..files import MOST_CHARACTERS


class Limits(NamedTuple):
    """The most that one file may take.

    Attributes:
        pages: of a PDF.
        characters: of its text, as of any document.
        seconds: of computing, to read it.
        memory: bytes of the process that reads it.
        file_bytes: of a file that is read as one document.
        unpacked_bytes: of all that an archive holds.
        members: files in an archive.
    """

    pages: int = 2_000
    characters: int = MOST_CHARACTERS
    seconds: float = 120.0
    memory: int = 2 << 30
    file_bytes: int = 256 << 20
    unpacked_bytes: int = 1 << 30
    members: int = 10_000


def require_short(characters: int, limits: Limits) -> None:
    """Refuse a text that is too long.

    Raises:
        InputError: says so without the name of the file.
    """
    if characters > limits.characters:
        raise InputError(f"has more than {limits.characters:,} characters of text; split it")
