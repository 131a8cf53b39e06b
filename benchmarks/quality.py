"""Scores of each domain on real data, beside the null baseline, a plain one and published numbers.

    python -m benchmarks quality --data DATA [--only CASE]... [--seeds 42,43,44]
                                 [--output runs/quality] [--set key=value]...
    python -m benchmarks quality --list

DATA is a folder that holds, where CASES says, data sets in the formats that the plugins read. For
each case and each seed `extract train` trains the embedded model; the documents that no training
and no choice of an epoch has used are scored. Both baselines answer the same documents: the null
one with an empty record, the plain one as a person would try first.

`quality.json` in the output folder holds all that is known of each case, `quality.md` its tables;
both are written anew after each seed, and a case that is run alone takes its place in them. Killed
and started again with the same arguments, it goes on where it was: a training from its last
checkpoint, a seed that is scored not at all.

The case "unseen" is for the end: a schema that nothing was tried on, over texts that nothing
answers from, with 200 examples (see `unseen_schema`). Its documents are pieces of the title pages
that "arxiv_metadata" reads, other ones than that answers with.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldsmith import Example, Record
from fieldsmith.dataset.loading import read_examples, read_splits
from fieldsmith.dataset.splits import Splits
from fieldsmith.errors import InputError, RunError
from fieldsmith.evaluation.sample import sampled
from fieldsmith.files import read_jsonl, write_atomically, write_json, write_jsonl
from fieldsmith.plugins import Plugin, load
from fieldsmith.schema.navigation import empty_record
from fieldsmith.settings import EMBEDDED, Settings

from . import (
    baseline_datasets,
    baseline_ner,
    baseline_news,
    baseline_title_pages,
    baseline_unseen_schema,
    unseen_schema,
)
from .cached_training import (
    Answer,
    Training,
    answers_of,
    scores,
    settings_of,
    shown,
    table,
    value_of,
)
from .published_scores import PUBLISHED, Published
from .temporary_plugin import installed

Baseline = Callable[[Sequence[Example]], Answer]
"""Fits a baseline to the training documents, and returns its answering function."""


@dataclass(frozen=True)
class Case:
    """The real data of a domain.

    Attributes:
        about: the documents, and what is scored, in a few words.
        path: path below DATA of the data to train on.
        split: the split that is scored; of validation, documents that did not choose the epoch.
        baselines: the baselines, by name.
        names: names of the metric that the table shows.
        pages: path below DATA of documents to score instead of a split of ``path``.
    """

    plugin: str
    about: str
    path: str
    split: str
    baselines: Mapping[str, Baseline]
    names: tuple[str, ...]
    pages: str | None = None


def _of_text(predict: Callable[[str], Record]) -> Baseline:
    return lambda _examples: lambda example: predict(example.document.text)


def _dictionary(examples: Sequence[Example]) -> Answer:
    answer = baseline_ner.fitted(examples)
    return lambda example: answer(example.document)


def _metadata(_examples: Sequence[Example]) -> Answer:
    return lambda example: baseline_news.metadata(Path(example.place))


_NEWS = (
    "headline_levenshtein",
    "influencer_levenshtein",
    "source_levenshtein",
    "opening_text_levenshtein",
    "country_exact",
    "language_exact",
)

CASES = {
    "arxiv_metadata": Case(
        "arxiv_metadata",
        "title pages of GROBID's header corpus",
        "arxiv/grobid_header/tei",
        "test",
        {"first lines and patterns": _of_text(baseline_title_pages.predict)},
        ("title_levenshtein", "authors_levenshtein", "abstract_levenshtein", "doi_levenshtein"),
    ),
    "dcat_datasets": Case(
        "dcat_datasets",
        "prose on the datasets of papers, MetaMine's gold",
        "dcat/metamine/gs",
        "test",
        {"regular expressions": _of_text(baseline_datasets.predict)},
        ("datasets", "title", "creator", "issued", "language", "theme", "keyword", "task"),
    ),
    "medical_ner": Case(
        "medical_ner",
        "abstracts of BC5CDR, trained on the training set, scored on the development set",
        "medical/bc5cdr",
        "validation",
        {"dictionary of the training set": _dictionary},
        ("chemicals", "diseases", "relations", "chemicals_mentions", "diseases_mentions"),
    ),
    "news_json": Case(
        "news_json",
        "articles of Fundus, laid out as pages",
        "news/fundus/articles.jsonl",
        "test",
        {"first lines": _of_text(baseline_news.predict)},
        _NEWS,
    ),
    "news_html": Case(
        "news_json",
        "pages of HTML, trained on the articles of Fundus that are none of them",
        "news/fundus/articles.jsonl",
        "test",
        {
            "first lines": _of_text(baseline_news.predict),
            "page metadata, where the labels come from": _metadata,
        },
        _NEWS,
        pages="news/fundus/html",
    ),
    "unseen": Case(
        unseen_schema.NAME,
        "the small print of title pages of GROBID's header corpus, by a plugin of the benchmark's",
        "arxiv/grobid_header/tei",
        "test",
        {"patterns": _of_text(baseline_unseen_schema.predict)},
        tuple(unseen_schema.FIELDS),
    ),
}


@dataclass(frozen=True)
class Data:
    """The documents that a case trains on and scores.

    Attributes:
        left_out: number of documents of the scored split that chose the epoch.
    """

    source: Path
    sha256: str
    splits: Splits
    scored: Sequence[Example]
    left_out: int


def main(arguments: Sequence[str] = ()) -> None:
    """Train, score, and write the tables.

    Raises:
        FieldsmithError: data is missing, a setting does not fit, or a training failed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality")
    parser.add_argument("--data", type=Path, help="the folder of the data sets")
    parser.add_argument("--only", action="append", choices=sorted(CASES), default=[])
    parser.add_argument("--seeds", default="42,43,44", help="whole numbers, separated by commas")
    parser.add_argument("--output", type=Path, default=Path("runs/quality"))
    parser.add_argument("--set", action="append", dest="chosen", default=[], metavar="KEY=VALUE")
    parser.add_argument("--preset", default=EMBEDDED, help="the preset to train with")
    parser.add_argument("--list", action="store_true", help="list the cases and leave")
    options = parser.parse_args(arguments)
    names = list(dict.fromkeys(options.only)) or list(CASES)
    if options.list:
        print(listed(names), end="")
        return
    if options.data is None:
        parser.error("--data is wanted: the folder of the data sets")
    try:
        seeds = list(dict.fromkeys(int(seed) for seed in options.seeds.split(",")))
    except ValueError:
        parser.error(f"--seeds: whole numbers, separated by commas, not {options.seeds!r}")
    require(names, options.data)
    with installed(unseen_schema.NAME, unseen_schema.__name__):
        for name in names:
            measure(name, options.data, options.output, seeds, options.chosen, options.preset)
    print(options.output / "quality.md")


