"""trackio: its database on this machine, or the Space that TRACKIO_SPACE_ID names."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..progress import say
from .tracker import PROJECT, Held, RunDescription, Table

_LOST = "could not be persisted"
"""What trackio says of entries that it does not keep, in a warning."""

_GOES_ON = " User code will continue, but this batch could not be persisted."


class Trackio:
    """Writes a run of trackio, whose name ends in the id of ours."""

    def __init__(self, run: RunDescription) -> None:
        with _silence():
            import trackio

            begin: Any = trackio.init
            self._run = begin(
                project=_project(),
                name=f"{run.name}-{run.id}",
                config=dict(run.settings),
                resume="allow",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )
        self._warnings: list[str] = []
        if hasattr(self._run, "_warn_once"):  # its threads warn, and go on
            self._run._warn_once = lambda _key, message: self._warnings.append(message)
        self._tables: dict[str, Any] = {}
        if os.environ.get("TRACKIO_SPACE_ID") or os.environ.get("TRACKIO_SERVER_URL"):
            last = getattr(self._run, "_initial_last_step", None)
            self._held = Held(last=-1 if last is None else int(last))
        else:
            self._held, self._tables = _stored(self._run)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add the numbers of a step that is not there yet."""
        self._write(step, self._held.later(step, numbers))

    def score(self, step: int, scores: Mapping[str, float]) -> None:
        """Add scores that are not there yet."""
        self._write(step, self._held.changed(step, scores))

    def add_table(self, step: int, table: Table) -> None:
        """Add the table if it is not there yet."""
        import trackio

        rows: list[Any] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        if self._tables.get(table.name) != rows:
            self._tables[table.name] = rows
            self._write(step, {table.name: trackio.Table(data=rows)})

    def add_file(self, file: Path) -> None:
        """Add the file as an artefact."""
        import trackio

        artifact = trackio.Artifact(f"{file.stem}-{self._run.name}", type="report")
        artifact.add_file(str(file))
        with _silence():
            self._run.log_artifact(artifact)

    def finish(self, *, failed: bool) -> None:
        """Wait until all is written.

        Raises:
            OSError: some of it was lost.
        """
        import trackio

        # That of the run alone lets it finish, and print, again at the exit.
        end: Any = trackio.finish
        with _silence():
            end()
        lost = [message for message in self._warnings if _LOST in message]
        for message in self._warnings:
            if message not in lost:
                say(f"tracker trackio: {message}")
        if lost:
            raise OSError(lost[0].removesuffix(_GOES_ON).rstrip("."))

    def _write(self, step: int, entries: Mapping[str, Any]) -> None:
        if entries:
            with _silence():
                self._run.log(dict(entries), step=step)


def _project() -> str:
    return os.environ.get("TRACKIO_PROJECT", PROJECT)


def _stored(run: Any) -> tuple[Held, dict[str, Any]]:
    """Return the newest numbers and tables of a run that was begun before on this machine."""
    from trackio.sqlite_storage import SQLiteStorage

    newest: dict[str, tuple[int, float]] = {}
    tables: dict[str, Any] = {}
    for entry in SQLiteStorage.get_logs(_project(), run.name):
        for name, value in entry.items():
            if isinstance(value, dict):
                tables[name] = value.get("_value")
            elif isinstance(value, int | float) and name != "step":
                newest[name] = max(newest.get(name, (-1, 0.0)), (int(entry["step"]), float(value)))
    return Held(newest), tables


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Let trackio print nothing: standard output is for results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
