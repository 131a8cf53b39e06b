"""Trainings of benchmarks: cached by their settings, and resumed after an interruption."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldsmith import Example, Prediction, Record
from fieldsmith.errors import RunError
from fieldsmith.evaluation.summary import score_names
from fieldsmith.extraction.prediction_file import read_lines
from fieldsmith.model.fitting import fit_to_positions
from fieldsmith.model.location import identity
from fieldsmith.plugins import Plugin
from fieldsmith.runs.folder import Run
from fieldsmith.scoring.metrics import point_scores
from fieldsmith.settings import EMBEDDED, Resolved, Settings, parse_assignments, resolve

RATES = ("precision", "recall", "f1")

Answer = Callable[[Example], Record | None]


def settings_of(plugin: Plugin, preset: str, chosen: Sequence[str]) -> Resolved:
    """Return the settings of ``extract train --preset PRESET --set CHOSEN``.

    Raises:
        SettingsError: one does not fit.
    """
    own = plugin.settings(preset)
    return fit_to_positions(resolve(preset, plugin.name, own, parse_assignments(chosen)))


@dataclass(frozen=True)
class Training:
    """A training job and its run folder.

    Attributes:
        data_hash: the sha256 of the examples in ``data``, as ``read_splits`` returns it.
        chosen: settings as ``--set`` takes them.
        preset: name of the preset.
        options: further options of ``extract train``.
    """

    plugin: Plugin
    data: Path
    data_hash: str
    folder: Path
    chosen: tuple[str, ...]
    preset: str = EMBEDDED
    options: tuple[str, ...] = ()

    @property
    def settings(self) -> Resolved:
        """The settings of the training. Raises SettingsError."""
        return settings_of(self.plugin, self.preset, self.chosen)

    @property
    def run(self) -> Run:
        """Its run folder."""
        return Run(self.folder)

    @property
    def clock(self) -> Path:
        """The file in which ``benchmarks.timed_training`` stores the seconds."""
        return self.folder.with_name(f"{self.folder.name}.clock.jsonl")

    def make(self) -> None:
        """Train and score; resume an interrupted run, and skip a complete one.

        Raises:
            RunError: there is a run made otherwise, or the training failed.
            SettingsError: the settings do not fit.
        """
        settings = self.settings
        if self.run.info_file.is_file():
            self._refuse_other(settings.values)
            if self.run.is_complete() and set(self.run.splits()) - {"train"} <= set(
                self.run.metrics()
            ):
                return
            self._extract("train", "--resume", self.folder, "--test")
            return
        self.clock.unlink(missing_ok=True)
        source = ("--plugin", self.plugin.name, "--data", self.data, "--output", self.folder)
        chosen = (f"--set={each}" for each in self.chosen)
        self._extract("train", *source, "--preset", self.preset, "--test", *self.options, *chosen)

    def evaluate(self, data: Path) -> str:
        """Score the run on another path, unless that was done; return the predictions' name.

        Raises:
            RunError: it failed.
        """
        if data.name not in self.run.metrics():
            self._extract("evaluate", self.folder, "--data", data)
        return data.name

    def records(self, name: str) -> dict[str, Record | None]:
        """Return what was predicted, by the id of the document.

        name: of a split, or what ``evaluate`` returned.
        """
        lines = read_lines(self.folder / "predictions" / f"{name}.jsonl")
        return {line.id: line.record for line in lines}

    def seconds(self) -> dict[str, float] | None:
        """Return the seconds of ``training`` and of ``scoring`` meanwhile.

        None where it was interrupted: what came before is not known.
        """
        if not self.clock.is_file():
            return None
        lines = [json.loads(line) for line in self.clock.read_text("utf-8").splitlines()]
        if len(lines) != 1 or lines[0]["resumed"]:
            return None
        return {name: lines[0][name] for name in ("training", "scoring")}

    def _refuse_other(self, settings: Settings) -> None:
        info = Run.open(self.folder).info()
        kept = self.run.settings().values
        other = [name for name, value in vars(settings).items() if getattr(kept, name) != value]
        if other:
            found = f"{other[0]} {getattr(kept, other[0])}, not {getattr(settings, other[0])}"
        elif info["plugin"]["name"] != self.plugin.name:
            found = f"the plugin {info['plugin']['name']}, not {self.plugin.name}"
        elif self.run.data_hash() not in (None, self.data_hash):
            found = "other data"
        elif info.get("base_model", identity(settings)) != identity(settings):
            found = "another base model"
        else:
            return
        raise RunError(f"{self.folder}: was made with {found}; choose another --output")

    def _extract(self, *arguments: str | Path) -> None:
        """Run ``extract`` in a process of its own; what it prints goes to a log."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        log = self.folder.with_name(f"{self.folder.name}.log")
        command = [
            sys.executable,
            "-m",
            "benchmarks.timed_training",
            self.clock.resolve(),
            *arguments,
        ]
        with log.open("a", encoding="utf-8") as stream:
            done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
            raise RunError(
                f"{self.folder}: extract {arguments[0]} ended with exit code {done.returncode} "
                f"({last}); see {log}; the same command goes on from here"
            )


def answers_of(
    records: Mapping[str, Record | None], examples: Sequence[Example], folder: Path
) -> Answer:
    """Return what answers examples by the records that a run predicted.

    Raises:
        RunError: there is none for one of them.
    """
    missing = [e.document.id for e in examples if e.document.id not in records]
    if missing:
        raise RunError(f"{folder}: it has no prediction for {missing[0]!r}; was it changed?")
    return lambda example: records[example.document.id]


def scores(
    plugin: Plugin, settings: Settings, examples: Sequence[Example], answer: Answer
) -> dict[str, float]:
    """Score what answers documents, by the plugin's metric.

    Returns:
        ``NAME/precision``, ``NAME/recall``, ``NAME/f1`` and ``score``, from 0 to 1.
    """
    counts = [plugin.metric(e, Prediction(e.document, record=answer(e))) for e in examples]
    found = point_scores(counts, score_names(settings, counts))
    return {name: round(value, 4) for name, value in found.items()}


def value_of(scored: Mapping[str, float], name: str) -> float | None:
    """Return the F1 of a metric's name, or the score; None where there is no such."""
    return scored.get(name if name == "score" else f"{name}/f1")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; a bar in a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def shown(value: float | None) -> str:
    """Return an F1 as a table has it."""
    return "–" if value is None else f"{value:.3f}"
