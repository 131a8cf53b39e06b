"""Which kind of file it is, by its content, and what reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ..errors import InputError
from .docx import read_docx
from .html import read_html
from .limits import Limits
from .page_text import PagedText
from .pdf import read_pdf

PLAIN_TEXT = frozenset({".txt", ".text", ".md", ".markdown"})
"""Endings of files that are text as they are, whatever it looks like."""

ARCHIVES = frozenset({"gzip", "zip"})
"""Kinds of files that hold others."""

_READERS: Mapping[str, Callable[[bytes, Limits], PagedText]] = MappingProxyType(
    {"PDF": read_pdf, "DOCX": read_docx, "HTML": read_html}
)

_NOT_READ = "old Office", "OpenDocument or EPUB", "tar"
"""Kinds that are known, and not read."""

BINARY = frozenset({"PDF", "DOCX", *ARCHIVES, *_NOT_READ})
"""Kinds that are no text, so that only what knows them can read them."""

_HEAD = 4096
_HTML_ENDINGS = {".html", ".htm", ".xhtml"}
_HTML = re.compile(rb"(?i)\s*(?:<\?xml[^>]*\?>\s*)?<(?:!doctype\s+html|html)\b")
_TAR = slice(257, 262)


def kind_of(file: Path) -> str | None:
    """Return the kind of a file; None if it is none that is known here, as plain text is.

    Raises:
        InputError: it cannot be read.
    """
    if file.suffix.lower() in PLAIN_TEXT:
        return None
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):  # it may begin with a whole PDF
        return _kind_of_zip(head, file.suffix.lower())
    for kind, found in {
        "gzip": head.startswith(b"\x1f\x8b"),
        "old Office": head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        "tar": head[_TAR] == b"ustar",
        "PDF": b"%PDF-" in head[:1024],  # where ISO 32000, 7.5.2, wants it
        "HTML": file.suffix.lower() in _HTML_ENDINGS
        or _HTML.match(head.removeprefix(b"\xef\xbb\xbf")),
    }.items():
        if found:
            return kind
    return None


def _kind_of_zip(head: bytes, ending: str) -> str:
    """Return the kind of a zip file by the name of its first member, or by its own."""
    if head[30:].startswith(b"mimetypeapplication/"):
        return "OpenDocument or EPUB"
    is_office = re.match(rb"\[Content_Types\]\.xml|_rels/|docProps/|word/", head[30:])
    return "DOCX" if is_office or ending in {".docx", ".docm", ".dotx"} else "zip"


def read(data: bytes, kind: str, limits: Limits) -> PagedText:
    """Return the text of a document.

    Args:
        data: the file.
        kind: what ``kind_of`` says that it is, but none of ``ARCHIVES``.
        limits: what it may take.

    Raises:
        InputError: it cannot be read; says so without the name of the file.
    """
    if kind in _NOT_READ:
        advice = "unpack it" if kind == "tar" else "save it as DOCX or PDF, without a password"
        raise InputError(f"is a file of the kind {kind}, which is not read; {advice}")
    return _READERS[kind](data, limits)
