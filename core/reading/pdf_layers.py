"""Layers of a PDF (optional content; ISO 32000, 8.11), and which of them are off."""

from __future__ import annotations

from typing import Any

from .pdf_values import entry, list_of, name_of

_DEEPEST = 32
"""Expressions in expressions that are looked at."""


class Layers:
    """Says what is shown as a file is opened."""

    def __init__(self, catalog: Any) -> None:
        """Read the state of each layer.

        Args:
            catalog: the root of the file.
        """
        properties = entry(catalog, "OCProperties")
        config = entry(properties, "D")
        base = name_of(entry(config, "BaseState")) != "OFF"
        # A layer is known by the number of its object.
        self._is_on: dict[int, bool] = dict.fromkeys(_numbers(entry(properties, "OCGs")), base)
        for key, is_on in (("ON", True), ("OFF", False)):
            self._is_on |= dict.fromkeys(_numbers(entry(config, key)), is_on)
        for usage in list_of(entry(config, "AS")):
            self._apply(usage)

    def _apply(self, usage: Any) -> None:
        """Apply what layers say of their own use, as viewers do (8.11.4.4)."""
        from pdfminer.pdftypes import resolve1

        usage = resolve1(usage)
        if name_of(entry(usage, "Event")) != "View":
            return
        for group in list_of(entry(usage, "OCGs")):
            state = name_of(entry(entry(entry(resolve1(group), "Usage"), "View"), "ViewState"))
            if state and (number := getattr(group, "objid", None)) is not None:
                self._is_on[number] = state != "OFF"

    def is_off(self, content: Any) -> bool:
        """Say whether content is not shown.

        Args:
            content: what it has as ``/OC``: a layer, or how several decide; None if it has none.
        """
        from pdfminer.pdftypes import resolve1

        number = getattr(content, "objid", None)
        if number in self._is_on:
            return not self._is_on[number]
        membership = resolve1(content)
        if name_of(entry(membership, "Type")) != "OCMD":
            return False
        if expression := list_of(entry(membership, "VE")):
            return not self._holds(expression, _DEEPEST)
        given = membership.get("OCGs")
        groups = list_of(given) or [given]
        states = [self._is_on[each] for each in _numbers(groups) if each in self._is_on]
        policy = name_of(entry(membership, "P"))
        is_met = {"AllOn": all(states), "AnyOff": not all(states), "AllOff": not any(states)}
        return bool(states) and not is_met.get(policy, any(states))

    def _holds(self, expression: Any, deepest: int) -> bool:
        """Say whether a visibility expression is true; what is broken in it is."""
        from pdfminer.pdftypes import resolve1

        number = getattr(expression, "objid", None)
        if number in self._is_on:
            return self._is_on[number]
        parts = [resolve1(expression)] if not deepest else list_of(expression)
        if len(parts) < 2:
            return True
        found = [self._holds(each, deepest - 1) for each in parts[1:]]
        operator = name_of(resolve1(parts[0]))
        return any(found) if operator == "Or" else not found[0] if operator == "Not" else all(found)


def _numbers(groups: Any) -> list[int]:
    found = (getattr(each, "objid", None) for each in list_of(groups))
    return [each for each in found if each is not None]
