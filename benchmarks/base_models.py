"""Compare the shipped base model with two others by equal fine-tuning.

    python -m benchmarks base_models --data DATA [--copying FOLDER] [--only CASE]... [--seed 42]
                              [--minutes M] [--set key=value]... [--output runs/base]
    python -m benchmarks base_models --copying-test [--model FOLDER] [--strings 10] [--seed 42]

For each domain (--only: for a case of `quality`), three models of one architecture, with one
tokenizer, are fine-tuned with the same settings, seed and number of steps, and answer the same
documents: the one that ships, one of random weights (made from the seed, in the output folder),
and, if --copying names one, a model that has only learned to copy random tokens. The first stage of
the pretraining tool makes that, with the tokenizer that it finds in its --checkpoint::

    mkdir copying-state && cp core/base/tokenizer.json copying-state/
    python -m tools.pretraining --text DATA --out copying --minutes 60 --copying-only
                                  --checkpoint copying-state

With --minutes a training has as many steps as the shipped model makes in that time, by the speed
that `extract plan` measures, for all three. `base.json` and `base.md` in the output folder hold the
scores; started again with the same arguments, the benchmark resumes.

--copying-test asks the model, before any fine-tuning, to copy strings of random characters.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fieldsmith.errors import RunError, SettingsError
from fieldsmith.files import write_atomically, write_json
from fieldsmith.model.location import identity, location
from fieldsmith.runs.folder import Run
from fieldsmith.settings import EMBEDDED, Settings

from . import unseen_schema
from .cached_training import Training, answers_of, scores, shown, table, value_of
from .copy_length import copying_test
from .quality import CASES, described, prepared, require
from .temporary_plugin import installed

SHIPPED, RANDOM, COPYING = "shipped", "random weights", "copying"

DOMAINS = [name for name, case in CASES.items() if name == case.plugin]
"""The cases that are measured if none is named: one for each plugin that ships."""

_OF_THE_ARCHITECTURE = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "vocab_size", "tie_word_embeddings",
)  # fmt: skip

_AS_THE_SHIPPED_BASE = ("prefix_lm=true", "tagging_weight=1", "gazetteer=true")
"""The preset sets these for the shipped base alone; another one has to be given them."""


def main(arguments: Sequence[str] = ()) -> None:
    """Fine-tune and score the bases, or test the copying.

    Raises:
        FieldsmithError: data or a model is missing, a setting does not fit, or a training failed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks base_models")
    parser.add_argument("--data", type=Path, help="the folder of the data sets")
    parser.add_argument("--copying", type=Path, help="a model that copies and no more")
    parser.add_argument("--only", action="append", choices=sorted(CASES), default=[])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--minutes", type=float, help="of each training")
    parser.add_argument("--set", action="append", dest="chosen", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, default=Path("runs/base"))
    parser.add_argument("--copying-test", action="store_true", help="copy random characters")
    parser.add_argument("--model", default=EMBEDDED, help="for --copying-test: a folder")
    parser.add_argument("--strings", type=int, default=10, help="for each length")
    options = parser.parse_args(arguments)
    if options.copying_test:
        print(copying_test(options.model, options.strings, options.seed), end="")
        return
    if options.data is None:
        parser.error("--data is wanted: the folder of the data sets; or --copying-test")
    if options.minutes and any(each.startswith("max_steps=") for each in options.chosen):
        parser.error("--minutes sets max_steps; leave one of them out")
    names = list(dict.fromkeys(options.only)) or DOMAINS
    require(names, options.data)
    bases = {SHIPPED: EMBEDDED, RANDOM: random_weights(options.output / "random", options.seed)}
    if options.copying:
        bases[COPYING] = same_architecture(options.copying)
    with installed(unseen_schema.NAME, unseen_schema.__name__):
        for name in names:
            _measure(name, bases, options)
    print(options.output / "base.md")


