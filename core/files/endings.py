"""What a file's name promises, and whether the file keeps it."""

from __future__ import annotations

from pathlib import Path

_HEAD = 1024
"""Bytes in which a PDF has to begin (ISO 32000, 7.5.2)."""

_PDF, _ZIP, _GZIP = b"%PDF-", b"PK", b"\x1f\x8b"
_KINDS = {
    ".pdf": ("PDF", _PDF),
    ".docx": ("DOCX", _ZIP),
    ".zip": ("zip file", _ZIP),
    ".gz": ("gzip file", _GZIP),
}
"""Endings of files -> what such a file is called, and what it begins with."""


def broken_promise(file: Path) -> str:
    """Say that a file is empty, or of another kind than its name says; "" if it is neither."""
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not head:
        return "the file is empty"
    kind, sign = _KINDS.get(file.suffix.lower(), ("", b""))
    if sign in (head if sign == _PDF else head[: len(sign)]):
        return ""
    return f"is no {kind}, although its name ends in {file.suffix}; is it whole?"
