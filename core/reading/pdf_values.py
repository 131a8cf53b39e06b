"""Values of a PDF's objects, whatever a broken file holds in their place."""

from __future__ import annotations

from typing import Any

_UTF = {b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le", b"\xef\xbb\xbf": "utf-8"}


def entry(holder: Any, key: str) -> Any:
    """Return what a dictionary has for a key, and None if it is none."""
    from pdfminer.pdftypes import resolve1

    return resolve1(holder.get(key)) if isinstance(holder, dict) else None


def name_of(value: Any) -> str:
    """Return the text of a name, and "" of what is none."""
    name = getattr(value, "name", "")
    return name if isinstance(name, str) else ""


def list_of(value: Any) -> list[Any]:
    """Return a list, and an empty one for what is none."""
    from pdfminer.pdftypes import resolve1

    found = resolve1(value)
    return found if isinstance(found, list) else []


def text_of(value: Any) -> str:
    """Return the text of a string (ISO 32000, 7.9.2), of a stream, or of a list of strings."""
    from pdfminer.pdftypes import PDFStream, resolve1
    from pdfminer.utils import decode_text

    value = resolve1(value)
    if isinstance(value, list):
        return "\n".join(text_of(each) for each in value if not isinstance(each, list))
    if isinstance(value, PDFStream):
        value = value.get_data()
    if not isinstance(value, bytes):
        return ""
    for mark, encoding in _UTF.items():
        if value.startswith(mark):
            return value[len(mark) :].decode(encoding, "ignore")
    return decode_text(value)
