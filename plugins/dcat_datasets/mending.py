"""Repair the answer of a language model: parse it to a list of datasets and count the repairs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

Dataset = dict[str, Any]
"""An item of the record's list ``datasets``, valid against the schema."""

KEYS = (
    "dcterms:title", "dcterms:creator", "dcterms:issued", "dcterms:language", "dcterms:identifier",
    "dcterms:hasVersion", "dcterms:format", "dcat:landingPage", "dcat:theme", "dcat:keyword",
    "mls:task", "dcterms:description",
)  # fmt: skip
LISTS = frozenset(["dcterms:creator", "dcat:theme", "dcat:keyword", "mls:task"])

_DEEPEST = 32
_BRACKETS = ("[", "{")
_THINKING = re.compile(r"\A.*</think>", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_OPENING = re.compile(r"^[ \t]*(?=[\[{])", re.MULTILINE)


def _plain(name: str) -> str:
    """Return the local name of a key without case, punctuation and a plural's s."""
    local = re.split(r"[:/#]", name)[-1]
    return "".join(filter(str.isalnum, local.casefold())).removesuffix("s")


_KEYS = {_plain(key): key for key in KEYS}


class UnreadableError(ValueError):
    """An answer that contains no complete list of datasets; the message says why."""


def datasets(answer: str) -> tuple[list[Dataset], Counter[str]]:
    """Parse the answer of a model, or a file of gold.

    Args:
        answer: JSON, which other text or a code fence may surround.

    Returns:
        The datasets, and how often each kind of repair was made.

    Raises:
        UnreadableError: no JSON, broken or truncated JSON, or JSON that is not a list of datasets.
            A truncated answer is never read in part.
    """
    repairs: Counter[str] = Counter()
    items = _items(_json(answer, repairs), repairs)
    read = [item for each in items for item in _dataset(each, repairs)]
    return read, +repairs  # unary plus drops counts of 0


def dataset(given: Dataset) -> Dataset:
    """Return a dataset that is valid against the schema, from values as a source writes them."""
    (only,) = _dataset(given, Counter())
    return only


def repaired(items: object) -> list[Dataset]:
    """Return the items of a list that are datasets, valid against the schema."""
    listed = items if isinstance(items, list) else []
    return [dataset for item in listed for dataset in _dataset(item, Counter())]


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, for ``json.loads``.

    Raises:
        UnreadableError: it has a key twice with different values.
    """
    found = dict(pairs)
    for key, value in pairs:
        if found[key] != value:
            raise UnreadableError(f"the key {key!r:.40} is given twice; keep one")
    return found


def parse_json(answer: str) -> Any:
    """Return the JSON value of an answer.

    Raises:
        UnreadableError: there is no JSON, or it is broken or truncated.
    """
    return _json(answer, Counter())


def summary(repairs: Counter[str]) -> str:
    """Return the counts on one line, sorted by name: ``code fence 1, list for a string 2``."""
    return ", ".join(f"{kind} {count}" for kind, count in sorted(repairs.items()))


def _json(answer: str, repairs: Counter[str]) -> Any:
    text = answer.removeprefix("\ufeff").strip()
    if not text.startswith(_BRACKETS) and (thought := _THINKING.match(text)):
        repairs["thinking before the JSON"] += 1
        text = text[thought.end() :].strip()
    if text.startswith("<think>"):
        raise UnreadableError("cut off before the JSON: the thinking has no end")
    if not text.startswith(_BRACKETS):
        if fenced := _FENCE.search(text):
            repairs["code fence"] += 1
            text = fenced[1].strip()
        elif opening := _OPENING.search(text):
            repairs["text around the JSON"] += 1
            text = text[opening.end() :]

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = unique_keys(pairs)
        repairs["a key twice"] += len(pairs) - len(found)
        return found

    try:
        value, end = json.JSONDecoder(object_pairs_hook=unique).raw_decode(text)
    except RecursionError:
        raise UnreadableError("nested too deep") from None
    except UnreadableError:
        raise
    except ValueError as error:
        reason = str(error) if text else "empty"
        raise UnreadableError(f"no JSON, or cut off: {reason}") from None
    repairs["text after the JSON"] += bool(text[end:].strip())
    return value


def _items(value: Any, repairs: Counter[str]) -> list[Any]:
    if isinstance(value, dict) and list(value) == ["datasets"]:
        value = value["datasets"]
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise UnreadableError(f"a list of datasets is wanted, not {type(value).__name__}")
    if any(_plain(key) in _KEYS for key in value):
        repairs["one object for a list"] += 1
        return [value]
    lists = [inner for inner in value.values() if isinstance(inner, list)]
    if len(lists) == len(value) == 1 and all(isinstance(item, dict) for item in lists[0]):
        repairs["a list inside an object"] += 1
        return lists[0]
    raise UnreadableError("a list of datasets is wanted; none of the object's keys is known")


def _dataset(item: Any, repairs: Counter[str]) -> Iterator[Dataset]:
    """Yield the dataset of a list item; nothing if the item is not a dataset."""
    if isinstance(item, str) and item.strip():
        repairs["a title for an object"] += 1
        item = {"dcterms:title": item}
    if not isinstance(item, dict):
        repairs["an item that is no object"] += 1
        return
    given = {key: value for key, value in item.items() if key in KEYS}
    for name, value in item.items():
        key = _KEYS.get(_plain(name))
        if key == name:
            continue
        if key is None or key in given:
            repairs["an unknown key"] += 1
        else:
            repairs["a wrong key"] += 1
            given[key] = value
    if not given:
        repairs["an object without known keys"] += 1
        return
    repairs["a missing key"] += len(_KEYS) - len(given)
    given.setdefault("dcterms:title", None)  # the only key that the schema requires
    yield {
        key: (_list if key in LISTS else _scalar)(given[key], repairs)
        for key in KEYS
        if key in given
    }


def _scalar(value: Any, repairs: Counter[str]) -> str | None:
    if isinstance(value, list | dict):
        repairs[f"{_KIND[type(value)]} for a string"] += 1
    elif not isinstance(value, str | None):
        repairs["a number for a string"] += 1
    return ", ".join(_texts(value)) or None


def _list(value: Any, repairs: Counter[str]) -> list[str]:
    if not isinstance(value, list):
        repairs[f"{_KIND.get(type(value), 'a number')} for a list"] += 1
    elif not all(isinstance(item, str) for item in value):
        repairs["an item that is no string"] += 1
    return list(_texts(value))


_KIND = {list: "a list", dict: "an object", str: "a string", type(None): "null"}


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the strings and numbers inside a value, trimmed, without blank ones and null."""
    if isinstance(value, dict):
        value = [inner for key, inner in value.items() if not key.startswith("@type")]
    if isinstance(value, list):
        for inner in value if depth < _DEEPEST else ():
            yield from _texts(inner, depth + 1)
    elif value is not None and (text := _whole(str(value)).strip()):
        yield text


def _whole(text: str) -> str:
    """Return a text that can be encoded as UTF-8: JSON can escape half a surrogate pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
