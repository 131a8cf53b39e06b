"""Scores of names that are in the training documents, and of names that are not.

    python -m benchmarks seen_names --run RUN [--split validation]

RUN is a run with a gazetteer whose split was scored (`extract evaluate RUN --split validation`). A
name counts as seen if it is a value in a training document, but for case and white space. Counts
are by set of names a document, with 95 % bootstrap intervals over documents.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fieldsmith.data import Counts
from fieldsmith.errors import InputError
from fieldsmith.files import read_jsonl
from fieldsmith.runs.folder import Run
from fieldsmith.scoring.metrics import Interval, score
from fieldsmith.tagging.gazetteer import Gazetteer, form_of

from .cached_training import table


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table of a run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks seen_names", description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--split", default="validation")
    chosen = parser.parse_args(arguments)
    run = Run.open(chosen.run)
    gazetteer = Gazetteer.read(run.gazetteer_file)
    if gazetteer is None:
        raise InputError(f"{run.folder}: has no gazetteer; train with gazetteer=true")
    rows = [row for _, row in read_jsonl(run.folder / "predictions" / f"{chosen.split}.jsonl")]
    print(listed(rows, gazetteer))


def listed(rows: Sequence[dict[str, Any]], gazetteer: Gazetteer) -> str:
    """Return the table of some lines of predictions with their gold records."""
    seen = {
        field: {form for form, known in names.counted.items() if known.values}
        for field, names in gazetteer.fields.items()
    }
    counts = [counted(row["gold"], row["record"] or {}, seen) for row in rows]
    names = list(dict.fromkeys(name for row in counts for name in row))
    scores = score(counts, names)
    golds = {name: sum(row.get(name, (0, 0, 0))[2] for row in counts) for name in names}
    head = ["", "gold", "precision", "recall", "F1", "95 % interval"]
    return table(
        head,
        [[name, f"{golds[name]:.0f}", *_cells(scores, name)] for name in names],
    )


def _cells(scores: dict[str, Interval], name: str) -> list[str]:
    values = [f"{scores[f'{name}/{kind}'].value:.3f}" for kind in ("precision", "recall", "f1")]
    interval = scores[f"{name}/f1"]
    return [*values, f"{interval.low:.3f}-{interval.high:.3f}"]


def counted(
    gold: dict[str, Any], record: dict[str, Any], seen: dict[str, set[str]]
) -> dict[str, Counts]:
    """Return (matched, predicted, gold) of one document by field, for seen and unseen names.

    Args:
        gold: the gold record.
        record: the predicted record.
        seen: field -> normal forms of its values in the training documents.
    """
    counts: dict[str, Counts] = {}
    for field, known in seen.items():
        if field not in gold:
            continue
        wanted, found = (
            {form_of(value) for value in side.get(field) or () if isinstance(value, str)}
            for side in (gold, record)
        )
        for label, ours, theirs in (
            ("seen", wanted & known, found & known),
            ("unseen", wanted - known, found - known),
        ):
            matched = len(ours & theirs)
            counts[f"{field}, {label}"] = Counts(
                float(matched), float(len(theirs)), float(len(ours))
            )
    return counts
