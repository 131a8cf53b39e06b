"""Layout of synthetic pages: blocks of text, and the facts that they contain."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from .tokenizer import sentences
from .values import Maker


@dataclass(frozen=True)
class Fact:
    """A fact of a page: names for its field, and its value.

    Attributes:
        names: possible names of the field, separated by spaces.
        value: None or an empty list if the page does not have it.
        shape: None for a string, a list with one shape for a list, a dictionary for an object.
        often: weight with which it is asked for, relative to the page's other facts.
    """

    names: str
    value: Any
    shape: Any = None
    often: float = 1.0


@dataclass
class Page:
    """A page that is being laid out: its text so far, and what may be asked about it."""

    blocks: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    between: str = "\n"

    def fact(self, names: str, value: Any, shape: Any = None, often: float = 1.0) -> None:
        """Something that the page holds, or that it does not hold."""
        self.facts.append(Fact(names, value, shape, often))

    @property
    def text(self) -> str:
        """The blocks that are not empty."""
        return self.between.join(block for block in self.blocks if block)

    @property
    def size(self) -> int:
        """Characters so far, nearly."""
        return sum(len(block) + 1 for block in self.blocks)


def wrapped(text: str, width: int, hyphens: Random | None = None) -> str:
    """The text in lines of at most `width` characters, where its words allow; 0 leaves it whole.

    hyphens: cuts long words at a line's end, at places drawn from it.
    """
    if not width:
        return text
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        room = width - len(line) - 1
        if line and len(word) > room:
            if hyphens and 5 <= room < len(word) - 2 and word.isalpha() and len(word) >= 7:
                at = hyphens.randint(3, min(room - 1, len(word) - 3))
                lines.append(f"{line} {word[:at]}-")
                line = word[at:]
            else:
                lines.append(line)
                line = word
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\n".join(lines)


def up_to(text: str, room: int) -> str:
    """The first sentences of a text in so many characters, one sentence at least."""
    kept = ""
    for part in sentences(text):
        if kept and len(kept) + len(part) > room:
            break
        kept = f"{kept} {part}" if kept else part
    return kept


def cased(m: Maker, title: str) -> str:
    """A title as it is, in capitals or with a capital at each word."""
    luck = m.random.random()
    return title.upper() if luck < 0.12 else title.title() if luck < 0.2 else title
