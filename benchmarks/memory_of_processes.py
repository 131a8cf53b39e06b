"""Compare the bytes that ``extract plan`` counts for each process with those of two processes.

    python -m benchmarks memory_of_processes

Two processes on the CPU train a random LLaMA for two steps, under each way to share a training:
torch's DistributedDataParallel, ``fully_shard`` of each decoder layer, embeddings, head and rest,
and ZeRO 2 and 3 of DeepSpeed, where that is installed. After the second backward pass each counts
the bytes of its tensors:

- weights: what is not trained, with buffers and the constants of weights in 4 bit
- trained: the adapter, or all weights
- gradients: of these; for fsdp also where the gradients of several batches are summed up
- optimiser: the two moments of AdamW, and with ZeRO the copy of the weights that it updates
- buckets: in which DDP and DeepSpeed exchange gradients
- kept: small weights that ZeRO-3 keeps whole on each device, beside their parts
- peak: the most that a forward and a backward pass hold with all this but the optimiser's states,
  by the tracker of torch.distributed; a batch has eight tokens, so that it is one of weights
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from fieldsmith.settings import Settings

PROCESSES = 2
TERMS = (
    "weights", "trained", "gradients", "accumulated", "optimiser", "buckets", "kept", "peak",
)  # fmt: skip
TOKENS = 8
"""Tokens of the only row of a batch."""

_ZERO = {
    "reduce_bucket_size": 10_000,
    "stage3_param_persistence_threshold": 1_000,
    "stage3_prefetch_bucket_size": 0,
    "stage3_max_live_parameters": 0,
    "stage3_max_reuse_distance": 0,
}
"""What is configured of DeepSpeed: sizes in numbers."""


@dataclass(frozen=True)
class Case:
    """A training, and how it is shared.

    Attributes:
        way: "ddp", "fsdp", "zero2" or "zero3".
        quantize: "nf4" or "none".
        tuning: "adapter" or "full".
        tied: whether head and embeddings share a weight.
    """

    way: str
    quantize: str = "nf4"
    tuning: str = "adapter"
    tied: bool = False

    def settings(self, folder: Path) -> Settings:
        """Return the settings of the training.

        Args:
            folder: has what ``prepare`` wrote.
        """
        from fieldsmith.settings import Settings

        chosen: dict[str, Any] = {"quantize": self.quantize, "tuning": self.tuning}
        chosen["parallel"] = self.way
        if self.way in ("zero2", "zero3"):
            chosen["deepspeed_config"] = str(folder / "zero.json")
        return Settings(
            **chosen,
            lora_rank=5,  # odd, so that shards are padded
            lora_dropout=0.0,
            attention="eager",
            precision="fp32",
            activation_checkpointing=False,
            accumulation=1,
            merge="no",
        )


_WEIGHTS = (("nf4", "adapter"), ("none", "adapter"), ("none", "full"))

CASES = tuple(
    Case(way, *weights, tied)
    for way in ("ddp", "fsdp", "zero2", "zero3")
    for weights in _WEIGHTS
    for tied in (False, True)
    if not (tied and way != "fsdp")  # the others know no units
)


def main() -> None:
    """Print planned and measured bytes of the process that holds the most, side by side."""
    cases = [case for case in CASES if case.way in ("ddp", "fsdp") or find_spec("deepspeed")]
    print(f"| way | weights | head | {' | '.join(TERMS)} |")
    print(f"|---|---|---|{'---|' * len(TERMS)}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prepare(place)
        for case, processes in zip(cases, measure(cases, place), strict=True):
            weights = "all trained" if case.tuning == "full" else case.quantize
            cells = [case.way, weights, "tied" if case.tied else "its own"]
            counts = planned(case, place)
            for term in TERMS:
                found = [counted[term] for counted in processes if term in counted]
                cells.append(f"{counts[term]:,} / {max(found):,}" if found else "")
            print(f"| {' | '.join(cells)} |", flush=True)


def planned(case: Case, folder: Path) -> dict[str, int]:
    """Return what the plan counts for a process.

    Args:
        case: the training.
        folder: has what ``prepare`` wrote.
    """
    from fieldsmith.planning.batches import PromptBatch, TrainingBatch
    from fieldsmith.planning.memory import measure_parts
    from fieldsmith.planning.sharding import share_of_device
    from fieldsmith.planning.ways import WAYS

    settings = case.settings(folder)
    batch, prompts = TrainingBatch(1, TOKENS, TOKENS), PromptBatch(1, TOKENS, TOKENS)
    config = model_config(tied=case.tied)
    alone = measure_parts(config, settings, batch, prompts, "cpu", "fp32")
    (way,) = (way for way in WAYS if way == case.way)
    share, of_several = (
        share_of_device(each, way, PROCESSES, settings, "cpu")
        for each in (alone, replace(alone, accumulates=True))
    )
    memory = share.memory
    return {
        "weights": memory.quantized + memory.constants + memory.plain,
        "trained": memory.adapter,
        "gradients": memory.gradients,
        "accumulated": of_several.memory.gradients,
        "optimiser": memory.optimizer,
        "buckets": share.buckets,
        "kept": alone.parts.everything.small(_ZERO["stage3_param_persistence_threshold"]),
        "peak": memory.step - memory.optimizer - memory.mapped - memory.runtime,
    }


def model_config(*, tied: bool) -> Any:
    """Return the config of a LLaMA, no dimension of which is a power of two."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=1001,
        hidden_size=192,
        intermediate_size=448,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
    )


