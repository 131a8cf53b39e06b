"""Make the small base model that ships in the package.

    python -m tools.pretraining --text DIR --out core/base --minutes 60 --seed 0

First the model learns to copy (random tokens, repeated from another start), because extraction is
copying and a model of this size learns it from nothing else. Then it reads a mixture of self-made
extraction, language and copying, whose rows grow longer. With `--tokens` the schedule counts
tokens, so that a seed gives the same model again on the same machine with as many workers; with
`--minutes` it follows the clock. Killed and started again with the same arguments, it goes on from
its last checkpoint. With `--start FOLDER` it goes on from the weights of an earlier model.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import distributed
from torch.multiprocessing.spawn import spawn
from torch.nn import functional
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

from .batches import KINDS, Batch, Encoder, Sources, copying_batch, mixed_batch
from .pages import page_example
from .tasks import INSTRUCTION, extraction_example, passage
from .tokenizer import (
    BEGIN,
    END_OF_TURN,
    PAD,
    for_transformers,
    read_corpora,
    spaced_variants,
    train_tokenizer,
)
from .wordnet import Lexicon

WIDTH, FEED_FORWARD, LAYERS, HEADS = 256, 704, 4, 4
VOCABULARY, SPACED = 4096, 1280
PEAK_RATE = 3e-3
WARM_UP_STEPS = 100
# Rows and tokens a row, for each worker.
COPYING_SHAPE = (64, 64)
SHORT_SHAPE, PAGE_SHAPE, LONG_SHAPE = (16, 256), (4, 1024), (2, 2048)
# Long rows cost more a token: they come when short ones are read well.
LONG_FROM = 0.15
SHAPES = (SHORT_SHAPE, SHORT_SHAPE, PAGE_SHAPE, SHORT_SHAPE, SHORT_SHAPE, LONG_SHAPE, SHORT_SHAPE)
LONGEST = 2048
# Field names that deserve a piece of their own in the vocabulary.
FIELD_WORDS = (
    "chemical chemicals disease diseases relations title authors doi abstract keywords topics "
    "description publisher license language name url date creator"
)
LEARNT = 0.9  # copying accuracy at which the mixture begins

Measure = Callable[[Batch], tuple[torch.Tensor, torch.Tensor]]


@dataclass
class State:
    """The progress of a training: what a resumed run needs besides weights and optimizer state."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    copying: bool = True
    copied: float = 0.0
    sums: dict[str, list[float]] = field(default_factory=dict)


def log(folder: Path, entry: dict[str, Any]) -> None:
    """Write an entry to stderr as text and to the log as JSON."""
    print(" ".join(f"{key}={value}" for key, value in entry.items()), file=sys.stderr, flush=True)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry) + "\n")


def make_tokenizer(sources: Sources, seed: int, size: int, spaced: int) -> Tokenizer:
    """A tokenizer from passages, definitions and self-made answers."""
    random = Random(seed)
    corpus, lexicon = sources.corpus, sources.lexicon
    texts = [passage(corpus, random) for _ in range(30000)]
    texts += random.sample(lexicon.definitions, min(10000, len(lexicon.definitions)))
    pages = [page_example(corpus, random) for _ in range(4000)]
    texts += [page.user for page in pages]
    examples = [extraction_example(corpus, lexicon, random) for _ in range(10000)] + pages
    texts += [e.answer for e in examples] + [e.system for e in examples]
    # Every prompt holds these, so they get pieces of their own however rare they are in the text.
    texts += [f"{INSTRUCTION}, {word}" for word in FIELD_WORDS.split() for _ in range(1500)]
    texts += [f"{role}\n\n" for role in ("system", "user", "assistant") for _ in range(10000)]
    texts += ['":[{"', '"},{"', '"}]}', '"}],"', "[]{", "}]}"] * 2500
    return train_tokenizer(texts, size, spaced)


def make_model(tokenizer: Tokenizer, seed: int) -> LlamaForCausalLM:
    """A fresh model; the pieces ` word` and `word` start out alike, as they mean the same."""
    torch.manual_seed(seed)
    special = Encoder(tokenizer).special
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=WIDTH,
        intermediate_size=FEED_FORWARD,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=LONGEST,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=special[BEGIN],
        eos_token_id=special[END_OF_TURN],
        pad_token_id=special[PAD],
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        bos_token_id=special[BEGIN], eos_token_id=special[END_OF_TURN], pad_token_id=special[PAD]
    )
    weight = model.model.embed_tokens.weight
    with torch.no_grad():
        for spaced, plain in spaced_variants(tokenizer).items():
            weight[spaced] = (weight[spaced] + weight[plain]) / math.sqrt(2)
    return model


