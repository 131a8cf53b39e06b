"""Documents a second of our decoding, beside ``model.generate`` of transformers.

    python -m benchmarks decoding [--run RUN] [--data PATH] [--pages-run RUN] [--pages PATH]

Same model in memory, same prompts, greedy, in turns within one run; both sides are held to the
same grammars by llguidance, and end a list that repeats itself where the lists have no bound; both
compile the grammars while the clock runs. Both read prompts from left to right, as
``model.generate`` does; a run that is named should have been trained so (``prefix_lm`` false).

With ``--run`` alone, the windows of that run's documents are answered, whatever its model and
plugin, such as one of SmolLM2. Without it there are three kinds: sentences of biomedical abstracts,
title pages of which long spans are copied, and the sentences again with the adapter over four-bit
weights, unmerged. For these, the embedded model is trained first on the sample of medical_ner, and
without ``--pages-run`` on made-up title pages, both by ``extract train``; this takes minutes.

data: what the run's plugin reads; the sample's test documents are the default.
pages: JSONL of id, text and record (title, abstract), to train on and to read.

This module is the plugin for title pages, too::

    {"title": "On stable kernels", "abstract": "We study ..."}
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import subprocess
import sysconfig
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fieldsmith
from fieldsmith import Counts, Document, Example, Message, Prediction, Reject, Schema, hookimpl
from fieldsmith.task import Task

from .temporary_plugin import installed

EXTRACT = Path(sysconfig.get_path("scripts")) / "extract"

PLUGIN = "benchmark_pages"

CAUSAL = ("--set", "prefix_lm=false")
"""``model.generate`` reads no prompt as a prefix."""
PAGES = {"train": 400, "validation": 20, "test": 24}
PAGE_SETTINGS: dict[str, object] = {
    "window": "document",
    "max_new_tokens": 512,
    "batch_size": 16,
    "epochs": 3,
    "eval_documents": 4,
}

ALIKE = 0.97
"""The share of windows whose tokens must be equal; the rest may be ties of two tokens."""

WORDS = 1000  # of the long document
ABSTRACTS = 1000  # whose grammars are compiled


# The plugin for title pages


@hookimpl
def extract_schema() -> Schema:
    """Return a schema of two long spans."""
    span = {"type": ["string", "null"], "x-source": "verbatim"}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["title", "abstract"],
        "properties": {"title": span, "abstract": span},
    }


@hookimpl
def extract_prompt(document: Document, schema: Schema) -> list[Message]:
    """Ask for the fields of the schema."""
    return [
        Message("system", f"Extract as JSON: {fieldsmith.field_list(schema)}"),
        Message("user", document.text),
    ]


@hookimpl
def extract_load(source: Path | None) -> Iterable[Example | Reject]:
    """Yield made-up pages; the core reads JSONL."""
    assert source is None
    pages = made_up_pages(random.Random(7))
    for split, count in PAGES.items():
        for number, (text, record) in enumerate(itertools.islice(pages, count)):
            yield Example(Document(f"{split}-{number}", text), record, split=split)


@hookimpl
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Count titles and abstracts that are exactly right."""
    gold, found = example.record or {}, prediction.record or {}
    return {
        name: fieldsmith.set_counts([gold[name]], [found[name]] if found.get(name) else [])
        for name in ("title", "abstract")
    }


_ADJECTIVES = (
    "stable sparse adaptive convex robust spectral local global linear dynamic latent discrete "
    "quantum random smooth hybrid causal modular optimal compact coherent thermal"
).split()
_NOUNS = (
    "kernel network field operator graph lattice estimator model metric policy signal tensor "
    "manifold plasma galaxy detector polymer membrane sensor algorithm equation symmetry"
).split()
_VERBS = "study derive measure bound improve simulate characterise compare generalise".split()
_NAMES = "Okafor Lindqvist Marchetti Tanaka Duarte Nowak Haddad Petrov Sörensen Iyer".split()


