"""The curve of the training loss: each point is a mean over equally many tokens."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def training_losses(log: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Return the training loss by step, each the mean over as many answer tokens.

    An epoch ends with a logged line of its own, often of a single small batch, whose loss alone
    says little. So each point goes back from its line over as many tokens as a line usually has,
    and takes of the earliest line as much as is needed. The first points may have fewer.

    Args:
        log: lines of log.jsonl. Without ``loss_tokens``, as in older runs, losses stay as logged.
    """
    lines = [
        (line["step"], line["loss"], line.get("loss_tokens") or 0)
        for line in log
        if line.get("loss") is not None
    ]
    if not lines or not all(tokens for _step, _loss, tokens in lines):
        return [(step, loss) for step, loss, _tokens in lines]
    usual = statistics.median_high(tokens for _step, _loss, tokens in lines)
    points = []
    for last, (step, _loss, _tokens) in enumerate(lines):
        total, room = 0.0, usual
        for _step, loss, tokens in reversed(lines[: last + 1]):
            taken = min(tokens, room)
            total, room = total + loss * taken, room - taken
            if not room:
                break
        points.append((step, total / (usual - room)))
    return points
