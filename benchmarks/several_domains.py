"""Domains trained together, in one adapter, beside each trained alone.

    python -m benchmarks several_domains --plugins medical_ner,dcat_datasets [--seeds 1,2,3]
        [--temperatures 1] [--preset embedded] [--output runs/several_domains] [--set key=value]...

For each seed every domain is trained alone on its bundled sample, and all of them together, once at
each `sampling_temperature`; then their scores on the validation documents are compared as `extract
interference` does. Settings hold for all trainings: where batches or epochs are not set, a domain
alone has those of its plugin, and domains together those of the preset.

`several_domains.md` in the output folder has the table: means over seeds, their difference with a
95 % interval over seeds (paired, Student's t), and the interval over documents of each seed.
`several_domains.json` has the scores by field, too. Trainings that are complete are kept, and those
that were interrupted are resumed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from fieldsmith.errors import RunError
from fieldsmith.files import write_atomically, write_json
from fieldsmith.report.interference import interference
from fieldsmith.runs.folder import Run
from fieldsmith.settings import EMBEDDED

from .cached_training import table
from .learning_curves import interval

_SPLIT = "validation"


@dataclass(frozen=True)
class Trainings:
    """The trainings of one seed.

    Attributes:
        folder: where their runs go.
        preset: the preset of all.
        chosen: settings as ``--set`` takes them.
    """

    folder: Path
    preset: str
    chosen: tuple[str, ...]

    def train(self, name: str, plugins: Sequence[str], *settings: str) -> Path:
        """Train plugins into a run of this name, unless that was done; return its folder.

        Raises:
            RunError: the training failed.
        """
        run = Run(self.folder / name)
        if run.is_complete():
            return run.folder
        order = ["--resume", str(run.folder)]
        if not run.info_file.is_file():
            order = [f"--plugin={plugin}" for plugin in plugins]
            order += [f"--set={each}" for each in (*self.chosen, *settings)]
            order += ["--preset", self.preset, "--output", str(run.folder)]
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{name}.log"
        with log.open("a", encoding="utf-8") as stream:
            done = subprocess.run(
                [sys.executable, "-m", "fieldsmith.cli", "train", *order],
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise RunError(f"{run.folder}: the training failed; see {log}")
        return run.folder


def main(arguments: Sequence[str] = ()) -> None:
    """Train, compare, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks several_domains", description=__doc__
    )
    parser.add_argument("--plugins", required=True, type=_listed)
    parser.add_argument("--seeds", default=["1", "2", "3"], type=_listed)
    parser.add_argument("--temperatures", default=["1"], type=_listed)
    parser.add_argument("--preset", default=EMBEDDED)
    parser.add_argument("--output", type=Path, default=Path("runs/several_domains"))
    parser.add_argument("--set", action="append", default=[], dest="chosen")
    given = parser.parse_args(arguments)
    found: dict[str, dict[str, Any]] = {each: {} for each in given.temperatures}
    for seed in given.seeds:
        chosen = (*given.chosen, f"seed={seed}")
        trainings = Trainings(given.output / f"seed-{seed}", given.preset, chosen)
        alone = [trainings.train(plugin, [plugin]) for plugin in given.plugins]
        for each in given.temperatures:
            name = "+".join(given.plugins) + ("" if each == "1" else f"-T{each}")
            together = trainings.train(name, given.plugins, f"sampling_temperature={each}")
            found[each][seed] = interference([together, *alone], _SPLIT).as_json()
        write_json(given.output / "several_domains.json", found)
        made = "\n".join(f"T = {each}\n\n{domains_table(found[each])}" for each in found)
        write_atomically(given.output / "several_domains.md", made)
    print(made)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def domains_table(seeds: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of some seeds in Markdown.

    Args:
        seeds: by seed, what ``extract interference --json`` prints.
    """
    names = list(next(iter(seeds.values()))["domains"])
    rows = []
    for name in names:
        own = [seed["domains"][name]["score"] for seed in seeds.values()]
        of_documents = ", ".join(_signed(each["difference"]) for each in own)
        rows.append([name, *_means([(each["alone"], each["together"]) for each in own])])
        rows[-1].append(of_documents)
    means = [(seed["mean"]["alone"], seed["mean"]["together"]) for seed in seeds.values()]
    rows.append(["mean", *_means(means), ""])
    heads = ["", "alone", "together", "difference", "over seeds", "over documents, by seed"]
    return table(heads, rows)


def _means(pairs: Sequence[tuple[float, float]]) -> list[str]:
    """Return cells of pairs of scores, alone and together."""
    differences = [together - alone for alone, together in pairs]
    found = interval(differences)
    return [
        f"{fmean(alone for alone, _together in pairs):.3f}",
        f"{fmean(together for _alone, together in pairs):.3f}",
        f"{fmean(differences):+.3f}",
        f"{found[0]:+.3f} to {found[1]:+.3f}" if found else "–",
    ]


def _signed(difference: Mapping[str, float]) -> str:
    return f"{difference['low']:+.3f} to {difference['high']:+.3f}"
