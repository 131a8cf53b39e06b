"""Read back what trackers wrote: the numbers by name and step, the settings, the examples."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Numbers = dict[str, list[tuple[int, float]]]
"""By name: steps with the numbers there, in the order in which they were written."""


@dataclass
class Tracked:
    """What a tracker holds of a run.

    Attributes:
        numbers: those of the log, and scores where the tracker knows no difference.
        scores: those of metrics.json.
        settings: as text or as values.
        examples: the text of the table.
        files: names and contents of files; contents where the tracker keeps them.
    """

    numbers: Numbers = field(default_factory=lambda: defaultdict(list))
    scores: dict[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    examples: str = ""
    files: dict[str, bytes] = field(default_factory=dict)


def read_tensorboard(run: Path) -> Tracked:
    """Read event files as TensorBoard does."""
    from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(run / "tensorboard"), {TENSORS: 0})
    events.Reload()
    found, texts = Tracked(), dict[str, str]()
    for tag in events.Tags()["tensors"]:
        for event in events.Tensors(tag):
            value = make_ndarray(event.tensor_proto)
            if value.dtype == object:
                texts[tag] = value.item().decode()
            else:
                found.numbers[tag].append((event.step, value.item()))
    rows = [line.strip("| ").split(" | ") for line in texts["settings/text_summary"].split("\n")]
    found.settings = {row[0]: json.loads(row[1]) for row in rows[2:]}
    found.examples = texts.get("examples/text_summary", "")
    found.files = {tag.split("/")[1]: b"" for tag in texts if tag.startswith("file/")}
    return found


def read_wandb(run: Path) -> Tracked:
    """Read the one file of W&B that there is."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    found, settings = Tracked(), dict[str, Any]()
    for data in _records(file.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        if record.HasField("run"):
            settings |= _items(record.run.config.update)
        elif record.HasField("history"):
            row = _items(record.history.item)
            step = row.pop("_step")
            for name, value in row.items():
                if isinstance(value, int | float) and not name.startswith("_"):
                    found.numbers[name].append((step, value))
        elif record.HasField("summary"):
            found.scores |= _items(record.summary.update)
        elif record.HasField("artifact"):
            for entry in record.artifact.manifest.contents:
                if entry.path.endswith(".html"):
                    found.files[entry.path] = Path(entry.local_path).read_bytes()
    found.settings = settings
    (table,) = file.parent.glob("files/media/table/*.json")
    found.examples = table.read_text(encoding="utf-8")
    return found


def read_mlflow(run: Path) -> Tracked:
    """Read the file store through MLflow's client."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(run / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("fieldsmith")
    assert experiment is not None
    (held,) = client.search_runs([experiment.experiment_id])
    assert held.info.status == "FINISHED"
    found = Tracked(settings=held.data.params)
    for name in held.data.metrics:
        history = client.get_metric_history(held.info.run_id, name)
        found.numbers[name] = [(each.step, each.value) for each in history]
    folder = Path(held.info.artifact_uri.removeprefix("file://"))
    found.examples = (folder / "examples.json").read_text(encoding="utf-8")
    found.files = {file.name: file.read_bytes() for file in folder.glob("*.html")}
    return found


def read_trackio(folder: Path) -> Tracked:
    """Read the database of trackio."""
    found = Tracked()
    with sqlite3.connect(folder / "fieldsmith.db") as base:
        for step, text in base.execute("select step, metrics from metrics order by id"):
            for name, value in json.loads(text).items():
                if isinstance(value, dict):
                    assert not found.examples
                    found.examples = json.dumps(value["_value"], ensure_ascii=False)
                else:
                    found.numbers[name].append((step, value))
        ((config,),) = base.execute("select config from configs")
        found.settings = json.loads(config)
        for (manifest,) in base.execute("select manifest from artifact_versions"):
            for entry in json.loads(manifest):
                (blob,) = folder.glob(f"artifacts/fieldsmith/blobs/sha256/*/{entry['digest']}")
                found.files[entry["path"]] = blob.read_bytes()
    return found


def _items(items: Any) -> dict[str, Any]:
    """Return keys and values of W&B's records."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a file of W&B: blocks of 32 KiB that hold chunks, as LevelDB's logs."""
    block, at, record = 32768, 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        _checksum, length, kind = struct.unpack("<IHB", data[at : at + 7])
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last chunk
            yield record
            record = b""
