"""The training manifest in run.json: counts, what was set aside and why, library versions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any

from ..data import IGNORED, SPLITS
from ..dataset.issues import Issue
from ..dataset.splits import Splits, fingerprint
from ..dataset.teachers import teachers_of
from ..parallel.processes import process_count
from ..progress import say
from ..runs.folder import Run
from ..runs.job import TrainingJob
from ..runs.paths import below_source
from ..runs.receipt import receipt_of
from ..runs.scorings import seen_elsewhere
from ..task import Task
from ..windows.rows import Rows

_VERSIONS = (
    "fieldsmith", "torch", "transformers", "trl", "peft", "bitsandbytes", "datasets",
    "accelerate", "tokenizers", "llguidance",
)  # fmt: skip


def write_manifest(
    run: Run,
    job: TrainingJob,
    task: Task,
    splits: Splits,
    rows: Rows,
    data_hash: str,
    issues: Sequence[Issue],
) -> None:
    """Write what is known before the first step: run.json, and which documents went where."""
    from ..model.location import identity

    run.write_rejects(
        {"document": splits.set_aside, "window": rows.set_aside, "leaf": rows.lost}, job.source
    )
    run.write_trained_on((e.document.id, fingerprint(e.document.text)) for e in splits.train)
    run.write_held_out(
        (e.document.id, fingerprint(e.document.text), split)
        for split in SPLITS[1:]
        for e in getattr(splits, split)
    )
    known, base = job.as_json(), identity(task.settings)
    known["data"] |= {
        "sha256": data_hash,
        "official_splits": splits.official,
        "missing_splits": list(splits.missing),
        "leaks": [asdict(leak) for leak in splits.leaks],
        "teachers": [each.as_json() for each in teachers_of([*splits.train, *splits.validation])],
    }
    run.update(
        **known,
        seed=task.settings.seed,
        versions=versions(),
        device=described_device(),
        base_model={name: job.paths.named(held) for name, held in base.items()},
        counts=_counts(splits, rows),
        answered=rows.answered,
        longest_lists=rows.longest,
        test_seen=_test_seen(run, splits),
        findings=below_source([asdict(issue) for issue in issues], job.source),
        receipt=asdict(receipt_of(task)),
    )


def _test_seen(run: Run, splits: Splits) -> list[dict[str, Any]]:
    """Return, and say, that other runs were scored on the test documents before this training."""
    found = seen_elsewhere(run.folder, [fingerprint(e.document.text) for e in splits.test])
    if found:
        runs = ", ".join(dict.fromkeys(each["run"] for each in found))
        say(
            f"test documents of this data were scored already ({runs}), so what was chosen since "
            f"then may fit them; run.json and the model card say so (docs/test-set.md)"
        )
    return found


def versions() -> dict[str, str]:
    """Return the versions of what trains, by distribution."""
    return {name: metadata.version(name) for name in _VERSIONS} | {
        "python": platform.python_version()
    }


def described_device() -> dict[str, Any]:
    """Return what the model is trained on."""
    import torch

    from ..model.devices import pick_device

    own = pick_device()
    name = torch.cuda.get_device_name(own) if own.type == "cuda" else platform.processor()
    return {
        "type": own.type,
        "name": name,
        "threads": torch.get_num_threads(),
        "processes": process_count(),
    }


def _counts(splits: Splits, rows: Rows) -> dict[str, Any]:
    """Return how many documents, windows, tokens and gold values there are, and where they went."""
    held = {name: len(getattr(splits, name)) for name in SPLITS}
    set_aside = len(splits.set_aside)
    return {
        "documents": {"read": sum(held.values()) + set_aside, **held, "set_aside": set_aside},
        "windows": {
            "made": rows.windows,
            "trained": len(rows.rows),
            "set_aside": len(rows.set_aside),
            "copies": len(rows.copies),
        },
        "tokens": {
            "trained": sum(len(row.input_ids) for row in rows.trained),
            "with_loss": sum(len(row.labels) - row.labels.count(IGNORED) for row in rows.trained),
        },
        "gold": {
            name: {
                "leaves": count,
                "learned": rows.learned[name],
                "share": round(rows.learned[name] / count, 4),
            }
            for name, count in rows.gold.items()
        },
        "aligned": dict(rows.aligned),
    }


def describe_splits(splits: Splits) -> str:
    """Return a line that says how many documents each split holds."""
    parts = [f"{len(getattr(splits, name))} {name}" for name in SPLITS]
    line = f"documents: {', '.join(parts)}, {len(splits.set_aside)} set aside"
    if splits.official:
        line += "; official splits"
        if splits.missing:
            line += f", no official {' and no '.join(splits.missing)}"
    return line


def describe_rows(rows: Rows) -> str:
    """Return a line that says how much is trained on, and how much of the gold is not."""
    line = f"windows: {len(rows.rows)} trained, {len(rows.set_aside)} set aside"
    if rows.copies:
        line += f", {len(rows.copies)} copies with other values"
    if rows.aligned:
        line += f"; {rows.aligned.total()} gold leaves aligned with the text"
    if rows.lost:
        line += f"; {len(rows.lost)} gold leaves are not learned (see rejects.jsonl)"
    return line