def prepare(folder: Path) -> None:
    """Write the models, and a configuration of DeepSpeed."""
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    for tied in (False, True):
        LlamaForCausalLM(model_config(tied=tied)).save_pretrained(_model(folder, tied=tied))
    config = json.dumps({"zero_optimization": _ZERO})
    (folder / "zero.json").write_text(config, encoding="utf-8")


def measure(cases: Iterable[Case], folder: Path) -> Iterator[list[dict[str, int]]]:
    """Yield for each case what each process counted.

    Args:
        cases: all of them are measured by the same two processes.
        folder: has what ``prepare`` wrote; takes the file by which the processes meet.
    """
    cases = list(cases)
    ordered = [[case.way, case.quantize, case.tuning, case.tied] for case in cases]
    arguments = [sys.executable, "-m", "benchmarks.memory_of_processes", str(folder)]
    started = [
        subprocess.Popen(
            [*arguments, str(rank), json.dumps(ordered)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"},
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(PROCESSES)
    ]
    try:
        printed = [process.communicate()[0] for process in started]
    finally:
        for process in started:
            process.kill()
    for process, output in zip(started, printed, strict=True):
        if process.returncode:
            raise SystemExit(output)
    counted = [
        json.loads((folder / f"{rank}.json").read_text(encoding="utf-8"))
        for rank in range(PROCESSES)
    ]
    for number in range(len(cases)):
        yield [of_process[number] for of_process in counted]


def _model(folder: Path, *, tied: bool) -> Path:
    return folder / ("tied" if tied else "untied")


# In each of the processes


def measure_here(folder: Path, rank: int, cases: Iterable[Case]) -> None:
    """Train each case as one of the processes, and write what is counted."""
    import torch.distributed as dist

    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=PROCESSES
    )
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(PROCESSES)}
    counted = []
    for case in cases:
        model = build(case, folder)
        count = {"ddp": _ddp, "fsdp": _fsdp, "zero2": _zero, "zero3": _zero}[case.way]
        counted.append(count(model, case, folder))
        gc.collect()
    (folder / f"{rank}.json").write_text(json.dumps(counted), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


def build(case: Case, folder: Path) -> Any:
    """Return the model as it is trained; weights in 4 bit are stored as floats, to be divided."""
    import torch
    from peft import get_peft_model
    from transformers import LlamaForCausalLM

    from fieldsmith.model.quantization import quantization
    from fieldsmith.training.qlora import lora_config

    options: dict[str, Any] = {}
    if case.quantize == "nf4":
        options["quantization_config"] = quantization(torch.float32, as_numbers=True)
    model = LlamaForCausalLM.from_pretrained(
        _model(folder, tied=case.tied), dtype=torch.float32, **options
    )
    if case.tuning == "full":
        return model
    return get_peft_model(model, lora_config(case.settings(folder), model))


def _ddp(model: Any, _case: Case, _folder: Path) -> dict[str, int]:
    from torch.nn.parallel import DistributedDataParallel

    _train_twice(wrapped := DistributedDataParallel(model), optimizer := _adamw(model))
    counts = _counts(model, optimizer)
    buckets = wrapped.reducer._get_zeros_like_grad_buckets()
    return counts | {"buckets": sum(bucket.buffer().nbytes for bucket in buckets)}


def _fsdp(model: Any, case: Case, _folder: Path) -> dict[str, int]:
    """Divide a model as accelerate does, which is what trains."""
    from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
    from torch.distributed.fsdp import fully_shard

    base = model if case.tuning == "full" else model.get_base_model()
    for layer in base.model.layers:
        fully_shard(layer)
    head = [base.model.norm, *([base.model.embed_tokens] if case.tied else []), base.lm_head]
    if not case.tied:
        fully_shard(base.model.embed_tokens)
    fully_shard(head, reshard_after_forward=False)
    fully_shard(model)
    optimizer = _adamw(model)
    accumulated = _accumulated(model)
    _pass(model)
    optimizer.step()
    optimizer.zero_grad()
    tracker: Any = FSDPMemTracker(model)
    with tracker:
        _pass(model)
    counts = _counts(model, optimizer)
    (peak,) = tracker.get_tracker_snapshot("peak").values()
    return counts | {"accumulated": accumulated, "peak": peak["Total"]}


def _accumulated(model: Any) -> int:
    """Return the bytes of gradients after a batch that is not the last of a step."""
    model.set_requires_gradient_sync(False)  # as accelerate does it
    _pass(model)
    model.set_requires_gradient_sync(True)
    held = [
        parameter.unsharded_param.grad
        for group in _groups(model)
        for parameter in group.fsdp_params
        if parameter.sharded_param.requires_grad
    ]
    return _bytes(held)


def _groups(model: Any) -> Iterator[Any]:
    """Yield the units of a model, each once."""
    from torch.distributed.fsdp import FSDPModule

    modules = [module for module in model.modules() if isinstance(module, FSDPModule)]
    states = {id(state): state for state in (m._get_fsdp_state() for m in modules)}
    for state in states.values():
        yield from state._fsdp_param_groups


def _zero(model: Any, case: Case, folder: Path) -> dict[str, int]:
    from fieldsmith.parallel.zero import with_user_config, zero_config

    deepspeed: Any = import_module("deepspeed")
    deepspeed.init_distributed("gloo")
    config = with_user_config(zero_config(case.settings(folder), "fp32"), folder / "zero.json")
    engine, optimizer, _, _ = deepspeed.initialize(
        model=model, optimizer=_adamw(model), config=config
    )
    engine.backward(_loss(engine))
    engine.step()
    buckets: list[int] = []
    first = next(parameter for parameter in model.parameters() if parameter.requires_grad)
    # In ZeRO-2 they are there during the backward pass alone; this runs late in it.
    first.register_hook(lambda _gradient: buckets.append(_bucket_bytes(optimizer)))
    engine.backward(_loss(engine))
    averaged = [g for group in optimizer.averaged_gradients.values() for g in group]
    counts = {"gradients": _bytes(averaged), "buckets": buckets[0]}
    engine.step()
    if case.way == "zero2":
        held, copies = list(model.parameters()), optimizer.single_partition_of_fp32_groups
    else:
        held = [parameter.ds_tensor for parameter in model.parameters()]
        copies = optimizer.fp32_partitioned_groups_flat
        counts["kept"] = _bytes(model.parameters())
    pairs = zip(model.parameters(), held, strict=True)
    sizes = [(parameter.requires_grad, _bytes([tensor])) for parameter, tensor in pairs]
    return counts | {
        "weights": sum(size for trained, size in sizes if not trained) + _beside(model),
        "trained": sum(size for trained, size in sizes if trained),
        "optimiser": _state(optimizer.optimizer) + _bytes(copies),
    }


def _bucket_bytes(optimizer: Any) -> int:
    buffers = [bucket.buffer for bucket in optimizer.ipg_buckets.values()]
    return sum(_bytes(b) if isinstance(b, list) else _bytes([b]) for b in buffers)


def _adamw(model: Any) -> Any:
    import torch

    return torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)


