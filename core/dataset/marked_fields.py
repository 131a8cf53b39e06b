"""The fields of a schema whose values annotation tools can mark in a text, and what they call them.

A tool marks spans of a text with labels, and some link two spans. So a text, a list of texts and a
list of objects with one text can be marked, and objects with two texts can be linked. What is
inferred from the document, and not copied, cannot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..data import Schema
from ..plugins import Plugin
from ..schema.navigation import resolve, types_of

_PLAIN = {"string", "null"}


class MarkedField(NamedTuple):
    """A field that can be marked.

    Attributes:
        name: of the field.
        label: what tools call it, in which no name has blanks.
        is_list: whether it has several values.
        keys: of its values that are objects: one, or the two that are linked; () for texts.
        labels: what the spans of the two are called where they are no values of another field.
    """

    name: str
    label: str
    is_list: bool
    keys: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def is_link(self) -> bool:
        """Whether its values are links of two spans."""
        return len(self.keys) == 2


def marked_fields(schema: Schema) -> dict[str, MarkedField]:
    """Return the fields that can be marked, by name, in the order of the schema."""
    found: dict[str, MarkedField] = {}
    taken: set[str] = set()
    for name, part in schema.get("properties", {}).items():
        part = resolve(part, schema)
        is_list = "array" in types_of(part)
        value = resolve(part.get("items", {}), schema) if is_list else part
        keys = _keys(value, schema) if is_list else None
        if keys is not None:
            label = _label(name, taken)
            labels = tuple(_label(f"{name}_{key}", taken) for key in keys) if keys[1:] else ()
            found[name] = MarkedField(name, label, is_list, keys, labels)
        elif _is_text(value):
            found[name] = MarkedField(name, _label(name, taken), is_list)
    return found


def field_of_label(
    label: object,
    marked: Mapping[str, MarkedField],
    plugin: Plugin,
    *,
    is_link: bool = False,
) -> str | None:
    """Return the field that a label stands for; None if it stands for none.

    It does if the plugin's ``names`` say so, if it is what an export calls the field, or if their
    names are equal but for case, marks and a final "s".

    Args:
        label: as the tool writes it.
        marked: the fields of the plugin's schema that can be marked.
        plugin: has the schema and the names.
        is_link: whether it is the label of a link.
    """
    if not isinstance(label, str):
        return None
    fields = [
        name
        for name in plugin.schema.get("properties", {})
        if (name in marked and marked[name].is_link) == is_link
    ]
    if label in plugin.names:
        return plugin.names[label] if plugin.names[label] in fields else None
    by_label = {marked[name].label: name for name in fields if name in marked}
    return by_label.get(label) or next(
        (name for name in fields if stem(name) and stem(name) == stem(label)), None
    )


def stem(name: str) -> str:
    """Return a name without case, marks and a final "s".

    >>> stem("Side_Effects")
    'side effect'
    """
    return re.sub(r"[\W_]+", " ", name.casefold()).strip().removesuffix("s")


def _keys(value: Mapping[str, Any], schema: Schema) -> tuple[str, ...] | None:
    """Return the keys of an object with one or two texts; None for any other value."""
    properties = value.get("properties", {})
    texts = [key for key, part in properties.items() if _is_text(resolve(part, schema))]
    return tuple(texts) if 1 <= len(texts) == len(properties) <= 2 else None


def _is_text(part: Mapping[str, Any]) -> bool:
    types = set(types_of(part))
    return "string" in types and types <= _PLAIN and part.get("x-source") != "inferred"


def _label(name: str, taken: set[str]) -> str:
    """Return a name as tools can have it, and note that it is taken."""
    plain = label = re.sub(r"[^\w-]", "_", name)
    number = 1
    while label in taken:
        number += 1
        label = f"{plain}_{number}"
    taken.add(label)
    return label
