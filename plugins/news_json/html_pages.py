"""Read HTML pages: the visible text, and labels from the page's metadata.

::

    <html lang="de-DE"><head><title>Sturm über Vellin | Vellin Post</title>
    <meta property="og:site_name" content="Vellin Post">
    <script type="application/ld+json">{"@type": "NewsArticle", "headline": "Sturm über Vellin",
     "author": {"name": "Jane Roe"}}</script></head> <body>…

A label is taken from the metadata only if the text confirms it: headline, author, source and
opening must occur in it; country and language are inferred. A key that the metadata does not have,
or has in other words than the page, is absent: neither trained nor scored.
"""

from __future__ import annotations

import codecs
import copy
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fieldsmith import (
    Document,
    Example,
    InputError,
    Record,
    Reject,
    SourceFile,
    parse_html,
    read_within_limits,
    visible_text,
)

from . import charsets, metadata, opening
from .instruct import KEYS, addressed
from .snippets import find_in_text, one_line

_LARGEST = 1 << 26
"""Size limit of a decompressed page in bytes: 64 MiB."""

_HEAD_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"

_SEARCHED = 1_000_000
"""Labels are looked for in so many characters at the beginning of a text."""

_SAVED = re.compile(rb"<!--\s*saved from url=\(\d{1,5}\)(https?://[!-;=?-~]{1,4000})\s*-->")
_MARKED = 1 << 13
"""The mark of a saved page is in so many bytes at its beginning."""

_EXTRACTED = 20_000
"""Most elements of a page that trafilatura is asked about, which takes long for larger ones."""

_DEEPEST_EXTRACTED = 256

_JOINERS = frozenset("and und et y e i en och og a ve και и і & + / | ; , · •".split())


def unpacked_head(file: SourceFile) -> bytes:
    """Return the beginning of a page, decompressed, without white space in front.

    UTF-16 is converted to UTF-8.

    Raises:
        InputError: the file is compressed by gzip and broken.
    """
    is_packed = file.head.startswith(_GZIP)
    head = _read(file.path, _HEAD_BYTES) if is_packed else file.head
    if head[:2] in charsets.UTF_16:
        head = head.decode("utf-16", "ignore").encode()
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def _read(path: Path, size: int) -> bytes:
    """Read the first bytes of a file, which may be compressed by gzip.

    Raises:
        InputError: the file cannot be read or decompressed.
    """
    try:
        with path.open("rb") as stream:
            is_packed = stream.read(len(_GZIP)) == _GZIP
        opened = gzip.open if is_packed else open
        with opened(path, "rb") as stream:
            return bytes(stream.read(size))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from error


def examples(file: SourceFile) -> Iterator[Example | Reject]:
    """Yield the example of an HTML file; the file's name is its id.

    Raises:
        InputError: the file cannot be read, or takes too much, or trafilatura is not installed.
    """
    path, name = file.path, file.name
    page = read_within_limits(path, read_page)
    if "fault" in page:
        yield Reject(str(path), "", page["fault"], name)
        return
    text, url = page["text"], page["url"]
    document = Document(name, addressed(text, url), {"path": name} | ({"url": url} if url else {}))
    yield Example(document, page["record"], {}, file.split_of_folder, str(path))


def read_page(path: Path) -> dict[str, Any]:
    """Return the ``text`` of a page, its ``url`` and ``record``, or the ``fault`` that it has.

    Raises:
        InputError: the file cannot be read, or trafilatura is not installed.
    """
    data = _read(path, _LARGEST + 1)
    if len(data) > _LARGEST:
        return {"fault": f"more than {_LARGEST >> 20} MiB, which no page has"}
    try:
        tree = parse_html(data)
    except ImportError as error:
        raise InputError(
            f"{path}: reading HTML needs the extra `html`: pip install 'fieldsmith[html]'"
        ) from error
    except InputError as error:
        return {"fault": str(error)}
    known = metadata.read_metadata(tree, saved_address(data))
    text = visible_text(tree)
    if not text:
        return {"fault": "the page shows no text (is it filled in by a script?)"}
    return {"text": text, "url": known.url, "record": _record(known, text[:_SEARCHED], tree)}


def saved_address(data: bytes) -> str | None:
    """Return the address in the mark that browsers and `extract fetch` put into a saved page."""
    found = _SAVED.search(data, 0, _MARKED)
    return found[1].decode().replace("%2D%2D", "--") if found else None


def _paragraphs(tree: Any) -> list[str]:
    """Return the paragraphs of the article that trafilatura extracts, none of a huge page."""
    from trafilatura import extract

    if _is_huge(tree):
        return []
    found = extract(copy.deepcopy(tree), include_comments=False, include_tables=False)
    return [one_line(line) for line in (found or "").split("\n")]


def _is_huge(tree: Any) -> bool:
    """Return whether a page has very many or very deep elements, or very long texts."""
    from lxml import etree

    elements = depth = characters = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        depth += 1 if event == "start" else -1
        elements += event == "start"
        characters += len(element.text or "") if event == "start" else len(element.tail or "")
        if elements > _EXTRACTED or depth > _DEEPEST_EXTRACTED or characters > 4 * _SEARCHED:
            return True
    return False


def _record(known: metadata.Metadata, text: str, tree: Any) -> Record:
    found = {
        "Country": known.country,
        "Headline": _headline(text, known.headlines),
        "Influencer": _by_line(text, known.authors),
        "Language": known.language,
        "Opening Text": opening.opening(
            text,
            description=known.description,
            paragraphs=_paragraphs(tree),
            titles=[*known.headlines, *(one.text_content() for one in tree.iter("title", "h1"))],
            authors=known.authors,
        ),
        "Source": _first(text, known.sites),
    }
    # A page without an address has none; a missing author is only not annotated.
    annotated: Record = {key: value for key, value in found.items() if value} | {"URL": known.url}
    return {key: annotated[key] for key in KEYS if key in annotated}


def _first(text: str, candidates: Iterable[str]) -> str | None:
    """Return the first candidate that occurs in the text, as written there."""
    return next((found for given in candidates if (found := find_in_text(text, given))), None)


def _headline(text: str, candidates: list[str]) -> str | None:
    """Return the first headline that is a line of its own, or else one that is in the text."""
    found = [one for given in candidates if (one := find_in_text(text, given))]
    lines = text.split("\n")
    return next((one for one in found if one in lines), found[0] if found else None)


def _by_line(text: str, authors: list[str]) -> str | None:
    """Return the part of the text that lists all authors, or else the first author in it."""
    found = [one for name in authors if (one := _name_in_text(text, name))]
    together = _side_by_side(text, found) if len(found) == len(authors) else None
    return together or (_name_in_text(text, authors[0]) if authors else None)


def _name_in_text(text: str, name: str) -> str | None:
    """Return a name as a text writes it, also if the metadata has it as "Family, Given"."""
    family, comma, given = name.partition(", ")
    turned = f"{given} {family}" if comma and "," not in given else ""
    return find_in_text(text, name) or (find_in_text(text, turned) if turned else None)


def _side_by_side(text: str, names: list[str]) -> str | None:
    """Return the part of a line with all names and only joining words between, or None."""
    for line in text.split("\n") if names[1:] else ():
        places = [(line.find(name), name) for name in names]
        if min(places)[0] < 0:
            continue
        places.sort()
        ends = [start + len(name) for start, name in places]
        between = (line[end:start] for end, (start, _name) in zip(ends, places[1:], strict=False))
        if all(set(gap.replace(",", " , ").split()) <= _JOINERS for gap in between):
            return line[places[0][0] : ends[-1]]
    return None
