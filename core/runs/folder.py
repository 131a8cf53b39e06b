"""The run folder: where each file of a training is, reading and writing run.json."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..data import SPLITS, Reject
from ..errors import OutputError, RunError
from ..files import require_writable, write_atomically, write_json, write_jsonl
from ..settings import Resolved

_JOB_ENTRIES = ("plugin", "settings", "data")  # run.json holds them from the start
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Run:
    """The folder of one training."""

    folder: Path

    @property
    def info_file(self) -> Path:
        """run.json: settings, versions, counts, receipt."""
        return self.folder / "run.json"

    @property
    def adapter(self) -> Path:
        """The PEFT adapter, or the whole model, with its tokenizer, chat template and card."""
        return self.folder / "adapter"

    @property
    def log_file(self) -> Path:
        """log.jsonl: a line a logged step."""
        return self.folder / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, from which an interrupted training is resumed."""
        return self.folder / "checkpoints"

    @property
    def trained_on_file(self) -> Path:
        """trained_on.jsonl: id and text fingerprint of each training document."""
        return self.folder / "trained_on.jsonl"

    @property
    def gazetteer_file(self) -> Path:
        """gazetteer.json: counts of the training documents' values."""
        return self.folder / "gazetteer.json"

    @staticmethod
    def create(folder: Path, job: Mapping[str, Any]) -> Run:
        """Make a new run folder.

        Args:
            folder: must not exist, or be empty.
            job: the first entries of run.json, from which the run can be resumed.

        Raises:
            OutputError: the folder exists already, or it cannot be written.
        """
        if folder.exists() and (not folder.is_dir() or _holds_something(folder)):
            raise OutputError(
                f"{folder}: exists already; choose another --output, or resume an interrupted run "
                f"with --resume"
            )
        require_writable(folder)
        run = Run(folder)
        run.update(**job)
        return run

    @staticmethod
    def open(folder: Path) -> Run:
        """Open an existing run folder.

        Raises:
            RunError: it is not a run folder.
        """
        run = Run(folder)
        if not run.info_file.is_file():
            raise RunError(f"{folder}: not a run folder (no run.json in it)")
        run.info()
        return run

    def info(self) -> dict[str, Any]:
        """Return what run.json holds.

        Raises:
            RunError: it cannot be read.
        """
        try:
            loaded: Any = json.loads(self.info_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.info_file}: cannot be read: {error}") from error
        info: dict[str, Any] = loaded if isinstance(loaded, dict) else {}
        if not all(isinstance(info.get(name), dict) for name in _JOB_ENTRIES):
            raise RunError(f"{self.info_file}: not written by extract train")
        return info

    def settings(self) -> Resolved:
        """Return the settings the run was trained with; a hub model is that of its commit."""
        info = self.info()
        settings = Resolved.from_json(info["settings"])
        commit = info.get("base_model", {}).get("commit")
        if not commit or commit == settings.values.revision:
            return settings
        return Resolved(replace(settings.values, revision=commit), settings.origins)

    def update(self, **entries: object) -> None:
        """Set top-level entries of run.json."""
        info = self.info() if self.info_file.is_file() else {}
        write_json(self.info_file, {**info, **entries})

    def min_confidence(self) -> float:
        """Return the confidence below which values are left out, as validation chose it."""
        return float(self.info().get("training", {}).get("min_confidence", 0.0))

    def shares(self) -> dict[str, float]:
        """Return the weights of tags and gazetteer that validation chose; {} for the defaults."""
        return dict(self.info().get("training", {}).get("shares", {}))

    def answered(self) -> list[str]:
        """Return the keys of the root that every answer has."""
        return [str(key) for key in self.info().get("answered", ())]

    def longest_lists(self) -> dict[str, int]:
        """Return the items of the longest list in training, by the JSON Pointer of its schema.

        {} for runs that bound no list: those with tags or prefix attention, and older ones.
        """
        return dict(self.info().get("longest_lists", {}))

    def data_hash(self) -> str | None:
        """Return the sha256 of the data the run began with; None before it was read."""
        data = self.info().get("data", {}) if self.info_file.is_file() else {}
        stored = data.get("sha256")
        return str(stored) if stored else None

    def splits(self) -> list[str]:
        """Return the splits that hold documents."""
        counts = self.info()["counts"]["documents"]
        return [name for name in SPLITS if counts[name]]

    def is_complete(self) -> bool:
        """Say whether the adapter was written; it is renamed into place once it is whole."""
        names = ("adapter_config.json", "config.json")  # the second one of a whole model
        return any((self.adapter / name).is_file() for name in names)

    def require_complete(self) -> None:
        """Raise RunError if the training has not ended."""
        if not self.is_complete():
            raise RunError(
                f"{self.folder}: the training has not ended; "
                f"resume it: extract train --resume {self.folder}"
            )

    def write_rejects(self, kinds: Mapping[str, Iterable[Reject]]) -> None:
        """Write rejects.jsonl: what was not trained on, by kind (document, window, leaf)."""
        rows = [{"kind": kind, **asdict(r)} for kind, rejects in kinds.items() for r in rejects]
        write_jsonl(self.folder / "rejects.jsonl", rows)

    def write_trained_on(self, documents: Iterable[tuple[str, str]]) -> None:
        """Write (id, fingerprint) of each training document."""
        rows = ({"id": i, "fingerprint": fingerprint} for i, fingerprint in documents)
        write_jsonl(self.trained_on_file, rows)

    def receipt(self) -> dict[str, str]:
        """Return the hashes that the adapter's folder pins: schema, template, tokenizer, prompt.

        Raises:
            RunError: they cannot be read.
        """
        file = self.adapter / "receipt.json"
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{file}: cannot be read: {error}; train again") from error

    def trained_on(self) -> set[str]:
        """Return the text fingerprints of the training documents."""
        lines = self.trained_on_file.read_text(encoding="utf-8").splitlines()
        return {json.loads(line)["fingerprint"] for line in lines}

    def metrics(self) -> dict[str, Any]:
        """Return what metrics.json holds; {} where there is none yet."""
        file = self.folder / "metrics.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def write_metrics(self, name: str, scores: Mapping[str, Any]) -> None:
        """Set the scores of one split in metrics.json."""
        write_json(self.folder / "metrics.json", {**self.metrics(), name: scores})

    def last_checkpoint(self) -> Path | None:
        """Return the newest checkpoint, if any; each is renamed into place once it is whole."""
        found = [
            (int(match[1]), path)
            for path in self.checkpoints.glob("checkpoint-*")
            if (match := _CHECKPOINT.fullmatch(path.name))
        ]
        return max(found)[1] if found else None

    def cut_log(self, step: int) -> None:
        """Drop the lines of log.jsonl after a step, from which the training is resumed."""
        if not self.log_file.is_file():
            return
        kept = []
        for line in self.log_file.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] > step:
                    continue
            except ValueError:
                continue  # half a line, written as the process was killed
            kept.append(line + "\n")
        write_atomically(self.log_file, "".join(kept))

    def drop_checkpoints(self) -> None:
        """Delete the checkpoints of a training that has ended."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def discard(self) -> None:
        """Delete the folder of a training that could not start, so that it may be tried again."""
        if not self.log_file.is_file():
            shutil.rmtree(self.folder, ignore_errors=True)


def _holds_something(folder: Path) -> bool:
    # What a process leaves that is killed before the run has begun is no run.
    return any(path.name != ".run.json.new" for path in folder.iterdir())


def default_folder(plugin: str) -> Path:
    """Return ``runs/PLUGIN-DATE-TIME``, which is not there yet."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = Path("runs") / f"{plugin}-{stamp}"
    number = 2
    while folder.exists():
        folder = Path("runs") / f"{plugin}-{stamp}-{number}"
        number += 1
    return folder
