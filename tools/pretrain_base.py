"""Make the small base model that ships in the package.

    python tools/pretrain_base.py --text DIR --out core/base --minutes 60 --seed 0

First the model learns to copy (random tokens, repeated from another start), because extraction is
copying and a model of this size learns it from nothing else. Then it reads a mixture of self-made
extraction, language and copying. With `--tokens` the schedule counts tokens, so that a seed gives
the same model again on the same machine; with `--minutes` it follows the clock. Killed and started
again with the same arguments, it goes on from its last checkpoint.
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
from pretraining_rows import KINDS, Batch, Encoder, copying_batch, mixed_batch
from pretraining_tasks import INSTRUCTION, extraction_example, passage
from pretraining_text import (
    BEGIN,
    END_OF_TURN,
    PAD,
    Corpus,
    for_transformers,
    read_corpora,
    spaced_variants,
    train_tokenizer,
)
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

PEAK_RATE = 2e-3
WARM_UP_STEPS = 100
COPYING_SHAPE = (64, 64)
MIXED_SHAPE = (16, 256)
LONG_SHAPE = (8, 512)
LONG_EVERY = 12
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
    """Where the training stands; all that a resumed run needs beside weights and moments."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    copying: bool = True
    copied: float = 0.0
    sums: dict[str, list[float]] = field(default_factory=dict)


def log(folder: Path, entry: dict[str, Any]) -> None:
    """One line for people on stderr, one for programs in the log."""
    print(" ".join(f"{key}={value}" for key, value in entry.items()), file=sys.stderr, flush=True)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry) + "\n")


def make_tokenizer(corpus: Corpus, folder: Path, seed: int) -> Tokenizer:
    """The tokenizer of an earlier start, or a new one from passages and self-made answers."""
    path = folder / "tokenizer.json"
    if path.exists():
        return Tokenizer.from_file(str(path))
    random = Random(seed)
    texts = [passage(corpus, random) for _ in range(30000)]
    examples = [extraction_example(corpus, random) for _ in range(10000)]
    texts += [e.answer for e in examples] + [e.system for e in examples]
    # Every prompt holds these, so they get pieces of their own however rare they are in the text.
    texts += [f"{INSTRUCTION}, {word}" for word in FIELD_WORDS.split() for _ in range(1500)]
    texts += [f"{role}\n\n" for role in ("system", "user", "assistant") for _ in range(10000)]
    texts += ['":[{"', '"},{"', '"}]}', '"}],"', "[]{", "}]}"] * 2500
    tokenizer = train_tokenizer(texts)
    tokenizer.save(str(path))
    return tokenizer


def make_model(tokenizer: Tokenizer, seed: int) -> LlamaForCausalLM:
    """A fresh model; the pieces ` word` and `word` start out alike, as they mean the same."""
    torch.manual_seed(seed)
    special = Encoder(tokenizer).special
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
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
        ids: torch.Tensor, positions: torch.Tensor, segments: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen = (segments[:, :, None] == segments[:, None, :]).tril()[:, None]
        logits = model(input_ids=ids, position_ids=positions, attention_mask=seen).logits.float()
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return loss.view_as(targets), logits.argmax(-1) == targets

    run = torch.compile(forward, dynamic=False) if compiled else forward

    def measure(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        tensors = (batch.ids, batch.positions, batch.segments, batch.targets)
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


def held_out_batches(encoder: Encoder, corpus: Corpus, count: int) -> Iterator[Batch]:
    """The same held-out rows each time, whatever the seed."""
    for number in range(count):
        yield mixed_batch(encoder, corpus, Random(f"held out {number}"), *MIXED_SHAPE)


def held_out(measure: Measure, encoder: Encoder, corpus: Corpus, count: int) -> dict[str, Any]:
    """Held-out loss and accuracy by kind, and the share of records with every token right.

    With the right tokens before it, every token right is the same as greedy decoding giving the
    very record.
    """
    sums: dict[str, list[float]] = {}
    records = exact = filled = exact_filled = 0
    for batch in held_out_batches(encoder, corpus, count):
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


def rate(step: int, progress: float) -> float:
    """Warm-up by steps, then a cosine of the progress down to a fiftieth."""
    falling = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return PEAK_RATE * min(1.0, (step + 1) / WARM_UP_STEPS) * falling


def save_checkpoint(
    folder: Path, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, state: State
) -> None:
    """Write a checkpoint beside the last one, then take its place in one step."""
    parts = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "state": asdict(state),
    }
    torch.save(parts, folder / "checkpoint.tmp")
    os.replace(folder / "checkpoint.tmp", folder / "checkpoint.pt")


