"""Read the text of a DOCX file (ECMA-376): headers, body with tables, notes, footers."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, iterparse

from ..errors import InputError
from .docx_hidden import Styles, Visibility, read_styles
from .limits import Limits, require_short
from .page_text import PagedText

_BODY = re.compile(r"word/document\d*\.xml")
"""The body; some servers number it."""

_PARTS = (r"word/header\d*\.xml", _BODY.pattern, r"word/(?:foot|end)notes\.xml",
          r"word/footer\d*\.xml")  # fmt: skip
"""Names of the parts that hold text, in the order in which they are read."""

_STYLES = "word/styles.xml"

_NO_TEXT = frozenset({"Fallback", "moveFrom", "del", "pPr", "rPr"})
"""Elements that describe text, or hold what is deleted or also in another element."""

_WRITTEN = {"tab": "\t", "br": "\n", "cr": "\n", "p": "\n", "noBreakHyphen": "-"}
"""What an element stands for, or a paragraph ends with."""

_SYMBOLS = (
    {char: char for char in " !#%&()+,./0123456789:;<=>?[]_{|}"}
    | dict(zip("\"$'*-@\\^~", "∀∃∋∗−≅∴⊥∼", strict=True))
    | dict(
        zip(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖαβχδεφγηιϕκλμνοπθρστυϖωξψζ",
            strict=True,
        )
    )
    | dict(
        zip(
            "\xa3\xa5\xac\xad\xae\xaf\xb0\xb1\xb3\xb4\xb7\xb9\xbb\xd6",
            "≤∞←↑→↓°±≥×•≠≈√",
            strict=True,
        )
    )
)
"""Characters of the font Symbol, in which word processors wrote Greek letters and signs.

Of ASCII, it has digits and most punctuation in their places, and signs of mathematics in others.
"""

_BROKEN = (zipfile.BadZipFile, zlib.error, ParseError, NotImplementedError, RuntimeError,
           EOFError, OSError, ValueError, LookupError)  # fmt: skip
"""What the readers of zip and XML raise where a file is broken."""


def read_docx(data: bytes, limits: Limits) -> PagedText:
    """Return the text of a DOCX file: a line a paragraph, and cells of a row with tabs between.

    Raises:
        InputError: it is broken, too large or without text; says so without the name of the file.
    """
    parts: list[str] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if not any(map(_BODY.fullmatch, names)):
                raise InputError("holds no text document (a table, slides?); save it as PDF")
            contents = _contents(archive, [*_text_parts(names), *({_STYLES} & {*names})], limits)
            styles = read_styles(contents.pop(_STYLES)) if _STYLES in contents else Styles()
            for content in contents.values():
                text = _text(content, styles)
                if text and text not in parts:  # first and other pages may have the same header
                    parts.append(text)
    except _BROKEN as error:
        raise InputError(f"the DOCX file cannot be read ({error}); is it whole?") from error
    if not parts:
        raise InputError("the DOCX file holds no text (pictures alone, or hidden text?)")
    text = "\n\n".join(parts)
    require_short(len(text), limits)
    return PagedText(text)


def _contents(archive: zipfile.ZipFile, names: list[str], limits: Limits) -> dict[str, bytes]:
    """Return parts by their names.

    Raises:
        InputError: they are too large, or one is no part that a word processor writes.
    """
    contents: dict[str, bytes] = {}
    left = limits.file_bytes
    for name in names:
        with archive.open(name) as stream:
            content = stream.read(left + 1)
        left -= len(content)
        if left < 0:
            raise InputError(f"unpacks to more than {limits.file_bytes >> 20} MiB; split it")
        if b"<!DOCTYPE" in content[:1024]:
            raise InputError("the DOCX file declares a DTD, which no word processor writes")
        contents[name] = content
    return contents


def _text_parts(names: list[str]) -> Iterator[str]:
    for pattern in _PARTS:
        yield from sorted(name for name in names if re.fullmatch(pattern, name))


def _text(content: bytes, styles: Styles) -> str:
    """Return the text of a part, without recursion: elements may be nested to any depth."""
    seen = Visibility(styles)
    pieces: list[str] = []
    cells: list[int] = []  # numbers of the first piece of the cells that are open
    unread = 0
    for event, element in iterparse(io.BytesIO(content), events=("start", "end")):
        name = element.tag.rpartition("}")[2]
        step = 1 if event == "start" else -1
        unread += step if name in _NO_TEXT else 0
        if event == "start":
            seen.begins(element)
            if name == "tc":
                cells.append(len(pieces))
            continue
        if name == "tc":
            cell = "".join(pieces[cells[-1] :]).strip("\n")
            pieces[cells.pop() :] = [cell, "\t"]
        elif name == "tr":
            pieces[-1:] = ["\n"]
        elif not unread and seen.is_shown(element):
            pieces.append(_written(name, element))
        seen.ends(element)
        element.clear()
    return "".join(pieces).strip("\n")


def _written(name: str, element: Element) -> str:
    """Return what an element stands for."""
    if name == "t":
        return element.text or ""
    if name != "sym":
        return _WRITTEN.get(name, "")
    values = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    code = re.fullmatch("(?i)(?:F0|00)([0-9A-F]{2})", values.get("char", ""))
    char = chr(int(code[1], 16)) if code and values.get("font") == "Symbol" else ""
    return _SYMBOLS.get(char, "\ufffd")
