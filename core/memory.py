"""The memory that a step of training takes, found by running one without any data.

The model of a config is built on the meta device and quantised and adapted as training does it.
One forward and one backward pass then run over fake tensors, which have a shape and no content,
and every tensor is counted for as long as it lives. So no formula of one architecture is needed.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock

import torch
import trl.trainer.utils as fused
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .answer_loss import filled
from .attention import train_with_prefix
from .errors import SettingsError
from .models import location, pick_attention, quantization
from .qlora import check_modules, lora_config
from .settings import Settings

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

Device = Literal["cpu", "cuda"]

RUNTIME = {"cpu": 55_000_000, "cuda": 600_000_000}
"""Bytes beside the tensors: kernels and code that the first step loads; on a GPU the context.

Measured on the CPU (see docs/plan.md), not on a GPU.
"""

_A_LENGTH = 13_000_000
"""Bytes that oneDNN keeps on a CPU for each length of a batch in bf16; measured, docs/plan.md."""

_BLOCK, _NESTED_BLOCK = 64, 256
"""Weights that share a constant, and constants that share one (Dettmers et al. 2023)."""

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}

_CPU = torch.device("cpu")

_TILE = 4096
"""Tokens that the fused loss projects at once: TOKEN_CHUNK_SIZE of trl/kernels."""


@dataclass(frozen=True)
class Batch:
    """What is trained on at once.

    rows, length: of the padded batch.
    answer: tokens of it that carry loss.
    lengths: how many different lengths the batches of the training are padded to.
    """

    rows: int
    length: int
    answer: int
    lengths: int = 1


@dataclass(frozen=True)
class Memory:
    """What one training holds, in bytes unless said otherwise; ``total`` is the peak of a step.

    parameters, trainable: numbers of the base model and of the adapter.
    quantized, constants: weights in 4 bit, and the constants that give them their scale.
    plain: what is not quantised: embeddings, norms, head, buffers.
    adapter, gradients, optimizer: of what is trained.
    activations: what the forward pass keeps for the backward pass.
    working: what lives for a moment only, at the peak.
    loss: working space of the fused loss alone; a part of ``working`` where that is the peak.
    logits: what whole logits in float32 would take; the fused loss never holds them.
    mapped: the model's file, where weights that are not quantised stay in it (on a CPU).
    runtime: beside the tensors.
    """

    parameters: int
    trainable: int
    quantized: int
    constants: int
    plain: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    working: int
    mapped: int
    runtime: int
    loss: int
    logits: int

    @property
    def lasting(self) -> int:
        """What is held from the first step to the last."""
        return self.quantized + self.constants + self.plain + self.adapter + self.optimizer

    @property
    def passing(self) -> int:
        """What each step takes and gives back."""
        return self.gradients + self.activations + self.working

    @property
    def total(self) -> int:
        """The peak of a step."""
        return self.lasting + self.passing + self.mapped + self.runtime


def read_config(settings: Settings) -> PretrainedConfig:
    """Read a model's config: from a folder, from the package, or from the hub.

    Raises:
        SettingsError: there is none, or it cannot be reached.
    """
    from transformers import AutoConfig

    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(
            location(settings),
            revision=settings.revision,
            trust_remote_code=settings.trust_remote_code,
        )
    except Exception as error:  # of a broken file, transformers raises nothing narrower
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(
            f"model {settings.model}: its config cannot be read: {reason} "
            f"(name a folder with a config.json, or go online; a gated model wants `hf auth login`)"
        ) from error
    return config


def measure(
    config: PretrainedConfig, settings: Settings, batch: Batch, device: Device, precision: str
) -> Memory:
    """Return what training takes in one step on the longest batch.

    precision: "bf16", "fp16" or "fp32".

    Raises:
        SettingsError: settings name modules that the model does not have, or the model's code
            reads the values of its tensors, which fake ones do not have.
    """
    try:
        model = _build(config, settings, device, precision)
        return _Step(model, settings, batch, device, DTYPES[precision]).run()
    except SettingsError:
        raise
    except Exception as error:  # a model's code may do whatever it likes
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(
            f"model {settings.model}: its memory cannot be planned, as its code does not run "
            f"without data: {type(error).__name__}: {reason}"
        ) from error


def _build(
    config: PretrainedConfig, settings: Settings, device: Device, precision: str
) -> PreTrainedModel:
    """Return the model with its adapter on the meta device: shapes, and no memory at all."""
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM
    from transformers.quantizers import AutoHfQuantizer

    quantized = settings.quantize == "nf4"
    # As models.load_base has it: on a GPU the weights are in bf16 where it computes in bf16.
    weights = torch.bfloat16 if (device, precision) == ("cuda", "bf16") else torch.float32
    # FlashAttention does not run on fake tensors; sdpa keeps the same of each layer.
    sparing = settings.attention == "flash_attention_2"
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(
            config,
            dtype=weights,
            attn_implementation="sdpa" if sparing else pick_attention(settings, _CPU),
            trust_remote_code=settings.trust_remote_code,
        )
        parameters = sum(parameter.numel() for parameter in model.parameters())
        if quantized:
            quantizer = AutoHfQuantizer.from_config(quantization(DTYPES[precision]))
            quantizer._process_model_before_weight_loading(model, device_map=None)
            model.is_loaded_in_4bit = model.is_quantized = True
        check_modules(model, settings)
        # DoRA reads the weights as it begins; its vectors are all that it adds to LoRA's memory.
        adapted: Any = get_peft_model(model, lora_config(replace(settings, dora=False)))
    adapted.base_parameters = parameters
    if settings.prefix_lm:
        train_with_prefix(adapted)
    return adapted  # type: ignore[no-any-return]


class _Tally(TorchDispatchMode):
    """Counts the bytes of all storages that are alive, and the most that were at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self._count(value)
        self.peak = max(self.peak, self.live + _inside(function, arguments))
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self.seen:
            self.seen.add(key)
            self.live += size
            weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.live -= size