def _train_twice(model: Any, optimizer: Any) -> None:
    """Run two steps, and leave the gradients of the second."""
    for _ in range(2):
        optimizer.zero_grad()
        _pass(model)
        optimizer.step()


def _pass(model: Any) -> None:
    _loss(model).backward()


def _loss(model: Any) -> torch.Tensor:
    import torch

    tokens = torch.arange(TOKENS).unsqueeze(0)
    loss: torch.Tensor = model(input_ids=tokens, labels=tokens).loss
    return loss


def _counts(model: Any, optimizer: Any) -> dict[str, int]:
    """Return the bytes of each term in this process."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return {
        "weights": _bytes(p for p in model.parameters() if not p.requires_grad) + _beside(model),
        "trained": _bytes(trained),
        "gradients": _bytes(p.grad for p in trained),
        "optimiser": _state(optimizer),
    }


def _beside(model: Any) -> int:
    """Return the bytes of what is no parameter: buffers, and the constants of weights in 4 bit."""
    from bitsandbytes.nn import Linear4bit

    held = list(model.buffers())
    for module in model.modules():
        if isinstance(module, Linear4bit):
            state: Any = module.quant_state
            held += [state.absmax, state.code, state.offset]
            held += [state.state2.absmax, state.state2.code]
    return sum(tensor.nbytes for tensor in held)


def _state(optimizer: Any) -> int:
    """Return the bytes of an optimiser's states, without its counts of steps."""
    states = [value for state in optimizer.state.values() for value in state.values()]
    return _bytes(value for value in states if value.dim())


def _bytes(tensors: Iterable[Any]) -> int:
    """Return the bytes of tensors; of one that is divided, those of this process's part."""
    from torch.distributed.tensor import DTensor

    parts = (t.to_local() if isinstance(t, DTensor) else t for t in tensors)
    return sum(part.numel() * part.element_size() for part in parts)


if __name__ == "__main__":
    where, number, chosen = sys.argv[1:]
    measure_here(Path(where), int(number), [Case(*each) for each in json.loads(chosen)])
