"""The run folder: where each file of a training is, reading and writing run.json."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data import SPLITS, Reject
from ..errors import OutputError, RunError, SettingsError
from ..files import (
    is_left_over,
    remove_left_over,
    require_writable,
    write_atomically,
    write_json,
    write_jsonl,
)
from ..files.locks import lock_file, locked, remove_lock
from ..settings import EMBEDDED, Resolved
from .file_schemas import BEGUN, COMPLETE, FORMAT, JOINT, LOGGED, METRICS, RECEIPT, RUN, TRAINED_ON
from .paths import below_source, found_at, places_of, without_home
from .reading import check, read_object, read_row, read_rows, require_own_files

_METRICS_WAIT = 60.0
"""Seconds to wait for another evaluation of the run to write its scores."""

_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Run:
    """The folder of one training.

    Attributes:
        folder: the folder.
        trusted: whether the user trusts code of the base model's repository. A run cannot say so
            itself: it may be from somebody else.
    """

    folder: Path
    trusted: bool = False

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
    def held_out_file(self) -> Path:
        """held_out.jsonl: id, fingerprint and split of each document of validation and test."""
        return self.folder / "held_out.jsonl"

    @property
    def metrics_file(self) -> Path:
        """metrics.json: scores by the name of what was scored."""
        return self.folder / "metrics.json"

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
        Run.require_new(folder)
        require_writable(folder)
        run = Run(folder, trusted=True)
        run.update(format=FORMAT, **job)
        return run

    @staticmethod
    def require_new(folder: Path) -> None:
        """Raise OutputError if a folder is there and holds something, or is a file."""
        if folder.exists() and (not folder.is_dir() or _holds_something(folder)):
            raise OutputError(
                f"{folder}: exists already; choose another --output, or resume an interrupted run "
                f"with --resume"
            )

    @staticmethod
    def open(folder: Path, *, trusted: bool = False, joint: bool = False) -> Run:
        """Open an existing run folder.

        Args:
            folder: the folder.
            trusted: see the attribute.
            joint: whether it may be that of several domains.

        Raises:
            RunError: it is not a run folder, its run.json is damaged, or it is that of several
                domains and one is wanted.
        """
        run = Run(folder, trusted)
        if not run.info_file.is_file():
            raise RunError(f"{folder}: not a run folder (no run.json in it)")
        require_own_files(folder)
        run.settings()
        if run.domains() and not joint:
            raise RunError(
                f"{folder}: was trained on several domains ({', '.join(run.domains())}); name the "
                f"run of one, such as {folder / run.domains()[0]}"
            )
        return run

    def domains(self) -> list[str]:
        """Return the plugins of a run of several domains, whose folders are in it; [] of one."""
        return list(self.info().get("plugins", ()))

    @property
    def whole(self) -> Path:
        """The folder that the training is resumed by: of one of several domains that of all."""
        return self.folder.parent if "together" in self.info() else self.folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process train into the folder, which is made if it is not there.

        Raises:
            OutputError: another process does, or the folder cannot be written.
        """
        require_writable(self.folder)
        with locked(self.info_file, "another process trains this run; wait until it has ended"):
            for folder in (self.folder, *(p for p in self.folder.glob("*") if p.is_dir())):
                remove_left_over(folder)
            remove_lock(self.metrics_file)
            yield

    def info(self) -> dict[str, Any]:
        """Return what run.json holds.

        Raises:
            RunError: it cannot be read, or something in it is missing or wrong.
        """
        info = read_object(self.info_file, {})
        check(info, JOINT if "plugins" in info else RUN, str(self.info_file))
        if "sha256" in info.get("data", {}):
            check(info, BEGUN, str(self.info_file))
        return info

    def require_trust(self) -> None:
        """Raise RunError where the base model runs code that the user has not said to trust."""
        settings = self.info()["settings"]
        if settings.get("trust_remote_code", {}).get("value") is True and not self.trusted:
            raise RunError(
                f"{self.folder}: its model {self.settings().values.model} runs code of its own "
                f"(trust_remote_code); if you trust that code, add --trust-remote-code"
            )

    def settings(self) -> Resolved:
        """Return the settings the run was trained with.

        A model that is a path is the absolute one at which it is found, as is a configuration of
        DeepSpeed, and a hub model is that of its commit. Code of the model's repository is trusted
        if the user says so, whatever the run says.

        Raises:
            RunError: run.json is damaged, or has settings that this version does not know.
        """
        info = self.info()
        try:
            settings = Resolved.from_json(info["settings"], str(self.info_file))
        except SettingsError as error:
            raise RunError(str(error)) from error
        values = replace(settings.values, model=found_at(self._model_places(info)))
        if config := values.deepspeed_config:
            places = places_of(config, self.folder, info.get("paths", {}))
            values = replace(values, deepspeed_config=found_at(places))
        values = replace(values, trust_remote_code=values.trust_remote_code and self.trusted)
        commit = info.get("base_model", {}).get("commit")
        values = replace(values, revision=commit) if commit else values
        return Resolved(values, settings.origins)

    def source(self) -> Path | None:
        """Return the absolute path of the run's own data; None for the plugin's sample.

        Raises:
            RunError: it is neither where it was nor below the working directory.
        """
        info = self.info()
        stored = info["data"]["source"]
        if stored is None:
            return None
        places = places_of(stored, self.folder, info.get("paths", {}))
        self._require_one_of(places, "data", "data.source")
        return Path(found_at(places))

    def require_model(self) -> None:
        """Raise RunError where the base model was a path at which nothing is any more."""
        places = self._model_places(self.info())
        # A GGUF file is not needed any more once it was converted.
        if os.path.isabs(places[0]) and not places[0].lower().endswith(".gguf"):
            self._require_one_of(places, "base model", "settings.model.value")

    def _model_places(self, info: Mapping[str, Any]) -> list[str]:
        """Return the places at which the model is looked for; its name if it is no path."""
        stored = info["settings"].get("model", {}).get("value", EMBEDDED)
        paths = info.get("paths", {})
        is_path = stored in paths or stored.startswith(("~", os.sep))
        return places_of(stored, self.folder, paths) if is_path else [stored]

    def _require_one_of(self, places: Sequence[str], what: str, key: str) -> None:
        if not any(map(os.path.exists, places)):
            raise RunError(
                f"{self.folder}: its {what} is looked for at {' and at '.join(places)}, where "
                f"nothing is; move it there, or write its path as {key} into {self.info_file}"
            )

    def update(self, **entries: object) -> None:
        """Set top-level entries of run.json, in which the home folder is ``~``."""
        info = self.info() if self.info_file.is_file() else {}
        write_json(self.info_file, without_home({**info, **entries}))

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
            again = f"extract train --resume {self.whole}"
            raise RunError(f"{self.folder}: the training has not ended; resume it: {again}")
        check(self.info(), COMPLETE, str(self.info_file))

    def write_rejects(self, kinds: Mapping[str, Iterable[Reject]], source: Path | None) -> None:
        """Write rejects.jsonl: what was not trained on, with paths relative to the source.

        Args:
            kinds: rejects by kind: document, window or leaf.
            source: the data; None for the plugin's bundled sample.
        """
        rows = (
            {"kind": kind, "place": r.place, "field": r.field, "reason": r.reason, "id": r.id}
            for kind, rejects in kinds.items()
            for r in rejects
        )
        write_jsonl(
            self.folder / "rejects.jsonl", (without_home(below_source(row, source)) for row in rows)
        )

    def write_trained_on(self, documents: Iterable[tuple[str, str]]) -> None:
        """Write (id, fingerprint) of each training document."""
        rows = ({"id": i, "fingerprint": fingerprint} for i, fingerprint in documents)
        write_jsonl(self.trained_on_file, rows)

    def write_held_out(self, documents: Iterable[tuple[str, str, str]]) -> None:
        """Write (id, fingerprint, split) of each document of validation and test."""
        rows = ({"id": i, "fingerprint": f, "split": split} for i, f, split in documents)
        write_jsonl(self.held_out_file, rows)

    def receipt(self) -> dict[str, Any]:
        """Return the hashes in the adapter's folder: schema, template, tokenizer, prompt, weights.

        Raises:
            RunError: they cannot be read.
        """
        return read_object(self.adapter / "receipt.json", RECEIPT)

    def trained_on(self) -> set[str]:
        """Return the text fingerprints of the training documents.

        Raises:
            RunError: they cannot be read.
        """
        rows = list(read_rows(self.trained_on_file, TRAINED_ON))
        wanted = self.info()["counts"]["documents"]["train"]
        if len(rows) != wanted:
            raise RunError(
                f"{self.trained_on_file}: has {len(rows)} lines where run.json counts {wanted} "
                f"training documents; restore the run, or train again"
            )
        return {row["fingerprint"] for row in rows}

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of log.jsonl; none where there is no such file.

        Raises:
            RunError: they cannot be read.
        """
        return list(read_rows(self.log_file, LOGGED)) if self.log_file.is_file() else []

    def metrics(self) -> dict[str, Any]:
        """Return what metrics.json holds; {} where there is none yet.

        Raises:
            RunError: it cannot be read, or something in it is missing or wrong.
        """
        return read_object(self.metrics_file, METRICS) if self.metrics_file.is_file() else {}

    def write_metrics(self, name: str, scores: Mapping[str, Any]) -> None:
        """Set the scores of one split in metrics.json; another evaluation's are kept."""
        refusal = "another process writes scores; score this run again when it has ended"
        with locked(self.metrics_file, refusal, wait=_METRICS_WAIT):
            write_json(self.metrics_file, {**self.metrics(), name: scores})

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
        lines = self.log_file.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            del lines[-1]  # half a line, written as the process was killed
        rows = (
            (line, read_row(line, str(self.log_file), number, LOGGED))
            for number, line in enumerate(lines, start=1)
        )
        kept = [line for line, row in rows if row is not None and row["step"] <= step]
        write_atomically(self.log_file, b"".join(kept))

    def drop_checkpoints(self) -> None:
        """Delete the checkpoints of a training that has ended."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def discard(self) -> None:
        """Delete the folder of a training that could not start, so that it may be tried again."""
        if not self.log_file.is_file():
            shutil.rmtree(self.folder, ignore_errors=True)


def _holds_something(folder: Path) -> bool:
    # What a process leaves that is killed before the run has begun is no run.
    lock = lock_file(folder / "run.json").name
    return any(
        path.name != lock and not is_left_over(path.name, "run.json") for path in folder.iterdir()
    )