def _inside(function: Any, arguments: Any) -> int:
    """Return the bytes that an operation takes and gives back before it ends.

    bitsandbytes multiplies by 4-bit weights after it has dequantised them, and their constants
    (bitsandbytes/backends/default/ops.py), for all but small batches.
    """
    if function is torch.ops.bitsandbytes.gemm_4bit.default:
        weights = int(arguments[2][0] * arguments[2][1])
        return int(weights * arguments[0].element_size() + weights // _BLOCK * 8)
    return 0


class _Step:
    """One step of training over fake tensors."""

    def __init__(
        self,
        model: Any,
        settings: Settings,
        batch: Batch,
        device: Device,
        compute: torch.dtype,
    ) -> None:
        self.model, self.settings, self.batch = model, settings, batch
        self.device, self.compute = device, compute
        # On a GPU TRL leaves out what fills them up.
        self.positions = max(1, batch.answer)
        if device == "cpu":
            self.positions = filled(batch.answer, batch.rows * batch.length)
        self.tally = _Tally()
        self.sizes = {"quantized": 0, "constants": 0, "plain": 0, "adapter": 0}

    def run(self) -> Memory:
        with FakeTensorMode(allow_non_fake_inputs=True), self.tally, _fused_loss(self):
            _materialise(self.model, self.sizes)
            trained = [p for p in self.model.parameters() if p.requires_grad]
            trainable = sum(p.numel() for p in trained)
            optimizer = int(trainable * optimizer_bytes(self.settings.optimizer))
            loss = self._loss_alone()
            kept, peak = self._forward_and_backward()
        sizes = self.sizes
        passing = peak - sum(sizes.values())
        gradients = sizes["adapter"]
        # Before the first batch of a step there are no gradients; during the others there are.
        held = gradients if self.settings.accumulation > 1 else 0
        passing = max(passing + held, 2 * gradients)
        return Memory(
            parameters=self.model.base_parameters,
            trainable=trainable,
            **sizes,
            gradients=gradients,
            optimizer=optimizer,
            activations=kept,
            working=max(0, passing - gradients - kept),
            mapped=self._mapped(),
            runtime=self._runtime(),
            loss=loss,
            logits=self.batch.rows * self.batch.length * self._vocabulary * 4,
        )

    def _mapped(self) -> int:
        """Return the bytes of the file that were read to be quantised.

        On a CPU embeddings and head stay where safetensors mapped them, and keep all of the file
        mapped; Linux counts it as the process's and drops it where memory is short.
        """
        stored = getattr(self.model.config, "dtype", None)
        size = stored.itemsize if isinstance(stored, torch.dtype) else 4
        return self.sizes["quantized"] * 2 * size if self.device == "cpu" else 0

    def _runtime(self) -> int:
        kept = self.device == "cpu" and self.compute == torch.bfloat16
        return RUNTIME[self.device] + (_A_LENGTH * self.batch.lengths if kept else 0)

    @property
    def _vocabulary(self) -> int:
        return int(self.model.get_output_embeddings().weight.shape[0])

    def _autocast(self) -> Any:
        if self.compute == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=self.compute)

    def _forward_and_backward(self) -> tuple[int, int]:
        """Return the bytes kept after the forward pass, and the peak of everything."""
        fused.add_fused_lm_head(
            self.model.get_base_model(), outputs=("log_probs", "entropy", "is_top1")
        )
        if self.settings.activation_checkpointing:
            self.model.activation_checkpointing_enable()
        self.model.train()
        before = self.tally.live
        self.tally.peak = 0
        shape = self.batch.rows, self.batch.length
        inputs = {
            name: torch.zeros(shape, dtype=torch.long)
            for name in ("input_ids", "attention_mask", "labels")
        }
        with self._autocast():
            output = self.model(**inputs, fused_lm_head=True, use_cache=False)
            loss = -output.log_probs.sum()
        kept = self.tally.live - before
        loss.backward()
        return kept, self.tally.peak

    def _loss_alone(self) -> int:
        """Return the working space of the loss."""
        head = self.model.get_output_embeddings().weight
        hidden = torch.zeros(self.positions, head.shape[1], requires_grad=True)
        labels = torch.zeros(self.positions, dtype=torch.long)
        before = self.tally.peak = self.tally.live
        with self._autocast():
            per_token = fused._ChunkedLogProbFunction.apply(
                hidden, head, None, labels, 1.0, fused._CHUNKED_LOGPROB_CHUNK_SIZE, None, 1.0,
                ("log_probs", "entropy", "is_top1"),
            )  # fmt: skip
            loss = per_token[0].sum()
        loss.backward()
        return self.tally.peak - before


