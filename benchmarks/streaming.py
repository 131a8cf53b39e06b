"""Measure memory and documents per second of ``extract predict`` on many documents.

    python -m benchmarks streaming --run RUN [--documents 10000] [--data PATH]

Without ``--data`` the documents are abstracts made up of the sample's: a title and sentences of
medical_ner's bundled sample, drawn at random, so the run has to be one of that plugin. With it, all
documents of PATH are read. The command runs in a process of its own, and its lines are read as they
come; at 10, 25, 50 and 100 % of them the highest resident size so far (VmHWM) and the present one
(VmRSS) are noted, as Linux has them. Memory that is held by document would grow from mark to mark.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldsmith import Example
from fieldsmith.dataset.inputs import open_inputs
from fieldsmith.plugins import load
from fieldsmith.runs.folder import Run

EXTRACT = Path(sysconfig.get_path("scripts")) / "extract"

MARKS = (0.1, 0.25, 0.5, 1.0)
"""Shares of the documents at which memory is noted."""

SENTENCES = (4, 10)
"""The fewest and the most sentences of a made-up abstract."""


@dataclass(frozen=True)
class Mark:
    """Memory in megabytes and seconds since the start, after a number of documents."""

    documents: int
    peak: float
    held: float
    seconds: float


def abstracts(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Yield rows of the core's JSONL: titles and sentences of the sample, recombined."""
    source = random.Random(seed)
    titles, sentences = _parts()
    for number in range(count):
        chosen = source.sample(sentences, source.randint(*SENTENCES))
        yield {"id": f"made-{number}", "text": " ".join([source.choice(titles), *chosen])}


def _parts() -> tuple[list[str], list[str]]:
    """Return the titles of the sample of medical_ner, and the sentences of its abstracts."""
    rows = load("medical_ner").load(None)
    texts = [row.document.text for row in rows if isinstance(row, Example)]
    cut = [re.split(r"(?<=[.?!]) (?=[A-Z])", text) for text in texts]
    return [parts[0] for parts in cut], [sentence for parts in cut for sentence in parts[1:]]


def measure(run: Path, data: Path, count: int) -> list[Mark]:
    """Predict on all documents of ``data``; return the measurement at each mark.

    The number of documents is ``count``.
    """
    shares = {math.ceil(share * count) for share in MARKS}
    marks, memory = [], (0.0, 0.0)
    began = time.perf_counter()
    with subprocess.Popen([EXTRACT, "predict", run, data], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for number, _line in enumerate(process.stdout, start=1):
            # Noted at each line: at the last one, the process may have ended already.
            memory = _memory(process.pid) or memory
            if number in shares:
                marks.append(Mark(number, *memory, time.perf_counter() - began))
    if process.returncode:
        raise SystemExit(f"extract predict ended with exit code {process.returncode}")
    return marks


def _memory(process: int) -> tuple[float, float] | None:
    """Return the highest and the present resident size in megabytes; None of an ended process."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    sizes = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB$", text, re.MULTILINE))
    if not sizes:
        return None
    return int(sizes["VmHWM"]) * 1024 / 1e6, int(sizes["VmRSS"]) * 1024 / 1e6


def main(arguments: Sequence[str] = ()) -> None:
    """Print memory at each mark, and documents a second."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks streaming")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--data", type=Path)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = chosen.data or Path(folder) / "made.jsonl"
        if chosen.data is None:
            with data.open("w", encoding="utf-8") as stream:
                for row in abstracts(chosen.documents):
                    stream.write(json.dumps(row) + "\n")
        plugin = Run.open(chosen.run).info()["plugin"]
        with open_inputs(load(plugin["name"], tuple(plugin["wrappers"])), [str(data)]) as inputs:
            count = inputs.count
        marks = measure(chosen.run, data, count)
    print("documents  at most so far  held now  seconds")
    for mark in marks:
        print(
            f"{mark.documents:9}  {mark.peak:11.0f} MB  {mark.held:5.0f} MB  {mark.seconds:7.0f}",
            flush=True,
        )
    print(
        f"{count / marks[-1].seconds:.2f} documents a second, start-up included; the peak at the "
        f"end is {marks[-1].peak / marks[0].peak:.3f} of that at the first mark"
    )


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
