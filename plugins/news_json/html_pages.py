"""Pages of HTML: the text that a reader sees, and what the page's metadata says of it.

::

    <html lang="de-DE"><head><title>Sturm über Vellin | Vellin Post</title>
    <meta property="og:site_name" content="Vellin Post">
    <script type="application/ld+json">{"@type": "NewsArticle", "headline": "Sturm über Vellin",
     "author": {"name": "Jane Roe"}}</script></head> <body>…

A label is taken from the metadata only where the text bears it out: headline, author, source and
opening have to stand in it; country and language are inferred. A key that the metadata does not
speak of, or speaks of in other words than the page, is absent: neither trained nor scored.
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
from .snippets import one_line, standing

_LARGEST = 1 << 26
"""Bytes of a page, unpacked: 64 MiB."""

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
"""Characters of a paragraph; what is shorter is a place, a date or a caption."""

_JOINERS = frozenset("and und et y e i en och og a ve και и і & + / | ; , · •".split())


def unpacked_head(file: SourceFile) -> bytes:
    """Return how a page begins, in UTF-8 or a code of single bytes, without white space in front.

    Raises:
        InputError: the file is packed by gzip and broken.
    """
    is_packed = file.head.startswith(_GZIP)
    head = _read(file, _HEAD_BYTES) if is_packed else file.head
    if head[:2] in _UTF_16:
        head = head.decode("utf-16", "ignore").encode()
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def _read(file: SourceFile, size: int) -> bytes:
    """Read the first bytes of a file, which may be packed by gzip.

    Raises:
        InputError: it cannot be read or unpacked.
    """
    try:
        opened = gzip.open if file.head.startswith(_GZIP) else open
        with opened(file.path, "rb") as stream:
            return bytes(stream.read(size))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file.path}: cannot be read ({reason})") from error


def examples(file: SourceFile) -> Iterator[Example | Reject]:
    """Yield the example of a file with a page; the file's name is its id.

    Raises:
        InputError: the file cannot be read, or what reads HTML is not installed.
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
    known = metadata.of(tree)
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
    """Return the title and the text of a page, a line for each block, without what is hidden.

    Args:
        tree: the root of the page, as lxml has it.
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
    """Return a text as a browser lets it flow: where its source breaks lines means nothing."""
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
    """Return the paragraphs of what the extractor takes for the article."""
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
    # Without an address in it the page has none; without an author it may have one all the same.
    said: Record = {key: value for key, value in found.items() if value} | {"URL": known.url}
    return {key: said[key] for key in KEYS if key in said}


def _first(text: str, candidates: Iterable[str]) -> str | None:
    """Return the first candidate that stands in the text, as it stands there."""
    return next((found for given in candidates if (found := standing(text, given))), None)


def _headline(text: str, candidates: list[str]) -> str | None:
    """Return a headline that is a line of its own, or else one that stands in the text."""
    found = [one for given in candidates if (one := standing(text, given))]
    lines = text.split("\n")
    return next((one for one in found if one in lines), found[0] if found else None)


def _opening(text: str, known: metadata.Metadata, paragraphs: list[str]) -> str | None:
    """Return the description, or else the first long paragraph that is no headline."""
    headlines = {title.casefold() for title in known.headlines}
    long = (
        line
        for line in ([known.description] if known.description else []) + paragraphs
        if len(line) >= _LONG and line.casefold() not in headlines
    )
    return _first(text, long)


def _by_line(text: str, authors: list[str]) -> str | None:
    """Return the authors as they stand side by side, or else the first, if it stands there."""
    found = [one for name in authors if (one := standing(text, name))]
    together = _side_by_side(text, found) if len(found) == len(authors) else None
    return together or _first(text, authors[:1])


def _side_by_side(text: str, names: list[str]) -> str | None:
    """Return the piece of a line that is the names and what joins them, if there is one."""
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