def _materialise(model: Any, sizes: dict[str, int]) -> None:
    """Give each parameter and buffer of a model a fake tensor as training would hold it."""
    from bitsandbytes.nn import Linear4bit

    made: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, old in module._parameters.items():
            if old is None:
                continue
            if id(old) not in made:
                four_bits = isinstance(module, Linear4bit) and name == "weight"
                made[id(old)] = _in_four_bits(old, sizes) if four_bits else _plain(old, sizes)
            module._parameters[name] = made[id(old)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
                sizes["plain"] += buffer.nbytes


def _plain(old: torch.nn.Parameter, sizes: dict[str, int]) -> torch.nn.Parameter:
    # What is trained is trained in float32, whatever the base weights are.
    dtype = torch.float32 if old.requires_grad else old.dtype
    new = torch.nn.Parameter(torch.empty(old.shape, dtype=dtype), requires_grad=old.requires_grad)
    sizes["adapter" if old.requires_grad else "plain"] += new.nbytes
    return new


def _in_four_bits(old: Any, sizes: dict[str, int]) -> torch.nn.Parameter:
    """Return what bitsandbytes makes of a weight: NF4, with the constants quantised too."""
    from bitsandbytes.functional import QuantState

    count = old.numel()
    blocks = -(-count // _BLOCK)
    nested = QuantState(
        absmax=torch.empty(-(-blocks // _NESTED_BLOCK)),
        code=torch.empty(256),
        blocksize=_NESTED_BLOCK,
        dtype=torch.float32,
    )
    state = QuantState(
        absmax=torch.empty(blocks, dtype=torch.uint8),
        shape=torch.Size(old.shape),
        code=torch.empty(16),
        blocksize=_BLOCK,
        quant_type="nf4",
        dtype=torch.float32,
        offset=torch.empty(()),
        state2=nested,
    )
    new: Any = torch.nn.Parameter(
        torch.empty((count + 1) // 2, 1, dtype=torch.uint8), requires_grad=False
    )
    for name in ("compress_statistics", "quant_type", "quant_storage"):
        setattr(new, name, getattr(old, name))
    new.bnb_quantized, new.quant_state = True, state
    constants = (state.absmax, state.code, state.offset, nested.absmax, nested.code)
    sizes["quantized"] += new.nbytes
    sizes["constants"] += sum(tensor.nbytes for tensor in constants)
    made: torch.nn.Parameter = new
    return made


@contextlib.contextmanager
def _fused_loss(step: _Step) -> Iterator[None]:
    """Run TRL's fused loss as the device would, on the positions that carry loss.

    On a CPU a tile is as wide as the vocabulary, of which TRL reserves 32,768 columns and touches
    no others. On a GPU kernels of Triton work inside the tile.
    """
    width = min(fused._CHUNKED_LOGPROB_CHUNK_SIZE, step._vocabulary)
    loss: Any = _LossOnCPU(step.positions) if step.device == "cpu" else _loss_on_gpu(step.positions)
    with contextlib.ExitStack() as stack:
        if step.device == "cpu":
            stack.enter_context(mock.patch.object(fused, "_CHUNKED_LOGPROB_CHUNK_SIZE", width))
        stack.enter_context(mock.patch.object(fused, "_ChunkedLogProbFunction", loss))
        yield


class _LossOnCPU:
    """ChunkedLogProbFunction on as many positions as ``answer_loss`` leaves of a batch.

    Tensors without content cannot tell which positions carry loss, only how many.
    """

    def __init__(self, positions: int) -> None:
        self.positions = positions
        self.function = fused._ChunkedLogProbFunction

    def apply(self, hidden: Any, head: Any, bias: Any, labels: Any, *rest: Any) -> Any:
        chosen = hidden[: self.positions].clone()
        scores = self.function.apply(chosen, head, bias, labels[: self.positions], *rest)
        left = torch.zeros(len(hidden) - len(chosen))
        return tuple(None if part is None else torch.cat([part, left]) for part in scores)


def _loss_on_gpu(answer: int) -> type[torch.autograd.Function]:
    """Return a function that takes the memory of ChunkedLogProbFunction with Triton's kernels."""

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden: Any, weight: Any, *rest: Any) -> Any:
            dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
            ctx.dtype, ctx.width = dtype or hidden.dtype, rest[3]
            chosen = hidden[:answer].clone()  # hidden_states[mask]
            _tile(chosen, weight, ctx)
            ctx.save_for_backward(chosen, weight)
            ctx.shape = hidden.shape
            scores = [torch.zeros(hidden.shape[0]) for _ in range(3)]
            return scores[0], scores[1], None, None, scores[2]

        @staticmethod
        def backward(ctx: Any, *_: Any) -> Any:
            chosen, weight = ctx.saved_tensors
            gradient = torch.zeros(chosen.shape, dtype=torch.float32)
            held = _tile(chosen, weight, ctx)
            del held
            whole = torch.zeros(ctx.shape, dtype=chosen.dtype)
            whole[: chosen.shape[0]] = gradient.to(chosen.dtype)
            return whole, *[None] * 8

    return Loss


def _tile(chosen: torch.Tensor, weight: torch.Tensor, ctx: Any) -> tuple[torch.Tensor, ...]:
    """Allocate what one tile of the projection takes: its numbers, and the weights cast."""
    tokens = min(len(chosen), _TILE)
    return (
        torch.empty(tokens, ctx.width, dtype=ctx.dtype),
        weight[: ctx.width].to(ctx.dtype),
        chosen[:tokens].to(ctx.dtype),
    )


def optimizer_bytes(name: str) -> float:
    """Return the bytes of state that an optimiser keeps for each number that is trained.

    AdamW keeps two moments in float32 (Loshchilov and Hutter 2019), or in a byte each with a
    float32 for every 256 (Dettmers et al. 2022). A paged one may move them to main memory.
    """
    moments = 1 if any(word in name for word in _ONE_MOMENT) else 2
    if "adafactor" in name or name == "sgd":
        return 0.0
    return moments * (1 + 4 / 256 if "8bit" in name else 4)


_ONE_MOMENT = ("lion", "rmsprop", "adagrad")
