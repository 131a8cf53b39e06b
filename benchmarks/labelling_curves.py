"""How fast a model learns from documents that `extract next` chooses, beside a random choice.

    python -m benchmarks labelling_curves --data DATA [--only CASE]... [--seeds 42,43,44]
        [--strategies random,uncertainty,diversity,both] [--start 30] [--step 30] [--rounds 2]
        [--pool 150] [--validation 20] [--scored 60] [--output runs/labelling_curves]
        [--set key=value]...

DATA is as for the benchmark `quality`, and a case is one of its cases. For each seed, documents of
the training split are drawn as the pool, and the first of them are labelled: by their gold records,
which is what "labelling" is here. A model is trained on them; then each strategy chooses further
documents by the last model that it has led to (`extract next`), they get their gold records, and a
model is trained anew from the base on all that the strategy has labelled. All strategies of a seed
share the first model, the pool, the validation documents (which choose epoch and thresholds, and
are not counted as labelled) and the documents that are scored.

`labelling_curves.json` in the output folder has all curves, `labelling_curves.md` their tables:
mean scores after so many labelled documents, the area under the curve by its width, its difference
to random choice with a 95 % interval over seeds (paired, Student's t), in how many seeds it is
better, and how many documents fewer it takes to come to random choice's last score: for each seed,
and as a mean with a 95 % interval over the seeds in which it does; the others are counted.
Both are written anew after each training. Killed and started again with the same arguments, it
goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldsmith import Example
from fieldsmith.choosing.strategies import SHORTLIST, STRATEGIES
from fieldsmith.dataset.loading import read_splits
from fieldsmith.errors import InputError, RunError
from fieldsmith.files import read_jsonl, write_atomically, write_json, write_jsonl
from fieldsmith.plugins import Plugin

from .cached_training import Training
from .learning_curves import BASELINE, Curve, curves_table, savings_text, summary
from .quality import CASES, prepared, require

_CASES = ("medical_ner", "arxiv_metadata", "dcat_datasets")


@dataclass(frozen=True)
class Sizes:
    """Numbers of documents.

    Attributes:
        start: labelled before the first choice.
        step: chosen at a time.
        rounds: how often.
        pool: drawn to choose from, those labelled at the start included.
        validation: that choose epoch and thresholds.
        scored: that are scored.
    """

    start: int
    step: int
    rounds: int
    pool: int
    validation: int
    scored: int


@dataclass(frozen=True)
class Drawn:
    """The documents of one seed."""

    pool: Sequence[Example]
    validation: Sequence[Example]
    scored: Sequence[Example]


@dataclass(frozen=True)
class Simulation:
    """One seed of one case: its documents, folder and settings.

    Attributes:
        chosen: settings as ``--set`` takes them.
    """

    plugin: Plugin
    drawn: Drawn
    sizes: Sizes
    folder: Path
    seed: int
    chosen: tuple[str, ...]

    def curve_point(self, name: str, labelled: Sequence[Example]) -> tuple[Training, float]:
        """Train on some documents, unless that was done; return the training and its score."""
        data = self.folder / f"{name}-data"
        for split, examples in (
            ("train", labelled),
            ("validation", self.drawn.validation),
            ("test", self.drawn.scored),
        ):
            write_jsonl(data / f"{split}.jsonl", map(_row, examples))
        _splits, sha256 = read_splits(self.plugin, data, allow_leaks=False)
        chosen = (*self.chosen, f"seed={self.seed}")
        # A strategy may choose documents of which much is unlearnable: that is its result.
        options = ("--allow-unlearnable",)
        folder = self.folder / name
        training = Training(self.plugin, data, sha256, folder, chosen, options=options)
        training.make()
        return training, float(training.run.metrics()["test"]["score"])

    def choose(self, name: str, run: Path, strategy: str) -> list[Example]:
        """Let ``extract next`` choose, unless that was done; return the documents with gold."""
        output = self.folder / f"{name}.jsonl"
        if not output.exists():
            pool = self.folder / "pool.jsonl"
            rows = ({"id": e.document.id, "text": e.document.text} for e in self.drawn.pool)
            write_jsonl(pool, rows)
            options = ("--count", str(self.sizes.step), "--strategy", strategy)
            _extract("next", run, pool, *options, "--seed", str(self.seed), "--output", output)
        by_id = {example.document.id: example for example in self.drawn.pool}
        return [by_id[row["id"]] for _number, row in read_jsonl(output)]


def main(arguments: Sequence[str] = ()) -> None:
    """Simulate, and write the tables.

    Raises:
        FieldsmithError: data is missing, a setting does not fit, or a training failed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks labelling_curves")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--only", action="append", choices=_CASES, default=[])
    parser.add_argument("--seeds", default="42,43,44", help="whole numbers, separated by commas")
    parser.add_argument("--strategies", default="random,uncertainty,diversity,both")
    parser.add_argument("--output", type=Path, default=Path("runs/labelling_curves"))
    parser.add_argument("--set", action="append", dest="chosen", default=[], metavar="KEY=VALUE")
    for name, default in vars(Sizes(30, 30, 2, 150, 20, 60)).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(arguments)
    strategies = list(dict.fromkeys(options.strategies.split(",")))
    if unknown := [name for name in strategies if name not in STRATEGIES]:
        parser.error(f"--strategies: {unknown[0]!r} is none of {', '.join(STRATEGIES)}")
    try:
        seeds = list(dict.fromkeys(int(seed) for seed in options.seeds.split(",")))
    except ValueError:
        parser.error(f"--seeds: whole numbers, separated by commas, not {options.seeds!r}")
    sizes = Sizes(**{name: getattr(options, name) for name in Sizes.__dataclass_fields__})
    left = sizes.pool - sizes.start - (sizes.rounds - 1) * sizes.step
    if "both" in strategies and left <= SHORTLIST * sizes.step:
        parser.error(f"--pool: the last choice is among {left}, of which both would leave out none")
    names = list(dict.fromkeys(options.only)) or list(_CASES)
    require(names, options.data)
    for name in names:
        simulate(name, options.data, options.output, seeds, strategies, sizes, options.chosen)
    print(options.output / "labelling_curves.md")