def make_measure(model: LlamaForCausalLM, device: str, compiled: bool) -> Measure:
    """Loss and correctness of each token of a batch."""

    def forward(
        ids: torch.Tensor,
        positions: torch.Tensor,
        segments: torch.Tensor,
        prefixes: torch.Tensor,
        targets: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        own = segments[:, :, None] == segments[:, None, :]
        seen = own.tril() | (own & prefixes[:, :, None] & prefixes[:, None, :])
        seen = seen[:, None]
        logits = model(input_ids=ids, position_ids=positions, attention_mask=seen).logits.float()
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return loss.view_as(targets), logits.argmax(-1) == targets

    run = torch.compile(forward, dynamic=False) if compiled else forward

    def measure(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        tensors = (batch.ids, batch.positions, batch.segments, batch.prefixes, batch.targets)
        with torch.autocast(device, dtype=torch.bfloat16):
            loss, hits = run(*(tensor.to(device) for tensor in tensors))
        return loss, hits

    return measure


def by_kind(batch: Batch, loss: torch.Tensor, hits: torch.Tensor) -> dict[str, list[float]]:
    """Count, loss and hits by kind; of extraction only the answer is counted."""
    loss, hits = loss.detach().float().cpu(), hits.cpu()
    sums = {}
    for number, kind in enumerate(KINDS):
        chosen = (batch.kinds == number) & (batch.weights > (0.5 if kind == "extraction" else 0))
        count = int(chosen.sum())
        if count:
            sums[kind] = [count, float(loss[chosen].sum()), float(hits[chosen].sum())]
    return sums


def add(total: dict[str, list[float]], more: dict[str, list[float]]) -> None:
    """Add sums by kind in place."""
    for kind, values in more.items():
        old = total.get(kind, [0.0] * len(values))
        total[kind] = [a + b for a, b in zip(old, values, strict=True)]


def averages(sums: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Loss and accuracy a token, by kind."""
    return {
        kind: {"loss": round(loss / count, 3), "accuracy": round(hits / count, 4)}
        for kind, (count, loss, hits) in sums.items()
    }


def held_out_batches(encoder: Encoder, sources: Sources, count: int) -> Iterator[Batch]:
    """The same held-out rows each time, whatever the seed."""
    for number in range(count):
        shape = PAGE_SHAPE if number % 3 == 2 else SHORT_SHAPE
        yield mixed_batch(encoder, sources, Random(f"held out {number}"), *shape)


def held_out(measure: Measure, encoder: Encoder, sources: Sources, count: int) -> dict[str, Any]:
    """Held-out loss and accuracy by kind, and the share of records with every token right.

    With the right tokens before it, every token right is the same as greedy decoding giving the
    very record.
    """
    sums: dict[str, list[float]] = {}
    records = exact = filled = exact_filled = 0
    for batch in held_out_batches(encoder, sources, count):
        with torch.no_grad():
            loss, hits = measure(batch)
        add(sums, by_kind(batch, loss, hits))
        answer = (batch.kinds == KINDS.index("extraction")) & (batch.weights > 0.5)
        for number in range(len(batch.ids)):
            for segment in range(1, int(batch.segments[number].max()) + 1):
                chosen = answer[number] & (batch.segments[number] == segment)
                if not chosen.any():
                    continue
                right = bool(hits[number].cpu()[chosen].all())
                records, exact = records + 1, exact + right
                # Answers of more than 24 tokens hold at least some value.
                if int(chosen.sum()) > 24:
                    filled, exact_filled = filled + 1, exact_filled + right
    result: dict[str, Any] = averages(sums)
    result["records"] = records
    result["exact"] = round(exact / max(1, records), 4)
    result["exact_long"] = round(exact_filled / max(1, filled), 4)
    return result


def rate(peak: float, step: int, progress: float) -> float:
    """Warm-up by steps, then a cosine of the progress down to a fiftieth."""
    falling = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return peak * min(1.0, (step + 1) / WARM_UP_STEPS) * falling


def make_optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the model, AdamW for embeddings and norms.

    Source: K. Jordan et al., "Muon" (2024); the scale that lets both share one rate is that of
    J. Liu et al., "Muon is scalable for LLM training" (2025).
    """
    inside = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in inside}
    others = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(inside, lr=PEAK_RATE, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.01, fused=True),
    ]


def save_checkpoint(
    folder: Path, model: LlamaForCausalLM, optimizers: list[torch.optim.Optimizer], state: State
) -> None:
    """Write a checkpoint, replacing the last one atomically."""
    parts = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "state": asdict(state),
    }
    torch.save(parts, folder / "checkpoint.tmp")
    os.replace(folder / "checkpoint.tmp", folder / "checkpoint.pt")


