"""Documents a second of our decoder, a server and ``model.generate``, on the same weights.

    python -m benchmarks engines --run RUN [--engine URL]... [--data PATH] [--documents 16]
        [--batches 1 8 32] [--rounds 1]

The run is a causal one. The server (vLLM or llama.cpp) holds its merged folder (``extract merge
--dtype fp32``, and the server in float32) and has all cores of this machine; while another side is
timed it is idle. All sides answer the same prompts under the same grammars, one side after the
other, and the batch is what they answer at once. ``model.generate`` is held to the grammars by a
logits processor over llguidance.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .decoding import asked, documents_of, load, ours, theirs

Answers = list[tuple[int, ...]]


@dataclass
class Timed:
    """A way to answer: its name and batch, its function, and the seconds of each round."""

    name: str
    batch: int
    answer: Callable[[], Answers]
    seconds: list[float] = field(default_factory=list)


def sides(
    extractor: Any, prompts: Sequence[Any], engines: Sequence[str], batches: Sequence[int]
) -> list[Timed]:
    """Return all ways to answer some prompts."""
    from fieldsmith.decoding.sequence import DecodingStats
    from fieldsmith.engines.connect import connect

    found = []
    for batch in batches:
        found.append(Timed("ours", batch, ours(extractor, prompts, batch, DecodingStats()).answer))
        found.append(Timed("generate, llguidance", batch, theirs(extractor, prompts, batch).answer))
    for url in engines:
        engine = connect([url], None, extractor.vocabulary)
        for batch in batches:
            answer = by_server(replace(engine, at_once=batch), extractor, prompts)
            found.append(Timed(engine.name, batch, answer))
    return found


def by_server(engine: Any, extractor: Any, prompts: Sequence[Any]) -> Callable[[], Answers]:
    """Return a function that lets a server answer; what it refuses has no tokens."""

    def answer() -> Answers:
        written = engine.answer(
            prompts, extractor.task.settings, extractor.vocabulary, lambda _count: None
        )
        return [() if isinstance(each, str) else each.ids for each in written]

    return answer


def main(options: Sequence[str] = ()) -> None:
    """Print documents a second of each side."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks engines")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--engine", action="append", default=[], metavar="URL")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--documents", type=int, default=16)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args(options)
    import torch

    from fieldsmith.model.library_output import quieten

    quieten()
    extractor = load(chosen.run)
    documents = documents_of(extractor, chosen.data, chosen.documents)
    prompts = asked(extractor, documents)
    timed = sides(extractor, prompts, chosen.engine, chosen.batches)
    few = prompts[:2]
    for side in sides(extractor, few, chosen.engine, [2]):
        side.answer()  # what is made once, such as compiled grammars and caches of a server
    answers: dict[tuple[str, int], Answers] = {}
    for _round in range(chosen.rounds):
        for side in timed:
            began = time.perf_counter()
            answers[side.name, side.batch] = side.answer()
            side.seconds.append(time.perf_counter() - began)
    print(
        f"{len(documents)} documents, {len(prompts)} windows, {extractor.model.dtype}, "
        f"{torch.get_num_threads()} threads"
    )
    first = answers["ours", chosen.batches[0]]
    for side in timed:
        same = sum(map(tuple.__eq__, answers[side.name, side.batch], first))
        rate = len(documents) / statistics.median(side.seconds)
        print(
            f"  {side.name:22} batch {side.batch:3} {rate:8.3f} documents a second; "
            f"{same} of {len(prompts)} answers as ours"
        )