def simulate(
    name: str,
    data: Path,
    output: Path,
    seeds: Sequence[int],
    strategies: Sequence[str],
    sizes: Sizes,
    chosen: Sequence[str],
) -> None:
    """Simulate one case, and put it into the two files after each training.

    Raises:
        FieldsmithError: see ``main``.
    """
    plugin, found, _settings = prepared(name, data, output, chosen)
    others = [e for e in found.splits.validation if e.record is not None]
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for seed in seeds:
        drawn = draw(found.splits.train, others, found.scored, sizes, seed)
        folder = output / f"{name}-{seed}"
        simulation = Simulation(plugin, drawn, sizes, folder, seed, tuple(chosen))
        begun = list(drawn.pool[: sizes.start])
        first, score = simulation.curve_point("start", begun)
        labelled = dict.fromkeys(strategies, begun)
        runs = dict.fromkeys(strategies, first)
        own = curves[str(seed)] = {each: [(len(begun), score)] for each in strategies}
        for number in range(1, sizes.rounds + 1):
            for strategy in strategies:
                step = f"{strategy}-{number}"
                added = simulation.choose(f"{step}-chosen", runs[strategy].folder, strategy)
                labelled[strategy] = [*labelled[strategy], *added]
                runs[strategy], score = simulation.curve_point(step, labelled[strategy])
                own[strategy].append((len(labelled[strategy]), score))
                _write(output, name, sizes, chosen, curves, runs[strategy])
                print(f"{name}, seed {seed}: {step} {score:.4f}", file=sys.stderr, flush=True)


def draw(
    train: Sequence[Example],
    validation: Sequence[Example],
    scored: Sequence[Example],
    sizes: Sizes,
    seed: int,
) -> Drawn:
    """Draw the documents of a seed; none is of two parts.

    Where the split that is scored is the validation split, the validation documents are drawn from
    it first.

    Raises:
        InputError: there are too few.
    """
    source = random.Random(seed)
    labelled = [example for example in train if example.record is not None]
    if len(labelled) < sizes.start + sizes.rounds * sizes.step:
        raise InputError(f"the training split has {len(labelled)} documents; make the sizes less")
    pool = source.sample(labelled, min(sizes.pool, len(labelled)))
    chosen = source.sample(list(validation), min(sizes.validation, len(validation)))
    taken = {example.document.id for example in chosen}
    rest = [example for example in scored if example.document.id not in taken]
    return Drawn(pool, chosen, source.sample(rest, min(sizes.scored, len(rest))))


def _row(example: Example) -> dict[str, Any]:
    document = example.document
    row = {"id": document.id, "text": document.text, "record": example.record}
    if example.mentions:
        row["mentions"] = {pointer: list(spans) for pointer, spans in example.mentions.items()}
    return row


def _extract(*arguments: str | Path) -> None:
    """Run ``extract`` in a process of its own.

    Raises:
        RunError: it failed.
    """
    command = [sys.executable, "-m", "fieldsmith.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"extract {arguments[0]} failed: {done.stderr.strip()[-300:]}")


def _write(
    output: Path,
    name: str,
    sizes: Sizes,
    chosen: Sequence[str],
    curves: Mapping[str, Mapping[str, Curve]],
    training: Training,
) -> None:
    """Put a case into the two files; what the runs share is read from one."""
    path = output / "labelling_curves.json"
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else {}
    except (ValueError, KeyError) as error:
        raise RunError(f"{path}: not written by this benchmark; move it away") from error
    info = training.run.info()
    cases[name] = {
        "sizes": vars(sizes),
        "set": list(chosen),
        "base_model": info["base_model"],
        "versions": info["versions"],
        "device": info["device"],
        "curves": curves,
        "summary": _summary(curves, sizes.rounds),
    }
    write_json(path, {"cases": cases})
    write_atomically(
        output / "labelling_curves.md",
        "\n".join(_section(each, cases[each]) for each in CASES if each in cases),
    )


def _summary(curves: Mapping[str, Mapping[str, Curve]], rounds: int) -> dict[str, Any]:
    """Return the summary of the curves that are complete."""
    return summary(
        {
            seed: {each: curve for each, curve in own.items() if len(curve) == rounds + 1}
            for seed, own in curves.items()
        }
    )


def _section(name: str, entry: Mapping[str, Any]) -> str:
    sizes, chosen = entry["sizes"], ", ".join(entry["set"])
    head = (
        f"## {name}\n\n{CASES[name].about[:1].upper()}{CASES[name].about[1:]}; a pool of "
        f"{sizes['pool']}, {sizes['scored']} scored, {sizes['validation']} to choose epoch and "
        f"thresholds; preset embedded{f'; set: {chosen}' if chosen else ''}. The score after so "
        f"many labelled documents:\n\n"
    )
    # Of the curves, not the summary: an earlier version may have written the file.
    found = _summary(entry["curves"], sizes["rounds"])
    if not found:
        return head + "No curve is complete yet.\n"
    order = sorted(found, key=lambda each: each != BASELINE)
    return head + curves_table({each: found[each] for each in order}) + f"\n{savings_text(found)}\n"