def listed(names: Sequence[str]) -> str:
    """Return the cases, a line each: name, plugin, data, what they are."""
    return "".join(
        f"{name:15} {case.plugin:19} {case.pages or case.path:27} {case.about}\n"
        for name, case in ((name, CASES[name]) for name in names)
    )


def require(names: Sequence[str], data: Path) -> None:
    """Raise InputError where the data of a case is missing; before any time is spent."""
    missing = [
        f"{data / path} (for {name})"
        for name in names
        for path in (CASES[name].path, CASES[name].pages)
        if path and not (data / path).exists()
    ]
    if missing:
        raise InputError(
            f"there is no {', no '.join(missing)}; name the folder of the data sets by --data, or "
            f"the cases that it has by --only"
        )


def measure(
    name: str,
    data: Path,
    output: Path,
    seeds: Sequence[int],
    chosen: Sequence[str],
    preset: str = EMBEDDED,
) -> None:
    """Measure one case, and put it into the two files after each seed.

    Raises:
        FieldsmithError: see ``main``.
    """
    case = CASES[name]
    plugin, found, settings = prepared(name, data, output, chosen, preset)
    entry = described(name, case, plugin, found, settings, chosen) | {"seeds": {}}
    trainings = {
        seed: Training(
            plugin,
            found.source,
            found.sha256,
            output / f"{name}-{seed}",
            (*chosen, f"seed={seed}"),
            preset,
            # Published gold is corrected by hand: not all of it stands in the text as it is read.
            options=("--allow-unlearnable",),
        )
        for seed in seeds
    }
    for seed, training in trainings.items():
        print(f"{name}, seed {seed}: {training.folder}", file=sys.stderr, flush=True)
        training.make()
        answers = training.evaluate(data / case.pages) if case.pages else case.split
        records = training.records(answers)
        entry["seeds"][str(seed)] = _outcome(plugin, settings, found.scored, training, records)
        _add(output, name, entry, training)
    print(section(name, entry), flush=True)


