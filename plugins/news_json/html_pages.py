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

from fieldsmith import Document, Example, InputError, Record, Reject, SourceFile

from . import metadata
from .instruct import KEYS, addressed
from .snippets import find_in_text, one_line

_LARGEST = 1 << 26
"""Size limit of a decompressed page in bytes: 64 MiB."""

_HEAD_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_UNSEEN = frozenset(
    "area audio canvas datalist embed head iframe map math noscript object picture script select "
    "style svg template textarea video".split()
)
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark q s samp "
    "small span strike strong sub sup time tt u var wbr".split()
)
_LONG = 40
"""Least length of an opening in characters; shorter lines are places, dates or captions."""

_JOINERS = frozenset("and und et y e i en och og a ve και и і & + / | ; , · •".split())


def unpacked_head(file: SourceFile) -> bytes:
    """Return the beginning of a page, decompressed, without white space in front.

    UTF-16 is converted to UTF-8.

    Raises:
        InputError: the file is compressed by gzip and broken.
    """
    is_packed = file.head.startswith(_GZIP)
    head = _read(file, _HEAD_BYTES) if is_packed else file.head
    if head[:2] in _UTF_16:
        head = head.decode("utf-16", "ignore").encode()
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def _read(file: SourceFile, size: int) -> bytes:
    """Read the first bytes of a file, which may be compressed by gzip.

    Raises:
        InputError: the file cannot be read or decompressed.
    """
    try:
        opened = gzip.open if file.head.startswith(_GZIP) else open
        with opened(file.path, "rb") as stream:
            return bytes(stream.read(size))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file.path}: cannot be read ({reason})") from error


def examples(file: SourceFile) -> Iterator[Example | Reject]:
    """Yield the example of an HTML file; the file's name is its id.

    Raises:
        InputError: the file cannot be read, or trafilatura is not installed.
    """
    path, name = file.path, file.name
    data = _read(file, _LARGEST + 1)
    if len(data) > _LARGEST:
        yield Reject(str(path), "", f"more than {_LARGEST >> 20} MiB, which no page has", name)
        return
    tree = _tree(data, path)
    if tree is None:
        yield Reject(str(path), "", "nothing in it can be read as HTML", name)
        return
    known = metadata.read_metadata(tree)
    text = visible_text(tree)
    if not text:
        reason = "the page shows no text (is it filled in by a script?)"
        yield Reject(str(path), "", reason, name)
        return
    record = _record(known, text, _paragraphs(tree))
    document = Document(
        name, addressed(text, known.url), {"path": name} | ({"url": known.url} if known.url else {})
    )
    yield Example(document, record, {}, file.split_of_folder, str(path))


def visible_text(tree: Any) -> str:
    """Return the title and the visible text of a page, one line per block.

    Args:
        tree: the root element (lxml).
    """
    from lxml import etree

    pieces: list[str] = []
    walker = etree.iterwalk(tree, events=("start", "end", "comment", "pi"))
    for event, element in walker:
        if event == "start":
            if _is_hidden(element):
                walker.skip_subtree()
                continue
            pieces += ["" if element.tag in _INLINE else "\n", _flowing(element.text)]
        else:
            closes = event == "end" and element.tag not in _INLINE
            pieces += ["\n" if closes else "", _flowing(element.tail)]
    title = tree.find(".//title")
    lines = [title.text_content() if title is not None else "", *"".join(pieces).split("\n")]
    return "\n".join(line for line in map(one_line, lines) if line)


def _flowing(text: str | None) -> str:
    """Return a text with runs of white space as one space: line breaks of HTML have no meaning."""
    return re.sub(r"\s+", " ", text or "")


def _tree(data: bytes, path: Path) -> Any:
    try:
        from trafilatura import load_html
    except ImportError as error:
        raise InputError(
            f"{path}: reading HTML needs the extra `html`: pip install 'fieldsmith[html]'"
        ) from error
    if data[:2] in _UTF_16:
        data = data.decode("utf-16", "replace").encode()
    return load_html(data.replace(b"\0", b""))


def _is_hidden(element: Any) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    return element.tag in _UNSEEN or "hidden" in element.attrib or "display:none" in style


def _paragraphs(tree: Any) -> list[str]:
    """Return the paragraphs of the article that trafilatura extracts."""
    from trafilatura import extract

    found = extract(copy.deepcopy(tree), include_comments=False, include_tables=False)
    return [one_line(line) for line in (found or "").split("\n")]


def _record(known: metadata.Metadata, text: str, paragraphs: list[str]) -> Record:
    found = {
        "Country": known.country,
        "Headline": _headline(text, known.headlines),
        "Influencer": _by_line(text, known.authors),
        "Language": known.language,
        "Opening Text": _opening(text, known, paragraphs),
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


def _opening(text: str, known: metadata.Metadata, paragraphs: list[str]) -> str | None:
    """Return the description, or else the first long paragraph that is not a headline."""
    headlines = {title.casefold() for title in known.headlines}
    long = (
        line
        for line in ([known.description] if known.description else []) + paragraphs
        if len(line) >= _LONG and line.casefold() not in headlines
    )
    return _first(text, long)


def _by_line(text: str, authors: list[str]) -> str | None:
    """Return the part of the text that lists all authors, or else the first author in it."""
    found = [one for name in authors if (one := find_in_text(text, name))]
    together = _side_by_side(text, found) if len(found) == len(authors) else None
    return together or _first(text, authors[:1])


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
