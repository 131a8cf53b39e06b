"""Compare the memory that ``extract plan`` estimates with measured peaks of training on the CPU.

    python -m benchmarks memory_vs_plan

Each case trains a few steps in a process of its own, with random weights, then answers prompts as
held-out documents are answered. The measured value is the peak resident size (VmHWM) of each minus
the resident size before the weights are loaded. It is measured twice: where glibc returns freed
blocks at once (MALLOC_MMAP_THRESHOLD_=131072), and with glibc's defaults.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

STEPS = 2


@dataclass(frozen=True)
class Case:
    """A model and its batches.

    Attributes:
        model: "" for the embedded one, else width, layers and vocabulary of a random one.
        rows: rows of a training batch.
        length: tokens of each row.
        precision: "fp32" or "bf16".
        attention: the attention implementation.
        checkpointing: whether activations are checkpointed.
        prompts: prompts that are answered at once.
        prompt_length: tokens of each prompt.
    """

    model: str
    rows: int
    length: int
    precision: str
    attention: str = "eager"
    checkpointing: bool = False
    prompts: int = 64
    prompt_length: int = 320


CASES = (
    Case("", 32, 128, "fp32"),
    Case("", 32, 128, "bf16"),
    Case("", 8, 512, "fp32", "sdpa", prompts=16, prompt_length=1600),
    Case("", 32, 256, "fp32", checkpointing=True, prompts=16, prompt_length=1600),
    Case("384,8,4096", 8, 256, "fp32"),
    Case("384,8,4096", 8, 256, "bf16", prompts=16, prompt_length=1600),
    Case("384,8,4096", 8, 512, "fp32", "sdpa", checkpointing=True),
    Case("768,10,16384", 4, 256, "fp32"),
    Case("768,10,16384", 4, 256, "bf16"),
    Case("768,10,16384", 8, 256, "fp32", "sdpa", checkpointing=True),
)


def main() -> None:
    """Print predicted and measured peaks side by side."""
    print(
        "| parameters | precision | attention | checkpointing | batch | predicted MiB "
        "| measured MiB | off | glibc's defaults MiB | up to MiB |"
    )
    for case in CASES:
        returned = run(case, {"MALLOC_MMAP_THRESHOLD_": "131072"})
        kept = run(case, {})
        for name, batch in (
            ("step", f"{case.rows} x {case.length}"),
            ("scoring", f"answering {case.prompts} x {case.prompt_length}"),
        ):
            predicted, measured = returned["predicted"][name], returned["measured"][name]
            print(
                f"| {returned['parameters'] / 1e6:.1f} M | {case.precision} | {case.attention} "
                f"| {'on' if case.checkpointing else 'off'} | {batch} | {predicted / 2**20:,.0f} "
                f"| {measured / 2**20:,.0f} | {predicted / measured - 1:+.1%} "
                f"| {kept['measured'][name] / 2**20:,.0f} "
                f"| {returned['upper_bound'] / 2**20:,.0f} |",
                flush=True,
            )


def run(case: Case, environment: dict[str, str]) -> dict[str, Any]:
    """Estimate and measure a case in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory_vs_plan", json.dumps(astuple(case))],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    loaded: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def measure_here(case: Case) -> None:
    """Train a few steps in this process, answer prompts, then estimate; print all as JSON."""
    from fieldsmith.model.library_output import quieten
    from fieldsmith.model.location import read_config
    from fieldsmith.model.tokenizer import load_tokenizer

    quieten()
    # All modules are imported before the measurement begins.
    from fieldsmith.data import IGNORED
    from fieldsmith.decoding.generate import generate
    from fieldsmith.decoding.llguidance_adapter import Vocabulary
    from fieldsmith.decoding.sequence import Prompt
    from fieldsmith.model.attention import prompt_attention
    from fieldsmith.model.prompts import PromptFormat
    from fieldsmith.planning.batches import PromptBatch, longest_batch
    from fieldsmith.planning.estimator import upper_bound
    from fieldsmith.planning.memory import measure
    from fieldsmith.settings import resolve
    from fieldsmith.training.callbacks import BestAdapter
    from fieldsmith.training.qlora import build_trainer
    from fieldsmith.windows.rows import Row

    with tempfile.TemporaryDirectory() as folder:
        chosen = {
            "model": write_model(case.model, Path(folder) / "model"),
            "precision": case.precision,
            "batch_size": case.rows,
            "attention": case.attention,
            "activation_checkpointing": case.checkpointing,
            "max_length": 2048,
            "max_steps": STEPS,
            "eval_batch_size": case.prompts,
        }
        settings = resolve("embedded", "", {}, chosen).values
        prompts = PromptFormat(load_tokenizer(settings))
        source = random.Random(0)
        rows = []
        for _ in range(case.rows * STEPS):
            # Not all as long as the batch, so that there is padding, and a mask for it.
            ids = source.choices(range(10, 2000), k=case.length - source.randrange(8))
            half = len(ids) // 2
            rows.append(Row(ids, [IGNORED] * half + ids[half:]))
        before = status("VmRSS")
        trainer = build_trainer(
            Path(folder), settings, prompts, rows, [], scorer=None, best=BestAdapter(0)
        )
        trainer.train()
        measured = {"step": status("VmHWM") - before}
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
        generate(
            trainer.generation_model(),
            [Prompt(source.choices(range(10, 2000), k=case.prompt_length), None)] * case.prompts,
            stops=[],
            max_new_tokens=settings.max_new_tokens,
            batch_size=settings.eval_batch_size,
            vocabulary=Vocabulary(prompts.plain, prompts.stops),
            attention=prompt_attention(settings),
        )
        measured["scoring"] = status("VmHWM") - before
        memory = measure(
            read_config(settings),
            settings,
            longest_batch(rows, settings, "cpu"),
            PromptBatch(case.prompts, case.prompt_length, settings.max_new_tokens),
            "cpu",
            case.precision,
        )
    found = {
        "parameters": memory.parameters,
        "predicted": {"step": memory.step, "scoring": memory.scoring},
        "upper_bound": upper_bound(memory, "cpu"),
        "measured": measured,
    }
    print(json.dumps(found))


def write_model(shape: str, folder: Path) -> str:
    """Write a LLaMA of random weights with the embedded tokenizer; return its setting."""
    if not shape:
        return "embedded"
    module = "benchmarks.memory_vs_plan"
    code = f"import sys, {module} as module; module.write_weights(*sys.argv[1:])"
    # In a process of its own, so that its memory is not part of the measured peak.
    subprocess.run([sys.executable, "-c", code, shape, str(folder)], check=True)
    return str(folder)


def write_weights(shape: str, folder: str) -> None:
    """Write weights and tokenizer into a folder."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from fieldsmith.model.location import location
    from fieldsmith.settings import Settings

    width, layers, vocabulary = map(int, shape.split(","))
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=width * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(location(Settings())).save_pretrained(folder)


def status(name: str) -> int:
    """Return a field of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


if __name__ == "__main__":
    measure_here(Case(*json.loads(sys.argv[1])))