def prepared(
    name: str, data: Path, output: Path, chosen: Sequence[str], preset: str = EMBEDDED
) -> tuple[Plugin, Data, Settings]:
    """Return the plugin, the data and the settings of a case.

    Raises:
        FieldsmithError: the data cannot be read, or a setting does not fit.
    """
    case = CASES[name]
    plugin = load(case.plugin)
    settings = settings_of(plugin, preset, chosen).values
    source = _source(case, data, output / f"{name}-data")
    splits, sha256 = read_splits(plugin, source, allow_leaks=False)
    scored, left_out = _scored(case, plugin, data, splits, settings)
    return plugin, Data(source, sha256, splits, scored, left_out), settings


def _source(case: Case, data: Path, beside: Path) -> Path:
    """Return the training documents: articles without those whose pages are scored.

    These are written into the folder ``beside``, nine of ten for training.
    """
    if case.pages is None:
        return data / case.path
    pages = {file.name for file in (data / case.pages).iterdir()}
    rows = [row for _number, row in read_jsonl(data / case.path)]
    others = [row for row in rows if Path(str(row.get("html"))).name not in pages]
    write_jsonl(beside / "train.jsonl", (row for at, row in enumerate(others) if at % 10))
    write_jsonl(beside / "validation.jsonl", others[::10])
    return beside


def _scored(
    case: Case, plugin: Plugin, data: Path, splits: Splits, settings: Settings
) -> tuple[list[Example], int]:
    """Return the documents to score, and how many of the split chose the epoch."""
    left_out = 0
    if case.pages:
        rows = read_examples(plugin, data / case.pages)
        examples = [row for row in rows if isinstance(row, Example)]
    else:
        own = list(getattr(splits, case.split))
        chose = own[: settings.eval_documents] if case.split == "validation" else []
        kept = sampled(own, settings.score_documents)  # of which alone there are predictions
        examples = [example for example in kept if example not in chose]
        left_out = len(kept) - len(examples)
    found = [example for example in examples if example.record is not None]
    if not found:
        raise InputError(f"{data / (case.pages or case.path)}: no document to score")
    return found, left_out


def described(
    name: str, case: Case, plugin: Plugin, data: Data, settings: Settings, chosen: Sequence[str]
) -> dict[str, Any]:
    """Return what is known of a case before it is trained, the baselines' scores among it."""

    def nothing(_example: Example) -> Record:
        return empty_record(plugin.schema)

    answers = {"null": nothing} | {
        name: fitted(data.splits.train) for name, fitted in case.baselines.items()
    }
    return {
        "plugin": plugin.name,
        "about": case.about,
        "data": {"trained": case.path, "scored": case.pages or case.path, "sha256": data.sha256},
        "split": "pages" if case.pages else case.split,
        "documents": {
            "train": len(data.splits.train),
            "scored": len(data.scored),
            "chose_the_epoch": data.left_out,
        },
        "names": ["score", *case.names],
        "set": list(chosen),
        "baselines": {
            name: scores(plugin, settings, data.scored, answer) for name, answer in answers.items()
        },
        "published": [asdict(each) for each in PUBLISHED.get(name, ())],
    }


