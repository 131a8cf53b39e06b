"""Sections of a model card that are written again as a run is measured."""

from __future__ import annotations

import re
from pathlib import Path

from ..files import read_text, write_atomically


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    line = "".join(each if each.isprintable() else "�" for each in text)
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", line)


def update_card(folder: Path, section: str) -> None:
    """Write a section into the card of a model's folder, if it has a card.

    Args:
        folder: of the model.
        section: its first and its last line are comments that tell it from others.

    Raises:
        InputError: the card is no text.
        OutputError: it cannot be written.
    """
    card = folder / "README.md"
    if not card.is_file():
        return
    text, lines = read_text(card), section.splitlines()
    earlier = re.compile(f"{re.escape(lines[0])}.*?{re.escape(lines[-1])}", re.DOTALL)
    if earlier.search(text):
        text = earlier.sub(lambda _found: section, text, count=1)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    write_atomically(card, text)
