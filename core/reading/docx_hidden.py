"""Which text of a DOCX file is hidden: by its own format, by a style, or with its drawing.

``vanish`` is a toggle (ECMA-376, 17.7.3): in styles of two kinds it cancels itself, and the format
of the text itself decides alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, iterparse

_OFF = frozenset({"0", "false", "off"})
_KINDS: Mapping[str, str] = {"tbl": "table", "p": "paragraph", "r": "character"}
"""Elements that have a format -> the kind of their styles."""

_HOLDERS: Mapping[tuple[str, ...], str] = {
    ("tbl", "tblPr"): "tbl",
    ("p", "pPr"): "p",
    ("pPr", "rPr"): "p",
    ("r", "rPr"): "r",
}
"""The two elements around a part of a format -> the element whose format it is."""

_STYLES = frozenset({"tblStyle", "pStyle", "rStyle"})
_INVISIBLE = re.compile(r"(?i)(?:^|;)\s*(?:visibility\s*:\s*hidden|display\s*:\s*none)\s*(?:;|$)")


@dataclass
class Styles:
    """What the styles of a file hide.

    Attributes:
        hidden: ids of styles that hide their text, by themselves or by the one they are based on.
        defaults: kind of styles -> id of the one for what names none.
        all_hidden: whether text is hidden that has no format.
    """

    hidden: set[str] = field(default_factory=set)
    defaults: dict[str, str] = field(default_factory=dict)
    all_hidden: bool = False

    def hide(self, named: Mapping[str, str]) -> bool:
        """Say whether text with these styles is hidden.

        Args:
            named: kind -> id, "" for the one that is meant where none is named.
        """
        found = (style or self.defaults.get(kind, "") for kind, style in named.items())
        return self.all_hidden or sum(style in self.hidden for style in found) % 2 == 1


def read_styles(content: bytes) -> Styles:
    """Return what the part ``word/styles.xml`` hides."""
    styles = Styles()
    own: dict[str, bool | None] = {}
    bases: dict[str, str] = {}
    for _event, element in iterparse(io.BytesIO(content)):
        name = _name(element)
        if name == "docDefaults":
            styles.all_hidden = bool(_vanish(element.find("{*}rPrDefault/{*}rPr/{*}vanish")))
        if name != "style":
            continue
        style = _attribute(element, "styleId")
        own[style] = _vanish(element.find("{*}rPr/{*}vanish"))
        if (base := element.find("{*}basedOn")) is not None:
            bases[style] = _attribute(base, "val")
        if _attribute(element, "default") not in {"", *_OFF}:
            styles.defaults[_attribute(element, "type")] = style
        element.clear()
    styles.hidden = {style for style in own if style and any(_inherited(style, own, bases))}
    return styles


def _inherited(
    style: str, own: Mapping[str, bool | None], bases: Mapping[str, str]
) -> Iterator[bool]:
    """Yield what a style says, or the nearest one that it is based on; nothing if none does."""
    seen = set()
    while style in own and style not in seen:
        seen.add(style)
        if (found := own[style]) is not None:
            yield found
            return
        style = bases.get(style, "")


@dataclass
class _Format:
    """Styles and ``vanish`` of an element; of a paragraph these are those of its mark."""

    style: str = ""
    character: str = ""
    vanish: bool | None = None


class Visibility:
    """Says of each place of a part, which is read element by element, whether it is shown."""

    def __init__(self, styles: Styles) -> None:
        """Begin before the first element."""
        self._styles = styles
        self._path: list[str] = []
        self._open: dict[str, list[_Format]] = {name: [] for name in _KINDS}
        self._hidden_from = 0  # depth of the element that is hidden as a whole; 0 if none is

    def begins(self, element: Element) -> None:
        """An element begins."""
        name = _name(element)
        self._path.append(name)
        if name in self._open:
            self._open[name].append(_Format())
        if not self._hidden_from:
            depth = len(self._path)
            if name == "docPr" and _attribute(element, "hidden") not in {"", *_OFF}:
                self._hidden_from = depth - 1
            elif _INVISIBLE.search(element.get("style", "")):
                self._hidden_from = depth
        holder = _HOLDERS.get(tuple(self._path[-3:-1]))
        if holder and self._open[holder]:
            self._note(name, element, self._open[holder][-1], is_mark=holder == "p")

    def _note(self, name: str, element: Element, its: _Format, *, is_mark: bool) -> None:
        """Keep a part of a format."""
        if name == "rStyle":
            its.character = _attribute(element, "val")
        elif name in _STYLES:
            its.style = _attribute(element, "val")
        elif name == "vanish" or (name == "specVanish" and is_mark):
            its.vanish = _vanish(element)

    def ends(self, element: Element) -> None:
        """An element ends, of which this was asked before."""
        if self._hidden_from == len(self._path):
            self._hidden_from = 0
        name = _name(element)
        self._path.pop()
        if name in self._open:
            self._open[name].pop()

    def is_shown(self, element: Element) -> bool:
        """Say whether what an element stands for is shown, at its end."""
        if self._hidden_from:
            return False
        its = self._now("p" if _name(element) == "p" else "r")
        if its.vanish is not None:
            return not its.vanish
        named = {"paragraph": self._now("p").style, "character": its.character}
        if self._open["tbl"]:
            named["table"] = self._now("tbl").style
        return not self._styles.hide(named)

    def _now(self, name: str) -> _Format:
        return self._open[name][-1] if self._open[name] else _Format()


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _attribute(element: Element, name: str) -> str:
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value
    return ""


def _vanish(element: Element | None) -> bool | None:
    return None if element is None else _attribute(element, "val").lower() not in _OFF