def _outcome(
    plugin: Plugin,
    settings: Settings,
    scored: Sequence[Example],
    training: Training,
    records: Mapping[str, Record | None],
) -> dict[str, Any]:
    """Return the scores of one seed, and what it took."""
    info = training.run.info()
    return {
        "run": str(training.folder),
        "scores": scores(plugin, settings, scored, answers_of(records, scored, training.folder)),
        "valid": sum(records[e.document.id] is not None for e in scored),
        "seconds": training.seconds(),
        "training": info["training"],
        "windows": info["counts"]["windows"],
    }


def _add(output: Path, name: str, entry: dict[str, Any], training: Training) -> None:
    """Put a case into quality.json and quality.md; what the runs share is read from one."""
    info = training.run.info()
    for key in ("preset", "settings", "base_model", "versions", "device"):
        entry[key] = info[key]
    entry["summary"] = summary(entry)
    path = output / "quality.json"
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else {}
    except (ValueError, KeyError) as error:
        raise RunError(f"{path}: not written by this benchmark; move it away") from error
    cases[name] = entry
    cases = {each: cases[each] for each in CASES if each in cases}
    write_json(path, {"cases": cases})
    write_atomically(output / "quality.md", "\n".join(section(*case) for case in cases.items()))


def summary(entry: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return mean, spread and extremes over the seeds, by name of the metric.

    The spread is the standard deviation (n - 1); it is None for a single seed.
    """
    result: dict[str, dict[str, float | None]] = {}
    for name in entry["names"]:
        found = [value_of(seed["scores"], name) for seed in entry["seeds"].values()]
        values = [value for value in found if value is not None]
        if values:
            result[name] = {
                "mean": round(statistics.mean(values), 4),
                "spread": round(statistics.stdev(values), 4) if len(values) > 1 else None,
                "low": min(values),
                "high": max(values),
            }
    return result


def section(name: str, entry: Mapping[str, Any]) -> str:
    """Return the section of a case in quality.md."""
    documents, seeds, columns = entry["documents"], entry["seeds"], entry["baselines"]
    rows = []
    for metric in entry["names"]:
        found = summary(entry).get(metric)
        baselines = [shown(value_of(column, metric)) for column in columns.values()]
        if found is None:
            rows.append([metric, "–", "–", "–", *baselines])
            continue
        ends = f"{shown(found['low'])}-{shown(found['high'])}"
        rows.append([metric, shown(found["mean"]), shown(found["spread"]), ends, *baselines])
    heads = ["F1", "mean", "± between seeds", "lowest-highest", *columns]
    left_out = documents["chose_the_epoch"]
    base = entry["base_model"]
    text = (
        f"## {name}\n\n{_capital(entry['about'])}: {documents['train']} documents trained on, "
        f"{documents['scored']} scored ({entry['split']}"
        f"{f', without {left_out} that chose the epoch' if left_out else ''}); "
        f"seeds {', '.join(seeds)}; {_minutes(seeds)}. Base model {base['name']} "
        f"({base.get('sha256', '')[:12]}), preset {entry['preset']}{_changed(entry['set'])}.\n\n"
        f"{table(heads, rows)}"
    )
    return text + _published([Published(**each) for each in entry["published"]])


def _minutes(seeds: Mapping[str, Any]) -> str:
    known = [seed["seconds"] for seed in seeds.values() if seed["seconds"]]
    if not known:
        return "time of training not known (interrupted)"
    training, scoring = (
        statistics.mean(seconds[part] for seconds in known) / 60 for part in ("training", "scoring")
    )
    part = f" ({len(known)} of the seeds, which nothing interrupted)" * (len(known) < len(seeds))
    return (
        f"training proper {training:.1f} minutes{part}, scoring of held-out documents meanwhile "
        f"{scoring:.1f}"
    )


def _changed(chosen: Sequence[str]) -> str:
    return f"; set: {', '.join(chosen)}" if chosen else " as it is"


def _published(systems: Sequence[Published]) -> str:
    if not systems:
        return "\nNothing is published for these fields.\n"
    rows = [
        [
            each.system,
            ", ".join(f"{name} {value:.3f}" for name, value in each.f1.items()),
            each.measured,
            each.comparable,
            each.source,
        ]
        for each in systems
    ]
    heads = ["published", "F1", "measured on", "comparable", "source"]
    return f"\n{table(heads, rows)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
