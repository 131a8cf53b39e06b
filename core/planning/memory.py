"""The memory that a step of training takes, found by running one without any data.

The model of a config is built on the meta device and quantised and adapted as training does it.
One forward and one backward pass then run over fake tensors, which have a shape and no content,
and every tensor is counted for as long as it lives. So no formula of one architecture is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock

import torch
import trl.trainer.utils as fused
from torch._subclasses.fake_tensor import FakeTensorMode

from ..errors import SettingsError
from ..model.forward import rows_at_once
from ..model.kv_cache import SlotCache
from ..model.loading import inference_dtype, pick_attention, quantization
from ..model.masks import added, train_with_prefix
from ..settings import Settings
from ..tagging.labels import tagging_loss
from ..training.completion_loss import filled
from ..training.qlora import check_modules, lora_config
from ..training.trainer import is_copied
from .fake_tensors import Tally, materialise

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

Device = Literal["cpu", "cuda"]

RUNTIME = {"cpu": 55_000_000, "cuda": 600_000_000}
"""Bytes beside the tensors: kernels and code that the first step loads; on a GPU the context.

Measured on the CPU (see docs/plan.md), not on a GPU.
"""

_A_LENGTH = 13_000_000
"""Bytes that oneDNN keeps on a CPU for each length of a batch in bf16; measured, docs/plan.md."""

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
    tagged, tags: tokens of it that have a tag, and how many different tags there are.
    """

    rows: int
    length: int
    answer: int
    lengths: int = 1
    tagged: int = 0
    tags: int = 0


@dataclass(frozen=True)
class Asked:
    """What is answered at once.

    rows: prompts.
    length: tokens of the longest one.
    answer: tokens that an answer has at most.
    """

    rows: int
    length: int
    answer: int


