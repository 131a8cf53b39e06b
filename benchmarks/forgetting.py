"""What a fine-tuning costs a model in general ability, by learning rate.

    python -m benchmarks forgetting [--plugin news_json] [--data PATH] [--model smollm2-135m]
        [--rates 2e-4,2e-3] [--steps 200] [--ability local] [--seed 42] [--output runs/forgetting]
        [--set key=value]...

For each rate a run is trained, with the same data, seed and number of steps, and scored on its
validation documents; then base and tuned model are measured on general tasks (`extract evaluate
--ability`). Without --data the plugin's sample is used; --model is as for `extract train`.

`forgetting.json` in the output folder has all figures, `forgetting.md` a table: the score on
validation beside what is lost. Both are written anew after each rate. Killed and started again with
the same arguments, it goes on where it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fieldsmith.ability.measure import measure_ability
from fieldsmith.errors import RunError
from fieldsmith.files import write_atomically, write_json
from fieldsmith.model.library_output import quieten
from fieldsmith.runs.ability import changed, named
from fieldsmith.runs.folder import Run

from .cached_training import shown, table


def main(arguments: Sequence[str] = ()) -> None:
    """Train and measure at each rate, and write the table.

    Raises:
        FieldsmithError: data or a task is missing, a setting does not fit, or a training failed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks forgetting")
    parser.add_argument("--plugin", default="news_json")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rates", default="2e-4,2e-3", help="separated by commas")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--ability", action="append", default=[], metavar="NAMES|FILE")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output", type=Path, default=Path("runs/forgetting"))
    parser.add_argument("--set", action="append", dest="chosen", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    try:
        rates = [float(rate) for rate in options.rates.split(",")]
    except ValueError:
        parser.error(f"--rates {options.rates}: numbers are wanted, separated by commas")
    quieten()
    results: dict[str, Any] = {}
    for rate in rates:
        run = _trained(options, rate)
        tasks = measure_ability(run, options.ability or ["local"])
        score = run.metrics().get("validation", {}).get("score")
        results[f"{rate:g}"] = {"run": str(run.folder), "validation": score, "tasks": tasks}
        about = {"steps": options.steps, "seed": options.seed, "set": options.chosen}
        write_json(options.output / "forgetting.json", {**about, "rates": results})
        write_atomically(options.output / "forgetting.md", listed(results))
    print(listed(results))


def listed(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table: for each rate the score on validation, and what each task lost."""
    heads = ["learning rate", "validation", "task", "figure", "base", "tuned", "difference"]
    rows: list[list[str]] = []
    for rate, result in results.items():
        for task, entry in result["tasks"].items():
            for figure, found in {entry["figure"]: entry, **entry.get("also", {})}.items():
                first = not rows or rows[-1][0] != rate
                rows.append(
                    [
                        rate,
                        shown(result["validation"]) if first else "",
                        task,
                        named(figure, found),
                        shown(found["base"]),
                        shown(found["tuned"]),
                        changed(found),
                    ]
                )
    return table(heads, rows)


def _trained(options: argparse.Namespace, rate: float) -> Run:
    """Return a run at a learning rate; an interrupted one is resumed, a complete one is kept.

    Raises:
        RunError: the training failed.
    """
    run = Run(options.output / f"{options.plugin}-{rate:g}-{options.steps}-{options.seed}")
    if run.info_file.is_file() and run.is_complete() and "validation" in run.metrics():
        return Run.open(run.folder)
    if run.info_file.is_file():
        order = ["--resume", str(run.folder)]
    else:
        order = ["--plugin", options.plugin, "--model", options.model, "--output", str(run.folder)]
        order += ["--data", str(options.data)] if options.data else []
        settings = (f"learning_rate={rate:g}", f"max_steps={options.steps}", f"seed={options.seed}")
        order += [f"--set={each}" for each in (*settings, *options.chosen)]
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    print(f"learning rate {rate:g}: {run.folder}", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", "fieldsmith.cli", "train", *order], check=False)
    if done.returncode:
        raise RunError(
            f"{run.folder}: the training ended with exit code {done.returncode}; see above; the "
            f"same command goes on from here"
        )
    return Run.open(run.folder)
