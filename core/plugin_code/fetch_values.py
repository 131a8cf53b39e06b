"""Check what a plugin's hook ``extract_fetch`` and the functions of its sources give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..fetch_source import OPTIONS, FetchItem, FetchSource
from .calls import WrongValueError
from .values import plain, shown

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_ENDING = re.compile(r"(\.[a-z0-9]{1,10}){1,2}")
_LONGEST = 4000
"""Most characters of an id or an address."""


def checked_sources(sources: object) -> dict[str, FetchSource]:
    """Return the sources of a plugin by name.

    Raises:
        WrongValueError: it is no dict of names to sources, or a source has a wrong value.
    """
    if sources is None:
        return {}
    wanted = "a dict of names to fieldsmith.FetchSource"
    if not isinstance(sources, Mapping):
        raise WrongValueError(f"returned {shown(sources)}; it has to be {wanted}")
    made = {}
    for name, source in sources.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            what = "small letters, digits, _ and -, a letter first"
            raise WrongValueError(f"returned a source with the name {shown(name)}; it is {what}")
        if not isinstance(source, FetchSource):
            raise WrongValueError(f"returned {shown({name: source})}; it has to be {wanted}")
        if fault := _fault_of(source):
            raise WrongValueError(f"returned the source {name!r} with {fault}")
        made[str.__str__(name)] = replace(source, options=tuple(source.options))
    return made


def _fault_of(source: FetchSource) -> str:
    """Return what is wrong with the values of a source; "" if nothing is."""
    for name in ("about", "service"):
        if not isinstance(getattr(source, name), str):
            return f"a value of {name!r} that is no text"
    for name in ("items", "content"):
        if not callable(getattr(source, name)):
            return f"a value of {name!r} that is no function"
    options: object = source.options
    if not isinstance(options, Sequence) or not all(each in OPTIONS for each in options):
        return f"options that are not among {', '.join(OPTIONS)}"
    if not _is_number(source.delay) or not 0 <= source.delay <= 60:
        return "a delay that is not between 0 and 60 seconds"
    if not _is_number(source.largest) or not 0 < source.largest <= 1 << 31:
        return "a size limit that is not between 1 byte and 2 GiB"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def checked_item(item: object) -> FetchItem:
    """Return a document that a source lists, in plain types.

    Raises:
        WrongValueError: it is no FetchItem, or a part of it is of another type.
    """
    if not isinstance(item, FetchItem):
        raise WrongValueError(f"yielded {shown(item)}; it has to be fieldsmith.FetchItem")
    total: object = item.total
    if total is not None and (not isinstance(total, int) or isinstance(total, bool) or total < 0):
        raise WrongValueError(f"yielded an item whose total is {shown(total)}; give a number")
    label: object = item.label
    if label is not None and not isinstance(label, Mapping):
        raise WrongValueError(f"yielded an item whose label is {shown(label)}; give a dict or None")
    try:
        row = None if label is None else plain(label)
    except ValueError as error:
        raise WrongValueError(f"yielded an item whose label is not JSON: {error}") from None
    return FetchItem(_text(item.id, "id"), _files(item.files), row, total)


def _files(files: object) -> dict[str, str]:
    if not isinstance(files, Mapping) or not 0 < len(files) <= 8:
        raise WrongValueError(f"yielded an item whose files are {shown(files)}; give one to eight")
    made = {}
    for ending, address in files.items():
        if not isinstance(ending, str) or not _ENDING.fullmatch(ending):
            what = f"the ending {shown(ending)}; an ending is as '.pdf' or '.html.gz'"
            raise WrongValueError(f"yielded an item with a file of {what}")
        made[str.__str__(ending)] = _text(address, "address", may_be_empty=True)
    return made


def _text(value: object, what: str, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or not (value or may_be_empty):
        raise WrongValueError(f"yielded an item whose {what} is {shown(value)}; give a short text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WrongValueError(f"yielded an item whose {what} has half a surrogate pair") from None
    return str.__str__(value)


def checked_content(content: object) -> bytes:
    """Return what a file is to hold.

    Raises:
        WrongValueError: it is no bytes.
    """
    if not isinstance(content, bytes):
        raise WrongValueError(f"returned {shown(content)}; it has to be bytes")
    return bytes(content)
