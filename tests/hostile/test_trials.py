"""Two thousand commands with hostile input: no traceback, no hang, nothing destroyed, half-made.

`make test-slow` runs all of them and writes build/hostile-trials.md; `make test` runs a few of each
kind.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random

import pytest
from damage import BYTES, INSTEAD, damaged_json, replace
from hostile_sources import sources
from installed_plugins import GOOD, TOY, Site
from paths import ROOT
from tiny_model import Trained, Workplace
from trials import Outcome, Trial, run, write_report

from fieldsmith.evaluation.evaluate import evaluate_run
from fieldsmith.runs.folder import Run
from fieldsmith.settings import Settings

if sys.platform == "win32":
    pytest.skip("trials are forked processes", allow_module_level=True)

REPORT = ROOT / "build" / "hostile-trials.md"

ROWS = [
    {"id": f"d{number}", "text": f"aspirin caused rash in {number} patients.", "split": "test"}
    | {"record": {"chemicals": ["aspirin"], "diseases": ["rash"], "relations": []}}
    for number in range(6)
]


@dataclass(frozen=True)
class Stock:
    """What trials start from: the tiny model, its corpus and a finished run."""

    workplace: Workplace
    run: Path


@pytest.fixture(scope="module")
def stock(
    workplace: Workplace, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Stock:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads do not survive a fork
    run = Path(shutil.copytree(trained.run, tmp_path_factory.mktemp("stock") / "run"))
    evaluate_run(Run.open(run))  # so that there is a record of it, which may be damaged
    return Stock(workplace, run)


def _write(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def _damaged(name: str, content: bytes, random: Random) -> tuple[str, bytes]:
    """Damage a file in one way or in two; return the way and the content."""
    ways = random.choices(BYTES, k=random.choice((1, 1, 2)))
    if name.endswith((".json", ".jsonl")) and random.random() < 0.5:
        return "value", damaged_json(content, random)
    for way in ways:
        content = way(content, random)
    return "".join(way.__name__ for way in ways), content


def of_files(folder: Path, stock: Stock, random: Random) -> Trial:
    """Damage a file that a plugin reads; audit it, or predict from it."""
    name, (plugin, content) = random.choice(list(sources().items()))
    way, content = _damaged(name, content, random)
    if random.random() < 0.1:  # read by content, whatever it is called
        name = Path(name).stem + random.choice((".txt", ".json", ".jsonl", ".xml", ".csv", ".gz"))
    path = _write(folder / "given", name, content)
    source = path.parent if random.random() < 0.2 else path
    if random.random() < 0.4:
        output = ("--output", "made/predictions.jsonl") if random.random() < 0.7 else ()
        return Trial("files", f"{name}{way}", folder, ("predict", stock.run, source, *output))
    export = ("--export", "made/chat.jsonl") if random.random() < 0.3 else ()
    arguments = ("audit", "--plugin", plugin, "--data", source, *export)
    return Trial("files", f"{name}{way}", folder, arguments)


def of_runs(folder: Path, stock: Stock, random: Random) -> Trial:
    """Damage a file of a run, or put something else in its place; read the run."""
    copied = Path(shutil.copytree(stock.run, folder / "given" / "run"))
    files = sorted(path for path in copied.rglob("*") if path.is_file())
    path = random.choice(files)
    way = random.choice([*INSTEAD, *["bytes"] * 6])
    if way in INSTEAD:
        replace(path, way)
    elif path.suffix in {".json", ".jsonl"} and random.random() < 0.7:
        path.write_bytes(damaged_json(path.read_bytes(), random))
    else:
        way, content = _damaged("", path.read_bytes(), random)
        path.write_bytes(content)
    document = _write(folder / "given", "one.txt", b"aspirin caused rash in 3 patients.")
    arguments = random.choice(
        (
            ("predict", copied, document, "--output", "made/predictions.jsonl"),
            ("report", copied, "--json"),
            ("evaluate", copied, "--again", "why not"),
            ("report", copied, "--html", "made/report.html"),
            ("report", copied, "--against", stock.run),
            ("export", copied / "predictions" / "test.jsonl", "--format", "jsonl"),
        )
    )
    return Trial("runs", f"{path.relative_to(copied)} {way}", folder, arguments)


FAULTS = (
    "raise ValueError('no')", "raise SystemExit(0)", "raise KeyboardInterrupt",
    "raise BaseException('x')", "raise StopIteration", "raise MemoryError", "return None",
    "return 7", "return b'x'", "return float('nan')", "return [None]", "return {1: 2}",
    "return '\\ud800'", "return object()", "return lambda: 1", "return {'a': float('inf')}",
    "return type('E', (), {'__repr__': lambda s: 1 / 0})()", "print('x' * 99)",
    "import os; os.write(1, b'x')", "yield 1", "return extract_schema", "return 10**5000",
    "import sys; sys.stdout.close()", "import sys; sys.stderr.close()",
    "import os; os.chdir('/')",
    "def f(): return f()\n    return f()", "import random; return random.random()",
    "raise type('E', (Exception,), {'__str__': 0})()",
)  # fmt: skip

ENDLESS = (
    "while True: pass", "return (x for x in iter(int, 1))", "return sum(iter(int, 1))",
    "import os; os._exit(3)",
)  # fmt: skip
"""What only a process beside the plugin's can stop, or see."""


