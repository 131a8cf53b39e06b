"""The title page: cut a text to its first page, and read it from text files and PDFs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fieldsmith import InputError, SourceFile, read_text

PAGE_CHARACTERS = 3000
"""Largest length of a page in characters: as much as the small embedded model can read.

It contains the abstract of 95 % of 513 title pages (GROBID's header corpus); half of them have less
than 1,800 characters in all.
"""

_COVER_CHARACTERS = 600
"""A page with fewer characters is a cover: the next one is read too."""

_WORD_END = re.compile(r"\s")


def first_page(text: str) -> str:
    """Return the first page of a text, with any cover before it: at most ``PAGE_CHARACTERS``.

    A page ends at a form feed; a page that is too long is cut at the last white space before the
    limit.
    """
    pages: list[str] = []
    for page in _pages(text[: 2 * PAGE_CHARACTERS]):
        pages.append(page)
        if sum(map(len, pages)) >= _COVER_CHARACTERS:
            break
    whole = "\n".join(page.strip("\n") for page in pages).strip()
    if len(whole) <= PAGE_CHARACTERS:
        return whole
    spaces = [found.start() for found in _WORD_END.finditer(whole, 0, PAGE_CHARACTERS + 1)]
    return whole[: spaces[-1] if spaces else PAGE_CHARACTERS].rstrip()


def _pages(text: str) -> Iterator[str]:
    return (page for page in text.split("\f") if page.strip())


def read_page(file: SourceFile) -> str:
    """Return the first page of a text file or PDF.

    Raises:
        InputError: the file cannot be read, or contains no text.
    """
    if _is_pdf(file):
        from . import pdf

        return first_page(pdf.first_pages(file.path, enough=_COVER_CHARACTERS))
    text = read_text(file.path)
    if not text.strip():
        raise InputError(f"{file.path}: the file holds no text")
    return first_page(text)


def is_page(file: SourceFile) -> bool:
    """Return whether a file is a PDF or plain text, which may be Markdown."""
    return _is_pdf(file) or file.path.suffix.lower() in (".txt", ".text", ".md", ".markdown")


def _is_pdf(file: SourceFile) -> bool:
    return b"%PDF-" in file.head[:1024]  # where ISO 32000, 7.5.2, wants it
