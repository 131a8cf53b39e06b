"""Measure the time and peak memory of ``extract audit`` on many documents.

    python -m benchmarks.audit [--documents 100000] [--words 60] [--window document]

The documents are made up, in a temporary folder: words at random, names in some of them, one in
fifty a near duplicate of an earlier one. Eight of ten are for training.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXTRACT = Path(sysconfig.get_path("scripts")) / "extract"


def documents(count: int, words: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield rows of the core's JSONL for medical_ner."""
    source = random.Random(seed)
    vocabulary = ["".join(source.choices("aeioulmnrst", k=5)) for _ in range(20_000)]
    names = [f"{source.choice(vocabulary)}ine" for _ in range(2_000)]
    recent: list[list[str]] = []
    for number in range(count):
        if recent and source.random() < 0.02:
            text = list(source.choice(recent))
            text[source.randrange(words)] = "otherwise"
        else:
            text = source.choices(vocabulary, k=words)
        found = [name for name in source.sample(names, 3) if source.random() < 0.8]
        for name in found:
            text[source.randrange(words)] = name
        recent = [*recent[-99:], text]
        held = [name for name in found if name in text]
        sentences = (" ".join(text[at : at + 12]).capitalize() for at in range(0, words, 12))
        joined = ". ".join(sentences) + "."
        held = [name if name in joined else name.capitalize() for name in held]
        split = {8: "validation", 9: "test"}.get(number % 10, "train")
        record = {"chemicals": held, "diseases": [], "relations": []}
        yield {"id": f"made-{number}", "text": joined, "record": record, "split": split}


@dataclass(frozen=True)
class Cost:
    """Time and memory of a command; processor seconds do not depend on other processes."""

    seconds: float
    processor_seconds: float
    megabytes: float
    code: int


def measure(command: Sequence[str | Path]) -> Cost:
    """Run a command and return its cost."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    unit = 1024 if sys.platform == "linux" else 1  # kilobytes there, bytes on a Mac
    megabytes = usage.ru_maxrss * unit / 1e6
    seconds = time.perf_counter() - began
    processor = usage.ru_utime + usage.ru_stime
    return Cost(seconds, processor, megabytes, os.waitstatus_to_exitcode(status))


def main(arguments: Sequence[str] = ()) -> None:
    """Print the cost of the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=60)
    parser.add_argument("--window", default="document")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.jsonl"
        with path.open("w", encoding="utf-8") as stream:
            for row in documents(chosen.documents, chosen.words):
                stream.write(json.dumps(row) + "\n")
        size = path.stat().st_size / 1e6
        source = ("--plugin", "medical_ner", "--data", path, f"--set=window={chosen.window}")
        cost = measure([EXTRACT, "audit", *source])
    print(
        f"{chosen.documents} documents of {chosen.words} words ({size:.0f} MB), "
        f"window {chosen.window}: {cost.seconds:.0f} s, "
        f"{cost.processor_seconds:.0f} s of processor, {cost.megabytes:.0f} MB at most, "
        f"exit code {cost.code}; "
        f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
