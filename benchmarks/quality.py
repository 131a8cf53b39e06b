"""Scores of each domain on real data, beside the null baseline and a plain one.

    python -m benchmarks quality --data DATA [--only PLUGIN]... [--seeds 42,43,44]
                                 [--output runs/quality] [--set key=value]...

DATA is a folder that holds, where SOURCES says, data sets in the formats that the plugins read. For
each domain and each seed `extract train` trains the embedded model and scores the documents of the
split; a run that is whole is not made again, one that was interrupted goes on. The plain baseline
is what a person would try first; it reads the same documents.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldsmith import Document, Example, Prediction, Record
from fieldsmith.metrics import point_scores
from fieldsmith.plugins import Plugin, load
from fieldsmith.sources import read_splits

from . import dataset_prose, dictionary, news_pages, title_pages

EXTRACT = Path(sysconfig.get_path("scripts")) / "extract"

Baseline = Callable[[Document], Record]


@dataclass(frozen=True)
class Source:
    """A domain's real data.

    path: below DATA.
    split: what is scored.
    baseline: from the training documents to what answers a document.
    shown: the names of the metric that the table has.
    """

    path: str
    split: str
    baseline: Callable[[Sequence[Example]], Baseline]
    shown: tuple[str, ...]


def _without_training(predict: Callable[[str], Record]) -> Callable[[Sequence[Example]], Baseline]:
    return lambda _examples: lambda document: predict(document.text)


SOURCES = {
    "arxiv_metadata": Source(
        "arxiv/grobid_header/tei",
        "test",
        _without_training(title_pages.predict),
        ("title_levenshtein", "authors_levenshtein", "abstract_levenshtein", "doi_levenshtein"),
    ),
    "dcat_datasets": Source(
        "dcat/metamine/gs",
        "test",
        _without_training(dataset_prose.predict),
        ("datasets", "title", "creator", "issued", "language", "theme", "keyword", "task"),
    ),
    "medical_ner": Source(
        "medical/bc5cdr",
        "validation",
        dictionary.fitted,
        ("chemicals", "diseases", "relations"),
    ),
    "news_json": Source(
        "news/fundus/articles.jsonl",
        "test",
        _without_training(news_pages.predict),
        (
            "headline_levenshtein",
            "influencer_levenshtein",
            "source_levenshtein",
            "opening_text_levenshtein",
            "country_exact",
            "language_exact",
        ),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What a training came to: F1 by name, and how long it took with the scoring, in seconds."""

    f1: dict[str, float]
    seconds: float


def main(arguments: Sequence[str] = ()) -> None:
    """Train, score, and print a table for each domain."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=sorted(SOURCES), default=[])
    parser.add_argument("--seeds", default="42,43,44")
    parser.add_argument("--output", type=Path, default=Path("runs/quality"))
    parser.add_argument("--set", action="append", dest="chosen", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    for name in options.only or SOURCES:
        source, data = SOURCES[name], options.data / SOURCES[name].path
        outcomes = [
            _trained(name, source, data, options.output / f"{name}-{seed}", seed, options.chosen)
            for seed in seeds
        ]
        _print(name, source, outcomes, *_beside(load(name), source, data))


def _trained(
    name: str, source: Source, data: Path, run: Path, seed: int, chosen: Sequence[str]
) -> Outcome:
    """Train one run, or go on with it; the time is kept beside it."""
    timing = run.with_suffix(".seconds")
    if not timing.is_file():
        settings = [f"--set={each}" for each in [*chosen, f"seed={seed}"]]
        order: list[str | Path] = ["--plugin", name, "--data", data, "--output", run, *settings]
        began = time.perf_counter()
        resume = (run / "run.json").is_file()
        way: list[str | Path] = ["--resume", run] if resume else order
        subprocess.run([EXTRACT, "train", *way], check=True)
        timing.write_text(f"{time.perf_counter() - began:.0f}", encoding="utf-8")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))[source.split]
    return Outcome(_f1(metrics["metrics"]), float(timing.read_text(encoding="utf-8")))


def _f1(metrics: dict[str, Any]) -> dict[str, float]:
    return {
        name.removesuffix("/f1"): found["value"] if isinstance(found, dict) else found
        for name, found in metrics.items()
        if name.endswith("/f1")
    }


def _beside(plugin: Plugin, source: Source, data: Path) -> tuple[dict[str, float], int, int]:
    """Score the plain baseline; return its F1 by name and how many documents train and score."""
    splits, _sha256 = read_splits(plugin, data, allow_leaks=False)
    scored = [e for e in getattr(splits, source.split) if e.record is not None]
    answer = source.baseline(splits.train)
    counts = [plugin.metric(e, Prediction(e.document, record=answer(e.document))) for e in scored]
    names = list(dict.fromkeys(name for row in counts for name in row))
    return _f1(dict(point_scores(counts, names))), len(splits.train), len(scored)


def _print(
    name: str,
    source: Source,
    outcomes: Sequence[Outcome],
    plain: dict[str, float],
    trained: int,
    scored: int,
) -> None:
    minutes = statistics.mean(outcome.seconds for outcome in outcomes) / 60
    print(
        f"\n{name} on {source.path}: {trained} documents trained on, {scored} scored "
        f"({source.split}), {len(outcomes)} seeds, {minutes:.1f} minutes each, scoring included\n"
    )
    print("| F1 | mean | lowest-highest | plain baseline |\n|---|---|---|---|")
    for metric in source.shown:
        values = [outcome.f1.get(metric, 0.0) for outcome in outcomes]
        print(
            f"| {metric} | {statistics.mean(values):.3f} | {min(values):.3f}-{max(values):.3f} "
            f"| {plain.get(metric, 0.0):.3f} |",
            flush=True,
        )