def load_checkpoint(
    folder: Path, model: LlamaForCausalLM, optimizers: list[torch.optim.Optimizer], device: str
) -> State:
    """The state of the last checkpoint, its weights loaded; a new state if there is none."""
    path = folder / "checkpoint.pt"
    if not path.exists():
        return State()
    parts = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(parts["model"])
    for optimizer, kept in zip(optimizers, parts["optimizers"], strict=True):
        optimizer.load_state_dict(kept)
    return State(**parts["state"])


def export(model: LlamaForCausalLM, tokenizer: Tokenizer, out: Path) -> None:
    """Model (bf16) and tokenizer as plain transformers files; each file replaced in one step."""
    out.mkdir(parents=True, exist_ok=True)
    half = AutoModelForCausalLM.from_config(model.config, dtype=torch.bfloat16)
    half.load_state_dict(model.state_dict())
    half.generation_config = model.generation_config
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".base-") as name:
        half.save_pretrained(name)
        for_transformers(tokenizer, LONGEST).save_pretrained(name)
        for path in sorted(Path(name).iterdir()):
            os.chmod(path, 0o644)
            shutil.move(path, out / path.name)


def make_batch(
    encoder: Encoder, sources: Sources, state: State, progress: float, seed: str
) -> Batch:
    """Return the batch of a step; it depends only on seed, step, stage and progress."""
    random = Random(f"{seed} {state.step}")
    if state.copying:
        return copying_batch(encoder, random, *COPYING_SHAPE)
    shape = SHAPES[state.step % len(SHAPES)] if progress >= LONG_FROM else SHORT_SHAPE
    return mixed_batch(encoder, sources, random, *shape)


class Crew:
    """Processes that read batches of their own and step together, with one gradient."""

    def __init__(self, rank: int, size: int, folder: Path) -> None:
        self.rank, self.size = rank, size
        if size > 1:
            meeting = f"file://{(folder / 'meeting').resolve()}"
            distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)

    def average(self, model: LlamaForCausalLM, numbers: list[float]) -> list[float]:
        """Average the gradients in place; return the averages of some numbers beside them."""
        if self.size == 1:
            return numbers
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in gradients), torch.tensor(numbers)])
        distributed.all_reduce(flat)
        flat /= self.size
        at = 0
        for gradient in gradients:
            gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
            at += gradient.numel()
        return [float(number) for number in flat[at:]]


