"""Show values and texts of documents to a reader."""

from __future__ import annotations

import unicodedata

from ..data import Record
from ..schema.pointers import leaves, value_at


def shown(record: Record, pointer: str) -> str:
    """Return the value at a JSON Pointer as text; of an object, its filled leaves by name.

    >>> shown({"lines": [{"item": "salt", "price": 2}]}, "/lines/0")
    'item: salt; price: 2'
    """
    value = value_at(pointer, record)
    if not isinstance(value, dict):
        return _word(value)
    filled = ((inner, leaf) for inner, leaf in leaves(value) if leaf is not None)
    return "; ".join(f"{inner.removeprefix('/')}: {_word(leaf)}" for inner, leaf in filled)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def visible(text: str) -> str:
    """Replace every character that an HTML page cannot contain; offsets stay the same.

    Control characters but tab and line feed become their pictures (U+2400 and on), half a
    surrogate pair becomes the replacement character.

    >>> visible("a\\x00b")
    'a␀b'
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20 and character not in "\t\n":
        return chr(0x2400 + code)
    is_broken = code >= 0x7F and unicodedata.category(character) in ("Cc", "Cs")
    return "\ufffd" if is_broken else character