@dataclass(frozen=True)
class Memory:
    """What one training holds, in bytes unless said otherwise; ``total`` is its peak.

    parameters, trainable: numbers of the base model and of the adapter.
    quantized, constants: weights in 4 bit, and the constants that give them their scale.
    plain: what is not quantised: embeddings, norms, head, buffers.
    adapter, gradients, optimizer: of what is trained.
    activations: what the forward pass keeps for the backward pass.
    working: what lives for a moment only, at the peak.
    loss: working space of the fused loss alone; a part of ``working`` where that is the peak.
    logits: what whole logits in float32 would take; the fused loss never holds them.
    copy: the merged weights that held-out documents are answered with, where they are few.
    answering: what answering takes beside them: keys and values, and prompts being read.
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
    copy: int
    answering: int
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
    def step(self) -> int:
        """The peak of a step."""
        return self.lasting + self.passing + self.mapped + self.runtime

    @property
    def scoring(self) -> int:
        """The peak while held-out documents are answered."""
        return self.lasting + self.copy + self.answering + self.mapped + self.runtime

    @property
    def total(self) -> int:
        """The peak of the training."""
        return max(self.step, self.scoring)


def measure(
    config: PretrainedConfig,
    settings: Settings,
    batch: Batch,
    asked: Asked,
    device: Device,
    precision: str,
) -> Memory:
    """Return what training takes in one step on the longest batch, and to answer what is asked.

    precision: "bf16", "fp16" or "fp32".

    Raises:
        SettingsError: settings name modules that the model does not have, or the model's code
            reads the values of its tensors, which fake ones do not have.
    """
    try:
        model = _build(config, settings, device, precision)
        copy = None
        if is_copied(_numbers(model), settings):
            dtype = inference_dtype(device, precision)
            copy = _plain_model(config, settings, dtype).requires_grad_(False)
        return _Step(model, copy, settings, batch, asked, device, DTYPES[precision]).run()
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
    from transformers.quantizers import AutoHfQuantizer

    # As models.load_base has it: on a GPU the weights are in bf16 where it computes in bf16.
    weights = torch.bfloat16 if (device, precision) == ("cuda", "bf16") else torch.float32
    model = _plain_model(config, settings, weights)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in model.parameters())
        if settings.quantize == "nf4":
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


def _plain_model(config: PretrainedConfig, settings: Settings, dtype: torch.dtype) -> Any:
    """Return the model of a config on the meta device."""
    from transformers import AutoModelForCausalLM

    # FlashAttention does not run on fake tensors; sdpa keeps the same of each layer.
    sparing = settings.attention == "flash_attention_2"
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(
            config,
            dtype=dtype,
            attn_implementation="sdpa" if sparing else pick_attention(settings, _CPU),
            trust_remote_code=settings.trust_remote_code,
        )


def _numbers(model: PreTrainedModel) -> int:
    """Return how many numbers the parameters have where two 4-bit weights are one."""
    from bitsandbytes.nn import Linear4bit

    whole = sum(parameter.numel() for parameter in model.parameters())
    packed = (m.weight.numel() // 2 for m in model.modules() if isinstance(m, Linear4bit))
    return whole - sum(packed)


class _Step:
    """One step of training over fake tensors, and one of answering.

    copy: what answers; None if the trained model itself does.
    """

    def __init__(
        self,
        model: Any,
        copy: Any,
        settings: Settings,
        batch: Batch,
        asked: Asked,
        device: Device,
        compute: torch.dtype,
    ) -> None:
        self.model, self.copy, self.settings = model, copy, settings
        self.batch, self.asked = batch, asked
        self.device, self.compute = device, compute
        # On a GPU TRL leaves out what fills them up.
        self.positions = max(1, batch.answer)
        if device == "cpu":
            self.positions = filled(batch.answer, batch.rows * batch.length)
        self.tally = Tally()
        self.sizes = {"quantized": 0, "constants": 0, "plain": 0, "adapter": 0}

    def run(self) -> Memory:
        with FakeTensorMode(allow_non_fake_inputs=True), self.tally, _fused_loss(self):
            materialise(self.model, self.sizes)
            trained = [p for p in self.model.parameters() if p.requires_grad]
            trainable = sum(p.numel() for p in trained)
            optimizer = int(trainable * optimizer_bytes(self.settings.optimizer))
            loss = self._loss_alone()
            kept, peak = self._forward_and_backward()
            copy, answering = self._answer()
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
            copy=copy,
            answering=answering,
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
        with self._autocast(), self._hidden() as hidden:
            output = self.model(**inputs, fused_lm_head=True, use_cache=False)
            loss = -output.log_probs.sum()
            if self.batch.tagged:
                loss = loss + self._tagging_loss(hidden.pop())
        kept = self.tally.live - before
        loss.backward()
        return kept, self.tally.peak

    @contextlib.contextmanager
    def _hidden(self) -> Iterator[list[torch.Tensor]]:
        """Collect what the head reads of each batch."""
        found: list[torch.Tensor] = []
        decoder = self.model.get_base_model().get_decoder()
        hook = decoder.register_forward_hook(lambda _module, _given, out: found.append(out[0]))
        try:
            yield found
        finally:
            hook.remove()
            found.clear()

    def _tagging_loss(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the loss of the first tokens: which ones have a tag, no fake tensor tells."""
        tags = torch.zeros(self.batch.tagged, dtype=torch.long)
        ids = torch.arange(self.batch.tags)
        head = self.model.get_output_embeddings().weight
        return tagging_loss(hidden.flatten(0, 1)[: self.batch.tagged].clone(), tags, ids, head)

    def _answer(self) -> tuple[int, int]:
        """Return the bytes of the copy that answers, and the most that answering takes beside it.

        That is as ``decode`` does it: prompts are read a few at a time, and the keys and values of
        all that are answered at once are kept.
        """
        model, asked = self.copy or self.model, self.asked
        copied = {"plain": 0}
        if self.copy is not None:
            materialise(model, copied)
        model.eval()
        self.tally.peak = before = self.tally.live
        cache = SlotCache(asked.rows)
        rows = rows_at_once([asked.length] * asked.rows)
        cache.aim(0, [0] * rows, [asked.length] * rows, _CPU)
        mask = torch.ones(rows, 1, asked.length, asked.length, dtype=torch.bool)
        values = added(model)
        tokens = torch.zeros(rows, asked.length, dtype=torch.long)
        with torch.no_grad():
            model(
                input_ids=tokens,
                position_ids=tokens,
                attention_mask=torch.where(mask, *values) if values else mask,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        for written in range(asked.answer):
            cache.aim(0, [asked.length + written], [1], _CPU)  # it grows
        return copied["plain"], self.tally.peak - before

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
