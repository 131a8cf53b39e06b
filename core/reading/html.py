"""Parse HTML pages whole, whatever they begin with, and return the text that a reader sees."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError
from .limits import Limits, require_short
from .page_text import PagedText

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHARSET = re.compile(rb"(?i)<meta[^<>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})")
_WEB_NAMES = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "latin1": "cp1252",
              "us-ascii": "cp1252", "x-sjis": "shift_jis", "shift_jis": "cp932"}  # fmt: skip
"""What browsers read the named encodings as (WHATWG, Encoding)."""

_DEEPEST = 2048
"""Deepest nesting that libxml2 reads; it stops without a word where elements are nested deeper."""

_DOCUMENT = re.compile(r"(?i)<(?:!doctype\s+html|html)\b")
_BODY = re.compile(r"(?i)<body\b[^<>]*>")
_BEFORE = 1 << 16

# Soft hyphens, zero-width characters and marks of the writing direction; not those two that join
# letters or keep them apart.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)

_UNSEEN = frozenset(
    "area audio canvas datalist embed head iframe link map math meta noscript object picture "
    "script select style svg template textarea title video".split()
)
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark q s samp "
    "small span strike strong sub sup time tt u var wbr".split()
)
_VISIBILITIES = {"hidden": False, "collapse": False, "visible": True}
_NOTHING = re.compile(r"0*\.?0+%?")


def read_html(data: bytes, limits: Limits) -> PagedText:
    """Return the title and the visible text of a page.

    Raises:
        InputError: it shows no text, or cannot be read whole, or the extra ``html`` is not
            installed; says so without the name of the file.
    """
    try:
        text = visible_text(parse_html(data))
    except ImportError as error:
        raise InputError(
            "reading HTML needs the extra `html`: pip install 'fieldsmith[html]'"
        ) from error
    if not text:
        raise InputError("the page shows no text (is it filled in by a script?)")
    require_short(len(text), limits)
    return PagedText(text)


def parse_html(data: bytes) -> Any:
    """Return the root element (lxml) of a page, whatever its encoding.

    Raises:
        ImportError: lxml or trafilatura is not installed.
        InputError: there is nothing in it, or a part of it would be lost; says so without the name
            of the file.
        MemoryError: there is too little memory.
    """
    from lxml import etree, html
    from trafilatura import utils

    parser = html.HTMLParser(
        huge_tree=True, encoding="utf-8", collect_ids=False, remove_comments=True, remove_pis=True
    )
    text = _document_first(_decoded(data, utils.decode_file).replace("\0", ""))
    try:
        tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        _require_memory(parser)
        raise InputError("nothing in it can be read as HTML") from error
    _require_memory(parser)
    if any(entry.level >= etree.ErrorLevels.FATAL for entry in parser.error_log):
        raise InputError(
            f"its elements are nested deeper than {_DEEPEST} levels, so that its text cannot be "
            "read whole"
        )
    return tree


def _require_memory(parser: Any) -> None:
    """Raise MemoryError where a parser had too little, which it takes for a fault of the page."""
    from lxml import etree

    if any(entry.type == etree.ErrorTypes.ERR_NO_MEMORY for entry in parser.error_log):
        raise MemoryError


def _decoded(data: bytes, guess: Callable[[bytes], str]) -> str:
    """Decode a page: by its mark, as UTF-8, as it says itself, or else as it looks like."""
    if data[:2] in _UTF_16:
        return data.decode("utf-16", "replace")
    declared = _CHARSET.search(data, 0, _BEFORE)
    name = declared[1].decode().lower() if declared else ""
    for encoding in ("utf-8-sig", _WEB_NAMES.get(name, name)):
        try:
            return data.decode(encoding)
        except (LookupError, ValueError):
            continue
    return guess(data)


def _document_first(text: str) -> str:
    """Return a page with what stands before its document moved into the body.

    Otherwise a warning or a script in front would end the head before it begins.
    """
    document = _DOCUMENT.search(text, 0, _BEFORE)
    before = text[: document.start()] if document else ""
    if not document or not before.strip():
        return text
    rest = text[document.start() :]
    body = _BODY.search(rest)
    return rest[: body.end()] + before + rest[body.end() :] if body else before + rest


def visible_text(tree: Any) -> str:
    """Return the title and the visible text of a page, one line per block.

    Args:
        tree: the root element (lxml).
    """
    from lxml import etree

    pieces: list[str] = []
    visible = [True]  # of each element that is open: those in a hidden one may be shown again
    walker = etree.iterwalk(tree, events=("start", "end", "comment", "pi"))
    for event, element in walker:
        if event == "start":
            style = _style(element)
            visible.append(_VISIBILITIES.get(style.get("visibility", ""), visible[-1]))
            if _is_absent(element, style):
                walker.skip_subtree()
                continue
            text = _flowing(element.text) if visible[-1] else ""
            pieces += ["" if element.tag in _INLINE else "\n", text]
        else:
            if event == "end":
                visible.pop()
            closes = event == "end" and element.tag not in _INLINE
            pieces += ["\n" if closes else "", _flowing(element.tail) if visible[-1] else ""]
    title = tree.find(".//title")
    lines = [title.text_content() if title is not None else "", *"".join(pieces).split("\n")]
    return "\n".join(line for line in map(_seen, lines) if line)


def _flowing(text: str | None) -> str:
    """Return a text with runs of white space as one space: line breaks of HTML have no meaning."""
    return re.sub(r"\s+", " ", text or "")


def _seen(line: str) -> str:
    """Return a line without invisible characters, each run of white space as one space."""
    return " ".join(_INVISIBLE.sub("", line).split())


def _style(element: Any) -> dict[str, str]:
    """Return what an element's own style says; of two values the last, or the important one."""
    found: dict[str, str] = {}
    important: dict[str, str] = {}
    for declaration in (element.get("style") or "").lower().split(";"):
        name, _, value = declaration.partition(":")
        value, mark, _ = value.partition("!")
        (important if mark else found)[name.strip()] = value.strip()
    return found | important


def _is_absent(element: Any, style: Mapping[str, str]) -> bool:
    """Say whether neither an element nor anything in it is shown."""
    return (
        element.tag in _UNSEEN
        or "hidden" in element.attrib
        or style.get("display") == "none"
        or style.get("content-visibility") == "hidden"
        or _NOTHING.fullmatch(style.get("opacity", "")) is not None
    )
