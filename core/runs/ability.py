"""What a run's tuned model does beside its base on general tasks: ability.json, and the card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..files import write_json
from ..files.locks import locked
from .card import plain
from .file_schemas import ABILITY
from .folder import Run
from .reading import read_object

FILE = "ability.json"

_WAIT = 60.0
"""Seconds to wait for another measurement of the run to write its figures."""

_BEGIN, _END = "<!-- general ability -->", "<!-- end of general ability -->"

Measured = Mapping[str, Mapping[str, Any]]
"""Figures by task."""


def read_ability(run: Run) -> dict[str, dict[str, Any]]:
    """Return the figures of each task that was measured; {} where none was.

    Raises:
        RunError: ability.json cannot be read, or something in it is missing or wrong.
    """
    file = run.folder / FILE
    return dict(read_object(file, ABILITY)["tasks"]) if file.is_file() else {}


def write_ability(run: Run, measured: Measured) -> Measured:
    """Set the figures of some tasks in ability.json; return those of all tasks."""
    file = run.folder / FILE
    refusal = "another process writes what was measured; measure again when it has ended"
    with locked(file, refusal, wait=_WAIT):
        tasks: dict[str, Mapping[str, Any]] = {**read_ability(run), **measured}
        write_json(file, {"tasks": tasks})
    return tasks


def verdict(found: Mapping[str, Any]) -> str:
    """Say how much of a task was lost, by the bound that it was measured with; "" without one.

    >>> verdict({"max_loss": 0.02, "loss": 0.05, "lost": False})
    'more than 0.02, which may be chance'
    """
    bound = found["max_loss"]
    if bound is None:
        return ""
    if found["lost"]:
        return f"more than {bound:g} lost"
    return f"more than {bound:g}, which may be chance" if found["loss"] > bound else "within bound"


def named(figure: str, found: Mapping[str, Any]) -> str:
    """Return the name of a figure with an arrow: up where more of it is better, else down."""
    return f"{figure} {'↓' if found['lower_is_better'] else '↑'}"


def changed(found: Mapping[str, Any]) -> str:
    """Return tuned minus base with its interval."""
    interval = found["difference"]
    return f"{interval['value']:+.3f} ({interval['low']:+.3f} to {interval['high']:+.3f})"


def ability_section(measured: Measured) -> str:
    """Return the section of a model card as Markdown; "" where nothing was measured."""
    if not measured:
        return ""
    lines = [
        _BEGIN,
        "## General ability",
        "",
        "The base model and the tuned one on general tasks: ↑ more is better, ↓ less is.",
        "The difference is tuned minus base, with its 95 % interval by paired bootstrap.",
        "",
        "| task | documents | figure | base | tuned | difference | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in measured.items():
        cells = (
            plain(name),
            str(found["documents"]),
            named(plain(found["figure"]), found),
            f"{found['base']:.3f}",
            f"{found['tuned']:.3f}",
            changed(found),
            verdict(found),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, _END])