def train(rank: int, arguments: argparse.Namespace) -> None:
    """Run the pretraining: text, tokenizer, model, training, export, held-out scores."""
    folder, device, seed = arguments.checkpoint, arguments.device, arguments.seed
    torch.set_num_threads(arguments.threads)
    lexicon = Lexicon(arguments.lexicon)
    corpus, unseen = (Sources(papers, lexicon) for papers in read_corpora(arguments.text))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoder = Encoder(tokenizer)
    model = make_model(tokenizer, seed).to(device)
    optimizers = make_optimizers(model)
    state = load_checkpoint(folder, model, optimizers, device)
    if arguments.start and not state.step:
        start = AutoModelForCausalLM.from_pretrained(arguments.start, dtype=torch.float32)
        model.load_state_dict(start.state_dict())
        state.copying = False
    measure = make_measure(model, device, compiled=not arguments.eager)
    crew = Crew(rank, arguments.workers, folder)
    lead = rank == 0
    if lead:
        log(folder, {"parameters": model.num_parameters(), "step": state.step})

    began, before = time.monotonic(), state.seconds
    logged = saved = began
    logged_tokens = state.tokens
    budget = arguments.tokens or arguments.minutes * 60
    progress = (state.tokens if arguments.tokens else state.seconds) / budget
    while progress < 1:
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = rate(arguments.rate, state.step, progress)
        batch = make_batch(encoder, corpus, state, progress, f"{seed} {rank}")
        loss, hits = measure(batch)
        weights = batch.weights.to(device)
        torch.autograd.backward((loss * weights).sum() / weights.sum())
        sums = by_kind(batch, loss, hits)
        count, _, right = sums.get("copy", [1, 0, 0])
        seconds = before + time.monotonic() - began
        tokens = int((batch.kinds >= 0).sum())
        tokens_each, seconds, copied = crew.average(model, [tokens, seconds, right / count])
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        state.step += 1
        state.tokens += round(tokens_each * crew.size)
        state.seconds = seconds
        progress = (state.tokens if arguments.tokens else state.seconds) / budget
        add(state.sums, sums)
        if state.copying:
            state.copied = 0.9 * state.copied + 0.1 * copied
            if state.copied > LEARNT or progress > 0.3:
                state.copying = False
                if lead:
                    log(folder, {"copying": round(state.copied, 3), "step": state.step})
                    export(model, tokenizer, arguments.out)
                if arguments.copying_only:
                    break
        now = time.monotonic()
        if lead and now - logged > 30:
            pace = round((state.tokens - logged_tokens) / (now - logged))
            entry = {"step": state.step, "tokens": state.tokens, "progress": round(progress, 3)}
            log(folder, entry | {"a_second": pace} | averages(state.sums))
            state.sums, logged, logged_tokens = {}, now, state.tokens
        if lead and now - saved > arguments.save_every:
            save_checkpoint(folder, model, optimizers, state)
            if not state.copying:
                log(folder, {"held_out": held_out(measure, encoder, unseen, 6)})
            saved = time.monotonic()

    if lead:
        save_checkpoint(folder, model, optimizers, state)
        export(model, tokenizer, arguments.out)
        # What is shipped is measured, not what was trained: the weights rounded to bf16.
        shipped = AutoModelForCausalLM.from_pretrained(arguments.out, dtype=torch.float32)
        measure = make_measure(shipped.to(device), device, compiled=False)
        numbers = held_out(measure, encoder, unseen, arguments.held_out)
        log(folder, {"final": numbers, "step": state.step, "tokens": state.tokens})


def prepare(arguments: argparse.Namespace) -> None:
    """Make the tokenizer, or load that of an earlier run or of the model to continue."""
    folder: Path = arguments.checkpoint
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meeting").unlink(missing_ok=True)
    path = folder / "tokenizer.json"
    if path.exists():
        return
    if arguments.start:
        shutil.copyfile(arguments.start / "tokenizer.json", path)
        return
    corpus, _unseen = read_corpora(arguments.text)
    sources = Sources(corpus, Lexicon(arguments.lexicon))
    make_tokenizer(sources, arguments.seed, VOCABULARY, SPACED).save(str(path))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--text", type=Path, required=True, help="folder of the text")
    parser.add_argument(
        "--lexicon", type=Path, default=Path("/usr/share/wordnet"), help="folder of WordNet"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="train for so long")
    budget.add_argument("--tokens", type=int, help="train on so many tokens")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--rate", type=float, default=PEAK_RATE, help="peak of the rate; lower with --start"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--workers", type=int, help="processes that step together (one a core; one on a GPU)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of each worker")
    parser.add_argument("--copying-only", action="store_true", help="stop once the model copies")
    parser.add_argument("--start", type=Path, help="model to go on from, its tokenizer included")
    parser.add_argument("--checkpoint", type=Path, default=Path(".pretrain"))
    parser.add_argument("--save-every", type=float, default=240, help="seconds between checkpoints")
    parser.add_argument(
        "--held-out", type=int, default=40, help="batches that the model is measured on at the end"
    )
    parser.add_argument("--eager", action="store_true", help="do not compile the model")
    arguments = parser.parse_args()
    if arguments.workers is None:
        arguments.workers = 1 if arguments.device == "cuda" else os.cpu_count() or 1
    prepare(arguments)
    if arguments.workers == 1:
        train(0, arguments)
    else:
        spawn(train, (arguments,), nprocs=arguments.workers)


if __name__ == "__main__":
    main()
