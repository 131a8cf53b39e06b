"""The section of a model card that says how often a run was scored on held-out documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .card import plain
from .scorings import FILE, Scoring, times_scored

_BEGIN, _END = "<!-- test set -->", "<!-- end of test set -->"


def times(count: int) -> str:
    """Return how often something was done, in words.

    >>> times(1), times(3)
    ('once', '3 times')
    """
    return "once" if count == 1 else f"{count} times"


def described(scoring: Scoring) -> str:
    """Return in one line when a run was scored, on what, and why again."""
    changes = scoring.changes()
    line = (
        f"{scoring.date[:10] or 'at an unknown date'}, {scoring.name}: {scoring.score:.3f} "
        f"({scoring.low:.3f} to {scoring.high:.3f}, {scoring.documents} documents)"
        f"{changes and ', '}{changes}"
    )
    return f"{line}, again: “{scoring.reason}”" if scoring.reason else line


def counted(
    scorings: Sequence[Scoring], seen: Sequence[Mapping[str, Any]], *, is_damaged: bool = False
) -> list[str]:
    """Return how often a run was scored on its test documents, and what others had seen of them.

    Args:
        scorings: of the run, in order.
        seen: the entry ``test_seen`` of run.json.
        is_damaged: whether the run's file of scorings cannot be read, so that there may be more.
    """
    own = times_scored(scorings)
    if is_damaged:
        least = f"; metrics.json knows of {own}" if own else ""
        found = [
            f"How often it was scored on its test set is not known, because {FILE} is "
            f"damaged{least}."
        ]
    elif own:
        found = [f"Scored {times(own)} on its test set."]
    else:
        found = ["Not scored on its test set yet."]
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
    lines += [plain(sentence) for sentence in counted(scorings, seen)]
    if scorings:
        lines += ["", "Scorings of documents that are neither trained on nor of validation:", ""]
        lines += [f"- {plain(described(each))}" for each in scorings]
    return "\n".join([*lines, _END])