def load_checkpoint(
    folder: Path, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, device: str
) -> State:
    """The state of the last checkpoint, its weights loaded; a new state if there is none."""
    path = folder / "checkpoint.pt"
    if not path.exists():
        return State()
    parts = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(parts["model"])
    optimizer.load_state_dict(parts["optimizer"])
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


def make_batch(encoder: Encoder, corpus: Corpus, state: State, seed: int) -> Batch:
    """The batch of a step: of nothing but the seed, the step and the stage."""
    random = Random(f"{seed} {state.step}")
    if state.copying:
        return copying_batch(encoder, random, *COPYING_SHAPE)
    long = state.step % LONG_EVERY == 0
    return mixed_batch(encoder, corpus, random, *(LONG_SHAPE if long else MIXED_SHAPE))


def train(arguments: argparse.Namespace) -> None:
    """The whole way: text, tokenizer, model, training, export, held-out numbers."""
    folder, device, seed = arguments.checkpoint, arguments.device, arguments.seed
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    corpus, unseen = read_corpora(arguments.text)
    tokenizer = make_tokenizer(corpus, folder, seed)
    encoder = Encoder(tokenizer)
    model = make_model(tokenizer, seed).to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.05, fused=True
    )
    state = load_checkpoint(folder, model, optimizer, device)
    measure = make_measure(model, device, compiled=not arguments.eager)
    log(folder, {"parameters": model.num_parameters(), "step": state.step, "tokens": state.tokens})

    began, before = time.monotonic(), state.seconds
    logged = saved = began
    logged_tokens = state.tokens
    progress = 0.0
    while True:
        state.seconds = before + time.monotonic() - began
        budget = arguments.tokens or arguments.minutes * 60
        progress = (state.tokens if arguments.tokens else state.seconds) / budget
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate(state.step, progress)
        batch = make_batch(encoder, corpus, state, seed)
        loss, hits = measure(batch)
        weights = batch.weights.to(device)
        torch.autograd.backward((loss * weights).sum() / weights.sum())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        state.step += 1
        state.tokens += int((batch.kinds >= 0).sum())
        sums = by_kind(batch, loss, hits)
        add(state.sums, sums)
        if state.copying:
            count, _, right = sums["copy"]
            state.copied = 0.9 * state.copied + 0.1 * right / count
            if state.copied > LEARNT or progress > 0.3:
                state.copying = False
                log(folder, {"copying": round(state.copied, 3), "step": state.step})
                export(model, tokenizer, arguments.out)
        now = time.monotonic()
        if now - logged > 30:
            pace = round((state.tokens - logged_tokens) / (now - logged))
            entry = {"step": state.step, "tokens": state.tokens, "progress": round(progress, 3)}
            log(folder, entry | {"a_second": pace} | averages(state.sums))
            state.sums, logged, logged_tokens = {}, now, state.tokens
        if now - saved > arguments.save_every:
            save_checkpoint(folder, model, optimizer, state)
            if not state.copying:
                log(folder, {"held_out": held_out(measure, encoder, unseen, 6)})
            saved = time.monotonic()

    save_checkpoint(folder, model, optimizer, state)
    export(model, tokenizer, arguments.out)
    # What is shipped is measured, not what was trained: the weights rounded to bf16.
    shipped = AutoModelForCausalLM.from_pretrained(arguments.out, dtype=torch.float32).to(device)
    numbers = held_out(make_measure(shipped, device, compiled=False), encoder, unseen, 40)
    log(folder, {"final": numbers, "step": state.step, "tokens": state.tokens})


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--text", type=Path, required=True, help="folder of the text")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="train for so long")
    budget.add_argument("--tokens", type=int, help="train on so many tokens")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--checkpoint", type=Path, default=Path(".pretrain"))
    parser.add_argument("--save-every", type=float, default=240, help="seconds between checkpoints")
    parser.add_argument("--eager", action="store_true", help="do not compile the model")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