def made_up_pages(source: random.Random) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield title pages with their records."""

    def thing() -> str:
        return f"{source.choice(_ADJECTIVES)} {source.choice(_NOUNS)}"

    def sentence() -> str:
        forms = (
            f"We {source.choice(_VERBS)} the {thing()} of a {thing()} and a {thing()}",
            f"The {thing()} depends on the {thing()} by {source.randrange(2, 99)} per cent",
            f"Unlike the {thing()}, every {thing()} is a {thing()} in {source.randrange(2, 9)} "
            f"dimensions",
            f"Our results for the {thing()} agree with {source.choice(_NAMES)} "
            f"({source.randrange(1980, 2024)})",
        )
        return source.choice(forms) + "."

    def wrapped(sentences: int) -> str:
        return textwrap.fill(" ".join(sentence() for _ in range(sentences)), 78)

    while True:
        title = f"On the {thing()} of a {thing()} with a {thing()}"
        names = ", ".join(source.sample(_NAMES, 3))
        abstract = wrapped(source.randrange(4, 8))
        text = f"{title}\n\n{names}\n\nAbstract\n{abstract}\n\n1 Introduction\n{wrapped(3)}"
        yield text, {"title": title, "abstract": abstract}


# What is compared


@dataclass
class Side:
    """A way to answer: its name, its function, and the seconds of each round."""

    name: str
    answer: Callable[[], list[tuple[int, ...]]]
    seconds: list[float] = field(default_factory=list)


def trained(plugin: str, folder: Path, data: Path | None, settings: dict[str, object]) -> Path:
    """Train the embedded model through the command line; return the run."""
    print(f"training on {plugin} …", flush=True)
    chosen = [f"--set={name}={value}" for name, value in settings.items()]
    source = ["--data", str(data)] if data else []
    subprocess.run(
        [EXTRACT, "train", "--plugin", plugin, "--output", folder, *source, *chosen, *CAUSAL],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder


def load(run: Path, *, merged: bool = True) -> Any:
    """Load a run as an extractor."""
    from fieldsmith.extraction.extractor import Extractor
    from fieldsmith.model.loading import load_for_inference
    from fieldsmith.model.prompts import PromptFormat
    from fieldsmith.model.tokenizer import load_tokenizer
    from fieldsmith.runs.folder import Run
    from fieldsmith.runs.job import plugin_of

    opened = Run.open(run)
    settings = replace(opened.settings().values, merge="yes" if merged else "no")
    model = load_for_inference(settings, opened.adapter)
    prompts = PromptFormat(load_tokenizer(settings, opened.adapter))
    task = Task(plugin_of(opened), settings, prompts)
    return Extractor.around(model, task, opened.answered(), longest=opened.longest_lists())


def documents_of(extractor: Any, data: Path | None, count: int) -> list[Document]:
    """Return documents that the model was not trained on, as far as the split tells."""
    from fieldsmith.dataset.loading import read_examples

    examples = [e for e in read_examples(extractor.task.plugin, data) if isinstance(e, Example)]
    unseen = [e for e in examples if e.split == "test"] or examples
    return [example.document for example in unseen[:count]]


def asked(extractor: Any, documents: Sequence[Document]) -> list[Any]:
    """Return the prompts of all windows of some documents."""
    from fieldsmith.decoding.sequence import Prompt
    from fieldsmith.windows.cutting import cut

    task = extractor.task
    windows = [w for d in documents for w in cut(d, task.settings, task.prompts)]
    return [
        Prompt(
            task.prompt(window.document),
            extractor.grammars.for_text(window.document.text),
        )
        for window in windows
    ]


def ours(extractor: Any, prompts: Sequence[Any], batch: int, stats: Any) -> Side:
    """Return the side of this package."""
    from fieldsmith.decoding.generate import generate

    def answer() -> list[tuple[int, ...]]:
        found = generate(
            extractor.model,
            prompts,
            stops=extractor.task.prompts.stops,
            max_new_tokens=extractor.task.settings.max_new_tokens,
            batch_size=batch,
            stats=stats,
        )
        return [one.ids for one in found]

    return Side(f"ours, batch {batch}", answer)


def theirs(extractor: Any, prompts: Sequence[Any], batch: int, *, held: bool = True) -> Side:
    """Return the side of transformers, constrained by the grammars or not."""

    def answer() -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = [()] * len(prompts)
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].ids))
        for at in range(0, len(order), batch):
            rows = order[at : at + batch]
            ids = generated(extractor, [prompts[i] for i in rows], held=held)
            for row, tokens in zip(rows, ids, strict=True):
                found[row] = tokens
        return found

    return Side(f"transformers, {'held' if held else 'free'}, batch {batch}", answer)


def generated(extractor: Any, prompts: Sequence[Any], *, held: bool) -> list[tuple[int, ...]]:
    """Return what ``model.generate`` writes after each of some prompts, padded on the left."""
    import torch
    from transformers import GenerationConfig
    from transformers.generation.logits_process import LogitsProcessorList

    stops = extractor.task.prompts.stops
    longest = max(len(prompt.ids) for prompt in prompts)
    fill = [longest - len(prompt.ids) for prompt in prompts]
    ids = [[stops[0]] * n + list(p.ids) for n, p in zip(fill, prompts, strict=True)]
    with torch.inference_mode():
        output = extractor.model.generate(
            input_ids=torch.tensor(ids),
            attention_mask=torch.tensor([[0] * n + [1] * (longest - n) for n in fill]),
            generation_config=GenerationConfig(
                max_new_tokens=extractor.task.settings.max_new_tokens,
                do_sample=False,
                use_cache=True,
                eos_token_id=list(stops),
                pad_token_id=stops[0],
            ),
            logits_processor=LogitsProcessorList([processor(prompts, longest)] if held else []),
        )
    return [
        tuple(itertools.takewhile(lambda token: token not in stops, row))
        for row in output[:, longest:].tolist()
    ]


def processor(prompts: Sequence[Any], start: int) -> Any:
    """Return a logits processor that masks each token by the grammar of its row."""
    import torch
    from transformers.generation.logits_process import LogitsProcessor

    from fieldsmith.decoding.json_state import JsonState

    class Held(LogitsProcessor):
        def __init__(self) -> None:
            self.matchers = [prompt.grammar.matcher() for prompt in prompts]
            self.states = [JsonState() for _ in prompts]
            self.closing: list[list[int]] = [[] for _ in prompts]  # where a list repeats itself

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            for row, last in enumerate(input_ids[:, -1].tolist()):
                matcher = self.matchers[row]
                if input_ids.shape[1] > start and not matcher.ended:
                    matcher.consume([last])
                if matcher.ended:
                    self.let(scores, row, prompts[row].grammar.vocabulary.stops)
                elif self.closing[row]:
                    self.let(scores, row, [self.closing[row].pop(0)])
                else:
                    allowed = torch.zeros(scores.shape[1], dtype=torch.bool)
                    found = torch.from_numpy(matcher.allowed())
                    allowed[: len(found)] = found
                    scores[row].masked_fill_(~allowed, -torch.inf)
                    if prompts[row].grammar.grammars.end_repeats:
                        self.follow(scores, row)
            return scores

        def let(self, scores: torch.Tensor, row: int, tokens: Iterable[int]) -> None:
            scores[row] = -torch.inf
            scores[row, list(tokens)] = 0

        def follow(self, scores: torch.Tensor, row: int) -> None:
            vocabulary = prompts[row].grammar.vocabulary
            data = vocabulary.bytes_of(int(scores[row].argmax()))
            done = self.states[row].write(data)
            if done == len(data):
                return
            closing = vocabulary.tokenize(data[:done] + b"]")
            if self.matchers[row].accepted(closing) < len(closing):
                self.states[row].write(data[done:], repeats=True)
                return
            self.states[row].write(b"]")
            self.let(scores, row, closing[:1])
            self.closing[row] = closing[1:]

    return Held()


def compare(extractor: Any, documents: Sequence[Document], rounds: int) -> None:
    """Print the speed of both sides on some documents, and statistics of our decoding."""
    import torch

    from fieldsmith.decoding.sequence import DecodingStats

    prompts = asked(extractor, documents)
    counted = {batch: DecodingStats() for batch in (1, 8)}
    sides = {
        ("ours", batch): ours(extractor, prompts, batch, counted[batch]) for batch in counted
    } | {("held", batch): theirs(extractor, prompts, batch) for batch in counted}
    sides["free", 1] = theirs(extractor, prompts, 1, held=False)
    answers = {name: side.answer() for name, side in sides.items()}  # warms up, too
    for round_ in range(rounds):
        for side in list(sides.values())[:: 1 if round_ % 2 else -1]:
            began = time.perf_counter()
            side.answer()
            side.seconds.append(time.perf_counter() - began)
    tokens = sum(map(len, answers["ours", 1]))
    print(f"{len(documents)} documents, {len(prompts)} windows, {tokens} tokens of answers")
    for side in sides.values():
        rate = len(documents) / statistics.median(side.seconds)
        print(f"  {side.name:30} {rate:7.2f} documents a second")
    for batch, other in ((1, "held"), (8, "held"), (1, "free")):
        ratios = [
            b / a
            for a, b in zip(sides["ours", batch].seconds, sides[other, batch].seconds, strict=True)
        ]
        print(
            f"  ours is {statistics.median(ratios):.2f} times as fast as "
            f"{sides[other, batch].name} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    for batch, stats in counted.items():
        same = sum(
            a == b for a, b in zip(answers["ours", batch], answers["held", batch], strict=True)
        )
        print(
            f"  batch {batch}: {same} of {len(prompts)} windows have the same answer; "
            f"{summary(stats)}"
        )
        if extractor.model.dtype == torch.float32:  # more tokens are ties in bf16
            assert same >= ALIKE * len(prompts), "the sides do not answer alike"


def summary(stats: Any) -> str:
    """Return the statistics of decoding as one line."""
    share = (stats.grammar_seconds + stats.compile_seconds) / stats.total_seconds
    return (
        f"{stats.tokens / stats.steps:.2f} tokens a model step; of the tokens "
        f"{stats.forced / stats.tokens:.0%} forced, {stats.accepted / stats.tokens:.0%} guessed "
        f"({stats.accepted / max(1, stats.drafted):.0%} of the guesses); "
        f"{stats.masks / stats.tokens:.1%} wanted a mask; grammars took {share:.1%} of the time"
    )


def grammars(extractor: Any, documents: Sequence[Document]) -> None:
    """Print the time of masks and grammars."""
    from fieldsmith.decoding.sequence import DecodingStats, Prompt

    texts = [document.text for document in documents]
    words = " ".join(texts * (1 + WORDS // sum(len(text.split()) for text in texts))).split(" ")
    long = Document("long", " ".join(words[:WORDS]))
    grammar = extractor.grammars.for_text(long.text)
    whole = Prompt(extractor.task.prompt(long), grammar)
    for name, prompts in (("cut into windows", asked(extractor, [long])), ("read whole", [whole])):
        stats = DecodingStats()
        side = ours(extractor, prompts, 1, stats)
        answers = side.answer()
        print(f"  a document of {WORDS} words, {name}: {summary(stats)}")
    matcher = grammar.matcher()
    masks = []
    for token in answers[0]:
        began = time.perf_counter()
        matcher.allowed()
        masks.append(time.perf_counter() - began)
        matcher.consume([token])
    print(
        f"  a mask of its grammar: median {statistics.median(masks) * 1e6:.0f} µs, "
        f"largest {max(masks) * 1e6:.0f} µs"
    )
    abstracts = list(itertools.islice(itertools.cycle(texts), ABSTRACTS))
    began = time.perf_counter()
    for text in abstracts:
        extractor.grammars.for_text(text).matcher()
    print(f"  the grammars of {ABSTRACTS} abstracts: {time.perf_counter() - began:.2f} s")


def main(options: Sequence[str] = ()) -> None:
    """Train where no run is given, then print all comparisons."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks decoding")
    parser.add_argument("--run", type=Path, help="a run of a causal model")
    parser.add_argument("--data", type=Path, help="documents for it")
    parser.add_argument("--pages-run", type=Path, help="of this module's plugin")
    parser.add_argument("--pages", type=Path, help="title pages: JSONL of id, text, record")
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(options)
    import torch

    from fieldsmith.model.library_output import quieten

    quieten()
    with tempfile.TemporaryDirectory() as name, installed(PLUGIN, __name__):
        if chosen.run and not chosen.pages_run:
            extractor = load(chosen.run)
            found = documents_of(extractor, chosen.data, chosen.documents)
            print(f"{chosen.run}, {extractor.model.dtype}, {torch.get_num_threads()} threads")
            compare(extractor, found, chosen.rounds)
            return
        folder = Path(name)
        run = chosen.run or trained("medical_ner", folder / "records", None, {})
        pages_run = chosen.pages_run or trained(
            PLUGIN, folder / "pages", chosen.pages, PAGE_SETTINGS
        )
        print(f"torch runs {torch.get_num_threads()} threads")
        records = load(run)
        documents = documents_of(records, chosen.data, chosen.documents)
        print("### Sentences of abstracts, weights merged")
        compare(records, documents, chosen.rounds)
        print("### Masks and grammars")
        grammars(records, documents)
        print("### Title pages, weights merged")
        pages = load(pages_run)
        compare(pages, documents_of(pages, chosen.pages, chosen.documents), chosen.rounds)
        print("### Sentences of abstracts, adapter over four-bit weights")
        compare(load(run, merged=False), documents[: len(documents) // 2], chosen.rounds)
