"""Read the JSON-LD of HTML pages as sites write it, which is often not quite JSON.

A script may wrap its JSON in an HTML comment or CDATA, hold several values one after another, or
have it escaped as HTML. Objects may be in a graph and refer to each other by ``@id``.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

Object = dict[str, Any]

_WRAPPER = re.compile(
    r"\A(?:\s*(?://|/\*)?\s*(?:<!--|<!\[CDATA\[)\s*(?:\*/)?)+"
    r"|(?:\s*(?://|/\*)?\s*(?:-->|\]\]>)\s*(?:\*/)?\s*;?)+\s*\Z"
)
_TRAILING = re.compile(r",(\s*[}\]])")
_BETWEEN = re.compile(r"[\s,;\ufeff]*")
_PREFIX = re.compile(r"\A(?:schema:|https?://schema\.org/)")
_ALIASES = {"id": "@id", "type": "@type", "graph": "@graph"}


def objects(tree: Any) -> list[Object]:
    """Return the objects of a page's JSON-LD, and those in a graph or a list of it.

    Each reference to an object by ``@id`` is replaced by that object's keys. A script that is not
    JSON is left out: other metadata may have its values.

    Args:
        tree: the root element (lxml).
    """
    values = [
        value
        for script in tree.iter("script")
        if "ld+json" in (script.get("type") or "").lower()
        for value in _values(script.text or "")
    ]
    known: dict[str, Object] = {}
    for one in _inside(values):
        name = one.get("@id")
        if isinstance(name, str) and len(one) > 1:
            known[name] = {**one, **known.get(name, {})}
    return [_linked(one, known) for one in _listed_objects(values)]


def _values(text: str) -> Iterator[Any]:
    """Yield the JSON values of a script, up to the first that is broken."""
    whole = _WRAPPER.sub("", text)
    decoder = json.JSONDecoder(object_pairs_hook=_object, strict=False)
    for form in (whole, unescape(whole), _TRAILING.sub(r"\1", whole)):
        at, found = _start(form, 0), False
        while at < len(form):
            try:
                value, at = decoder.raw_decode(form, at)
            except (ValueError, RecursionError):
                break
            found = True
            yield value
            at = _start(form, at)
        if found:
            return


def _start(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """Return an object with short keys, without a key that is given twice with unequal values.

    An object that only wraps a list is that list.
    """
    found: Object = {}
    torn: set[str] = set()
    for name, value in pairs:
        key = _PREFIX.sub("", name)
        key = _ALIASES.get(key, key)
        if key in found and found[key] != value:
            torn.add(key)
        found[key] = value
    for key in ("@list", "@set"):
        if list(found) == [key]:
            return found[key]
    return {key: value for key, value in found.items() if key not in torn}


def _listed_objects(values: list[Any]) -> Iterator[Object]:
    """Yield the objects of values, of lists, of graphs, and what pages are about, in order."""
    waiting = deque(values)
    while waiting:
        value = waiting.popleft()
        if isinstance(value, list):
            waiting.extendleft(reversed(value))
        elif isinstance(value, dict):
            yield value
            waiting.extendleft((value.get("mainEntity"), value.get("@graph")))


def _inside(values: list[Any]) -> Iterator[Object]:
    """Yield all objects inside of values, however deep."""
    waiting = deque(values)
    while waiting:
        value = waiting.popleft()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _linked(one: Object, known: Mapping[str, Object]) -> Object:
    """Return an object with the persons and organisations that it refers to by their ids."""

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(item) for item in value if not isinstance(item, list)]
        name = value.get("@id") if isinstance(value, dict) else value
        reference = known.get(name, {}) if isinstance(name, str) else {}
        if isinstance(value, dict):
            return {**reference, **value}
        return reference or value

    found = whole(one)
    for key in ("author", "creator", "publisher"):
        if key in found:
            items = whole(found[key])
            found[key] = [
                {**item, "address": whole(item["address"])}
                if isinstance(item, dict) and "address" in item
                else item
                for item in (items if isinstance(items, list) else [items])
            ]
    return found  # type: ignore[no-any-return]
