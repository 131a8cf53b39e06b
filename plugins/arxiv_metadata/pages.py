"""The title page: cut a text to its first page, and read it from text files and PDFs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fieldsmith import InputError, PageWord, SourceFile, read_first_pages, read_text

PAGE_CHARACTERS = 3000
"""Largest length of a page in characters: as much as the small embedded model can read.

It contains the abstract of 95 % of 513 title pages (GROBID's header corpus); half of them have less
than 1,800 characters in all.
"""

_COVER_CHARACTERS = 600
"""A page with fewer characters is a cover: the next one is read too."""

_PDF_PAGES = 3
"""So many pages of a PDF are read at most."""

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
    return _cut("\n".join(page.strip("\n") for page in pages).strip())


def beginning(text: str) -> str:
    """Return a text up to the end of its first page, as ``first_page`` finds it.

    Nothing before that is left out or changed, so that offsets are those of the text.
    """
    start = len(text) - len(text.lstrip())
    pages = text[start : start + 2 * PAGE_CHARACTERS]
    end = read = 0
    for page in pages.split("\f"):
        end += len(page) + 1
        read += len(page) if page.strip() else 0
        if read >= _COVER_CHARACTERS:
            break
    return text[:start] + _cut(pages[: end - 1].rstrip())


def _cut(page: str) -> str:
    """Cut a page that is too long at the last white space before the limit."""
    if len(page) <= PAGE_CHARACTERS:
        return page
    spaces = [found.start() for found in _WORD_END.finditer(page, 0, PAGE_CHARACTERS + 1)]
    return page[: spaces[-1] if spaces else PAGE_CHARACTERS].rstrip()


def _pages(text: str) -> Iterator[str]:
    return (page for page in text.split("\f") if page.strip())


def read_page(file: SourceFile) -> tuple[str, Sequence[PageWord]]:
    """Return the first page of a text file or PDF, and of a PDF where its words stand.

    Of a text file it is the beginning as it is.

    Raises:
        InputError: the file cannot be read, or contains no text.
    """
    if _is_pdf(file):
        read = read_first_pages(file.path, pages=_PDF_PAGES, enough=_COVER_CHARACTERS)
        # A line for each of what is beside each other, and no blank ones, as pages of TEI have it.
        page = first_page(re.sub(r"\n+|\t", "\n", read.text))
        return page, read.words_in(page)
    text = read_text(file.path, as_is=True)
    if not text.strip("\ufeff \t\r\n\f"):
        raise InputError(f"{file.path}: the file holds no text")
    return beginning(text), ()


def is_page(file: SourceFile) -> bool:
    """Return whether a file is a PDF or plain text, which may be Markdown."""
    return _is_pdf(file) or file.path.suffix.lower() in (".txt", ".text", ".md", ".markdown")


def _is_pdf(file: SourceFile) -> bool:
    return b"%PDF-" in file.head[:1024]  # where ISO 32000, 7.5.2, wants it