def of_plugins(folder: Path, _stock: Stock, random: Random) -> Trial:
    """Put a fault at the beginning of one of a plugin's functions; use the plugin."""
    source = random.choice((TOY, GOOD))
    lines = source.splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if line.startswith("def ")]
    at, fault = random.choice([*starts, None]), random.choice(FAULTS)
    if random.random() < 0.02:
        fault = random.choice(ENDLESS)
    if at is None:  # at import
        lines.append(fault.replace("return ", "x = ").replace("yield", "x =") + "\n")
    else:
        lines.insert(at + 1, f"    {fault}\n")
    site = Site(folder / "given")
    site.path.mkdir(parents=True)
    site.install("tried", "".join(lines))
    where = "import" if at is None else lines[at].split("(")[0]
    arguments: tuple[str, ...] = ("check", "tried", "--json")  # which ends whatever a plugin does
    if fault not in ENDLESS:
        arguments = random.choice(
            (
                arguments,
                *[("plugins", "tried", "--json"), ("plugins", "--json")] * 2,
                *[("audit", "--plugin", "tried", "--json"), ("plan", "--plugin", "tried")] * 2,
            )
        )
    return Trial("plugins", f"{where}: {fault}", folder, arguments, site.path)


NUMBERS = (
    "-1", "0", "1", "10**30", "1" + "0" * 30, "1" * 400, "1e308", "-1e308", "1e-320", ".nan",
    ".inf", "0.5", "2147483648", "true", "null", "''", "x", "[]", "[1, 2]", "{}", "{a: 1}",
    "!!python/object:os.system x", "&a [*a]", "\0", "\ud800", "'\\n'", "x" * 5000, "auto", "all",
)  # fmt: skip


def of_settings(folder: Path, stock: Stock, random: Random) -> Trial:
    """Give a setting a value out of all bounds; plan, or train one step."""
    name = random.choice([field.name for field in fields(Settings)] + ["", "no_setting", "a=b"])
    value = random.choice(NUMBERS).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    value = value.replace("\0", "\\0")  # no argument of a process holds one
    if random.random() < 0.4:
        source = ("--plugin", "medical_ner", "--data", stock.workplace.corpus)
        arguments = ("plan", *source, "--model", stock.workplace.model, f"--set={name}={value}")
        return Trial("settings", f"plan {name}={value[:40]}", folder, arguments)
    order = stock.workplace.order(Path("made/run"), max_steps=1, eval_documents=1)
    kept = [part for part in order if not str(part).startswith(f"--set={name}=")]
    return Trial("settings", f"{name}={value[:40]}", folder, (*kept, f"--set={name}={value}"))


