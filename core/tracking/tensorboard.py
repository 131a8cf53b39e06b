"""TensorBoard: event files in the run folder, written anew each time the run is opened."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from .tracker import Held, RunDescription, Table

FOLDER = "tensorboard"
"""Where the event files of a run are, below its folder."""


class TensorBoard:
    """Writes event files."""

    def __init__(self, run: RunDescription) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.folder / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        # A TensorBoard that is running forgets what it has read of the files before.
        self._writer = SummaryWriter(str(folder), purge_step=0)
        self._held = Held()
        rows = [(name, json.dumps(value)) for name, value in run.settings.items()]
        self._write_table(0, Table("settings", ("setting", "value"), rows))

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Write the numbers of a step, each under a tag of its name."""
        self._write(step, self._held.later(step, numbers))

    def score(self, step: int, scores: Mapping[str, float]) -> None:
        """Write scores in the same way."""
        self._write(step, self._held.changed(step, scores))

    def add_table(self, step: int, table: Table) -> None:
        """Write the table as text."""
        self._write_table(step, table)

    def add_file(self, file: Path) -> None:
        """Write where the file is: event files hold none."""
        self._writer.add_text(f"file/{file.name}", html.escape(f"{file.name}, in the run folder"))

    def finish(self, *, failed: bool) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step, new_style=True, double_precision=True)
        self._writer.flush()

    def _write_table(self, step: int, table: Table) -> None:
        lines = [table.columns, ["---"] * len(table.columns), *table.rows]
        self._writer.add_text(table.name, "\n".join(map(_as_markdown, lines)), step)


def _as_markdown(cells: Sequence[str]) -> str:
    shown = (html.escape(" ".join(cell.split()), quote=False) for cell in cells)
    return "| " + " | ".join(cell.replace("|", "&#124;") for cell in shown) + " |"
