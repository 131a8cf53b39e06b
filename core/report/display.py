"""Values of records as a reader sees them."""

from __future__ import annotations

import unicodedata
from typing import Any

from ..data import Record
from ..schema.pointers import leaves, parse_pointer


def shown(record: Record, pointer: str) -> str:
    """Return the value at a JSON Pointer in words: of an object, its filled leaves by name.

    >>> shown({"lines": [{"item": "salt", "price": 2}]}, "/lines/0")
    'item: salt; price: 2'
    """
    value: Any = record
    for part in parse_pointer(pointer):
        value = value[int(part)] if isinstance(value, list) else value[part]
    if not isinstance(value, dict):
        return _word(value)
    filled = ((inner, leaf) for inner, leaf in leaves(value) if leaf is not None)
    return "; ".join(f"{inner.removeprefix('/')}: {_word(leaf)}" for inner, leaf in filled)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def visible(text: str) -> str:
    """Return a text with every character that a page cannot hold as one that stands for it.

    Control characters but tab and line feed become their pictures (U+2400 and on), half a
    surrogate pair the replacement character. Offsets stay as they are.

    >>> visible("a\\x00b")
    'a␀b'
    """
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20 and character not in "\t\n":
        return chr(0x2400 + code)
    return (
        "\ufffd" if unicodedata.category(character) in ("Cc", "Cs") and code >= 0x7F else character
    )
