"""The section of a model card that says how often a run was scored on held-out documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import read_text, write_atomically
from .scorings import Scoring

_BEGIN, _END = "<!-- test set -->", "<!-- end of test set -->"
_SECTION = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)


def times(count: int) -> str:
    """Return how often something was done, in words.

    >>> times(1), times(3)
    ('once', '3 times')
    """
    return "once" if count == 1 else f"{count} times"


def described(scoring: Scoring) -> str:
    """Return in one line when a run was scored, on what, and why again."""
    line = (
        f"{scoring.date[:10] or 'at an unknown date'}, {scoring.name}: {scoring.score:.3f} "
        f"({scoring.low:.3f} to {scoring.high:.3f}, {scoring.documents} documents)"
    )
    return f"{line}, again: “{scoring.reason}”" if scoring.reason else line


def counted(scorings: Sequence[Scoring], seen: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how often a run was scored on its test documents, and what others had seen of them.

    Args:
        scorings: of the run, in order.
        seen: the entry ``test_seen`` of run.json.
    """
    own = sum(each.test > 0 for each in scorings)
    found = [f"Scored {times(own)} on its test set." if own else "Not scored on its test set yet."]
    if seen:
        runs = ", ".join(dict.fromkeys(str(each["run"]) for each in seen))
        found.append(
            f"Before it was trained, other runs had been scored {times(len(seen))} on documents of "
            f"its test set ({runs}): what was chosen since then may fit these documents."
        )
    return found


def scorings_section(scorings: Sequence[Scoring], seen: Sequence[Mapping[str, Any]]) -> str:
    """Return the section as Markdown; the arguments are those of ``counted``."""
    lines = [_BEGIN, "## Test set", ""]
    lines += [_plain(sentence) for sentence in counted(scorings, seen)]
    if scorings:
        lines += ["", "Scorings of documents that are neither trained on nor of validation:", ""]
        lines += [f"- {_plain(described(each))}" for each in scorings]
    return "\n".join([*lines, _END])


def update_card(folder: Path, section: str) -> None:
    """Write the section into the card of a model's folder, if it has a card.

    Raises:
        InputError: the card is no text.
        OutputError: it cannot be written.
    """
    card = folder / "README.md"
    if not card.is_file():
        return
    text = read_text(card)
    if _SECTION.search(text):
        text = _SECTION.sub(lambda _found: section, text, count=1)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    write_atomically(card, text)


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    line = "".join(each if each.isprintable() else "�" for each in text)
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", line)