def random_weights(folder: Path, seed: int) -> str:
    """Write a model of the shipped one's architecture that has learned nothing; return its folder.

    The same seed gives the same weights; the folder's name tells the seed and the architecture, so
    that a model made before is used again.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    shipped = location(Settings())
    known = identity(Settings())["sha256"][:12]
    made = folder.with_name(f"{folder.name}-{seed}-{known}")
    if not (made / "model.safetensors").is_file():
        AutoTokenizer.from_pretrained(shipped).save_pretrained(made)
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(shipped))
        # Written last and renamed: a folder with weights is whole.
        model.save_pretrained(made / "weights")
        for file in (made / "weights").iterdir():
            if file.suffix != ".safetensors":
                file.rename(made / file.name)
        (made / "weights" / "model.safetensors").rename(made / "model.safetensors")
        (made / "weights").rmdir()
    return str(made.resolve())


def same_architecture(folder: Path) -> str:
    """Return the folder of a model that differs from the shipped one in its weights alone.

    Raises:
        SettingsError: it is no model, or one of another architecture or vocabulary.
    """
    shipped = Path(location(Settings()))
    try:
        ours, theirs = (
            json.loads((each / "config.json").read_text("utf-8")) for each in (shipped, folder)
        )
        tokens = [
            json.loads((each / "tokenizer.json").read_text("utf-8"))["model"]
            for each in (shipped, folder)
        ]
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(f"--copying {folder}: no model can be read there ({error})") from error
    other = [name for name in _OF_THE_ARCHITECTURE if ours.get(name) != theirs.get(name)]
    if other:
        raise SettingsError(
            f"--copying {folder}: {other[0]} is {theirs.get(other[0])}, and {ours.get(other[0])} "
            f"in the model that ships; make one of the same architecture"
        )
    if tokens[0] != tokens[1]:
        raise SettingsError(
            f"--copying {folder}: its tokenizer is not that of the model that ships; make it with "
            f"core/base/tokenizer.json in the folder that --checkpoint names"
        )
    return str(folder.resolve())


def _measure(name: str, bases: Mapping[str, str], options: argparse.Namespace) -> None:
    """Fine-tune all bases for one case, and put it into the two files after each."""
    case, output = CASES[name], options.output
    chosen = [*_AS_THE_SHIPPED_BASE, *options.chosen, f"seed={options.seed}"]
    plugin, data, settings = prepared(name, options.data, output, chosen)
    folders = {base: output / f"{name}-{base.split()[0]}-{options.seed}" for base in bases}
    if options.minutes:
        begun = Run(folders[SHIPPED])
        # A speed that is measured again is another one.
        steps = (
            begun.settings().values.max_steps
            if begun.info_file.is_file()
            else _steps(plugin.name, data.source, chosen, options.minutes)
        )
        chosen.append(f"max_steps={steps}")
    entry = described(name, case, plugin, data, settings, chosen) | {"bases": {}}
    for base, model in bases.items():
        folder = folders[base]
        training = Training(plugin, data.source, data.sha256, folder, (*chosen, f"model={model}"))
        print(f"{name}, {base}: {folder}", file=sys.stderr, flush=True)
        training.make()
        answers = training.evaluate(options.data / case.pages) if case.pages else case.split
        records = training.records(answers)
        answer = answers_of(records, data.scored, folder)
        info = training.run.info()
        entry["bases"][base] = {
            "run": str(folder),
            "base_model": info["base_model"],
            "settings": info["settings"],
            "scores": scores(plugin, settings, data.scored, answer),
            "seconds": training.seconds(),
            "training": info["training"],
        }
        _add(output, name, entry)
    print(section(name, entry), flush=True)


def _steps(plugin: str, data: Path, chosen: Sequence[str], minutes: float) -> int:
    """Return how many steps the shipped model makes in so many minutes; at most its epochs.

    Raises:
        RunError: the speed could not be measured.
    """
    settings = [f"--set={each}" for each in chosen]
    order = ["plan", "--plugin", plugin, "--data", str(data), "--json", *settings]
    done = subprocess.run(
        [sys.executable, "-m", "fieldsmith.cli", *order],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        plan = json.loads(done.stdout)
        speed, steps = plan["probe"]["seconds_a_step"], plan["work"]["steps"]
    except (ValueError, TypeError, KeyError) as error:
        last = (done.stderr.strip().splitlines() or ["no step was measured"])[-1]
        raise RunError(f"extract plan --plugin {plugin} --data {data}: {last}") from error
    return max(1, min(int(steps), int(minutes * 60 / speed)))


def _add(output: Path, name: str, entry: Mapping[str, Any]) -> None:
    path = output / "base.json"
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else {}
    except (ValueError, KeyError) as error:
        raise RunError(f"{path}: not written by this benchmark; move it away") from error
    cases[name] = entry
    cases = {each: cases[each] for each in CASES if each in cases}
    write_json(path, {"cases": cases})
    write_atomically(output / "base.md", "\n".join(section(*case) for case in cases.items()))


def section(name: str, entry: Mapping[str, Any]) -> str:
    """Return the section of a case in base.md."""
    columns = {
        **{base: found["scores"] for base, found in entry["bases"].items()},
        **entry["baselines"],
    }
    rows = [
        [metric, *(shown(value_of(column, metric)) for column in columns.values())]
        for metric in entry["names"]
    ]
    documents = entry["documents"]
    chosen = ", ".join(entry["set"])
    steps = ", ".join(
        f"{base} {found['training']['steps']}" for base, found in entry["bases"].items()
    )
    return (
        f"## {name}\n\n{documents['train']} documents trained on, {documents['scored']} scored; "
        f"{chosen}; steps: {steps}.\n\n{table(['F1', *columns], rows)}"
    )