def of_outputs(folder: Path, _stock: Stock, random: Random) -> Trial:
    """Score predictions of another system that are damaged, against gold or as the gold."""
    rows = [dict(row) for row in ROWS]
    if random.random() < 0.3:
        rows = [{"doc_id": row["id"], **row["record"]} for row in rows]  # type: ignore[dict-item]
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    gold = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    way, damaged = _damaged("x.jsonl", content, random)
    theirs, ours = (damaged, gold) if random.random() < 0.8 else (gold, damaged)
    paths = [
        _write(folder / "given", "theirs.jsonl", theirs),
        _write(folder / "given", "gold.jsonl", ours),
    ]
    flags = random.choice(((), ("--json",), ("--answered-only",)))
    source = ("--plugin", "medical_ner", "--predictions", paths[0], "--data", paths[1])
    return Trial("outputs", way, folder, ("evaluate", *source, *flags))


def of_destinations(folder: Path, stock: Stock, random: Random) -> Trial:
    """Write to where nothing, or something else, can be written."""
    document = _write(folder / "given", "one.txt", b"aspirin caused rash in 3 patients.")
    rows = _write(folder / "given", "gold.jsonl", json.dumps(ROWS[0]).encode() + b"\n")
    answers = stock.run / "predictions" / "test.jsonl"
    answers = _write(folder / "given", "answers.jsonl", answers.read_bytes())
    arguments: tuple[object, ...]
    given, arguments = random.choice(
        (
            (document, ("predict", stock.run, document, "--output")),
            (rows, ("audit", "--plugin", "medical_ner", "--data", rows, "--export")),
            (answers, ("export", answers, "--format", "jsonl", "--output")),
            (document.parent, ("report", stock.run, "--html")),
            (document, ("report", stock.run, "--png")),
        )
    )
    where = {
        "the input": given,
        "a folder": folder / "given",
        "below a file": document / "x",
        "a long name": folder / "made" / ("x" * 300),
        "a full device": Path("/dev/full"),
        "a device": Path("/dev/null"),
        "nothing": Path(),
        "process": Path("/proc/1/x"),
    }
    name = random.choice([*where, *(name for name in INSTEAD if name != "a pipe")])
    if name in INSTEAD:
        where[name] = folder / "made" / "taken"
        where[name].parent.mkdir()
        INSTEAD[name](where[name])
    return Trial("destinations", name, folder, (*arguments, where[name]))


KINDS: Mapping[str, tuple[Callable[[Path, Stock, Random], Trial], int]] = {
    "files": (of_files, 700),
    "runs": (of_runs, 400),
    "plugins": (of_plugins, 350),
    "settings": (of_settings, 250),
    "outputs": (of_outputs, 250),
    "destinations": (of_destinations, 100),
}
"""What makes a trial of each kind, and how many there are of it."""


def trials_of(kind: str, numbers: range, folder: Path, stock: Stock) -> list[Outcome]:
    outcomes = []
    for number in numbers:
        place = folder / f"{kind}-{number}"
        place.mkdir()
        outcomes.append(run(KINDS[kind][0](place, stock, Random(f"{kind} {number}"))))
        if not outcomes[-1].faults:
            shutil.rmtree(place)
    return outcomes


@pytest.mark.slow
def test_two_thousand_trials(tmp_path: Path, stock: Stock) -> None:
    outcomes = [
        outcome
        for kind, (_make, count) in KINDS.items()
        for outcome in trials_of(kind, range(count), tmp_path, stock)
    ]
    report = write_report(REPORT, outcomes)
    print(report)
    assert len(outcomes) >= 2000
    assert not [outcome for outcome in outcomes if outcome.faults], report


@pytest.mark.parametrize("kind", KINDS)
def test_some_trials_of_each_kind(kind: str, tmp_path: Path, stock: Stock) -> None:
    outcomes = trials_of(kind, range(4), tmp_path, stock)
    assert not [outcome for outcome in outcomes if outcome.faults], write_report(
        tmp_path / "report.md", outcomes
    )
