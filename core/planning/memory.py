"""Estimate the memory of a training by running one step of it on fake tensors.

The model of a config is built on the meta device and quantised and adapted as training does it.
One forward and one backward pass then run over fake tensors, which have a shape and no content,
and every tensor is counted for as long as it lives. So no formula of one architecture is needed.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ..errors import SettingsError
from ..model.attention import prompt_attention
from ..model.forward import rows_at_once
from ..model.kv_cache import SlotCache
from ..model.loading import DTYPES, inference_dtype, is_copied
from ..model.masks import as_attention_mask
from ..settings import Settings
from ..tagging.labels import tagging_loss
from ..training.completion_loss import filled
from .batches import Device, PromptBatch, TrainingBatch
from .fake_tensors import MemoryTracker, materialise
from .loss_memory import fused_loss
from .meta_model import (
    build_plain,
    build_trained,
    experts_in_any_precision,
    stored_numbers,
)
from .model_parts import ModelParts, model_parts
from .optimizer_memory import optimizer_bytes

if TYPE_CHECKING:
    from transformers import PretrainedConfig

RUNTIME = {"cpu": 55_000_000, "cuda": 600_000_000}
"""Bytes beside the tensors: kernels and code that the first step loads; on a GPU the context.

Measured on the CPU (see docs/plan.md), not on a GPU.
"""

_KERNELS_PER_LENGTH = 13_000_000
"""Bytes that oneDNN keeps on a CPU for each length of a batch in bf16; measured, docs/plan.md."""

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Memory:
    """The memory of a training, in bytes unless said otherwise.

    Attributes:
        parameters: number of parameters of the base model.
        trainable: number of parameters of the adapter.
        quantized: weights in 4 bit.
        constants: the scales of the weights in 4 bit.
        plain: what is not quantised: embeddings, norms, head, buffers.
        adapter: weights that are trained.
        gradients: of the adapter.
        optimizer: state of the optimiser.
        activations: what the forward pass keeps for the backward pass.
        working: other memory of a step, at the peak.
        copy: the merged weights that held-out documents are answered with, where they are few.
        answering: memory of generation beside the weights: keys and values, and the prompts that
            are being read.
        mapped: the model's file, where weights that are not quantised stay in it (on a CPU).
        runtime: memory beside the tensors.
        loss: working space of the fused loss alone; a part of ``working`` where that is the peak.
        logits: what whole logits in float32 would take; the fused loss never holds them.
        answered: how many held-out documents are answered at once.
        loading: the peak while the weights are loaded, where these are divided afterwards; 0 where
            it is no more than that of a step.
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
    answered: int
    loading: int = 0

    @property
    def persistent(self) -> int:
        """Tensors that are held from the first step to the last."""
        return self.quantized + self.constants + self.plain + self.adapter + self.optimizer

    @property
    def transient(self) -> int:
        """Tensors that each step allocates and frees."""
        return self.gradients + self.activations + self.working

    @property
    def step(self) -> int:
        """The peak of a step."""
        return self.persistent + self.transient + self.mapped + self.runtime

    @property
    def scoring(self) -> int:
        """The peak while held-out documents are answered."""
        return self.persistent + self.copy + self.answering + self.mapped + self.runtime

    @property
    def total(self) -> int:
        """The peak of the training."""
        return max(self.step, self.scoring, self.loading)

    def as_json(self) -> dict[str, int]:
        """Return all terms and the peaks."""
        return asdict(self) | {"step": self.step, "scoring": self.scoring, "total": self.total}


@dataclass(frozen=True)
class Measured:
    """What one step on fake tensors shows.

    Attributes:
        memory: the memory of a training on one device.
        passes: most that forward and backward pass take besides weights and complete gradients.
        parts: the model as it is divided among devices.
        accumulates: whether a step of the optimiser sums up the gradients of several batches.
        precision: "bf16", "fp16" or "fp32".
        width: numbers of a hidden state.
    """

    memory: Memory
    passes: int
    parts: ModelParts
    accumulates: bool
    precision: str
    width: int


def measure(
    config: PretrainedConfig,
    settings: Settings,
    batch: TrainingBatch,
    prompts: PromptBatch,
    device: Device,
    precision: str,
) -> Memory:
    """Estimate the memory of a training on one device; see ``measure_parts``."""
    return measure_parts(config, settings, batch, prompts, device, precision).memory


def measure_parts(
    config: PretrainedConfig,
    settings: Settings,
    batch: TrainingBatch,
    prompts: PromptBatch,
    device: Device,
    precision: str,
    *,
    in_precision: bool = False,
) -> Measured:
    """Estimate the memory of a training, and what of it can be divided among devices.

    Args:
        config: the base model's.
        settings: the settings of the training.
        batch: the largest batch that is trained on.
        prompts: the largest batch of held-out documents.
        device: what the training runs on; it need not be there.
        precision: "bf16", "fp16" or "fp32".
        in_precision: whether what is trained is in the precision, too; see ``as_divided``.

    Raises:
        SettingsError: settings name modules that the model does not have, or the model's code
            reads the values of its tensors, which fake ones do not have.
    """
    trained = DTYPES[precision] if in_precision else torch.float32
    try:
        return _Measurement(config, settings, batch, prompts, device, precision, trained).run()
    except SettingsError:
        raise
    except Exception as error:  # a model's code may do whatever it likes
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(
            f"model {settings.model}: its memory cannot be planned, because its code does not run "
            f"without data: {type(error).__name__}: {reason}"
        ) from error


def as_divided(whole: Measured, gathered: Measured) -> Measured:
    """Return what is measured of a training whose weights are divided and gathered.

    Args:
        whole: with what is trained in float32. Autocast copies that to the precision of the
            training, and keeps the copies through the forward pass.
        gathered: the same, in the precision, in which weights are gathered.
    """
    other = gathered.memory
    memory = replace(whole.memory, activations=other.activations, answering=other.answering)
    return replace(whole, memory=memory, passes=gathered.passes)


class _Measurement:
    """One step of training and one batch of generation, on fake tensors."""

    def __init__(
        self,
        config: PretrainedConfig,
        settings: Settings,
        batch: TrainingBatch,
        prompts: PromptBatch,
        device: Device,
        precision: str,
        trained: torch.dtype,
    ) -> None:
        self.settings, self.batch, self.prompts, self.device = settings, batch, prompts, device
        self.precision, self.compute, self.trained = precision, DTYPES[precision], trained
        self.model, self.parameters = build_trained(config, settings, device, precision)
        self.copy: Any = None
        if is_copied(stored_numbers(self.model), settings):
            dtype = inference_dtype(device, precision)
            self.copy = build_plain(config, settings, dtype).requires_grad_(False)
        # On a CPU the positions that carry loss are filled up, see completion_loss.
        self.positions = max(1, batch.answer)
        if device == "cpu":
            self.positions = filled(batch.answer, batch.rows * batch.length)
        self.tracker = MemoryTracker()

    def run(self) -> Measured:
        with experts_in_any_precision(), FakeTensorMode(allow_non_fake_inputs=True), self.tracker:
            weights = materialise(self.model, self.trained)
            loss = self._loss_alone()
            activations, peak, passes = self._step()
            copy, answering = self._answer()
        trainable = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        gradients = weights.adapter
        accumulates = self.settings.accumulation > 1
        # Before the first batch of a step there are no gradients; during the others there are.
        earlier = gradients if accumulates else 0
        transient = max(peak - weights.total + earlier, 2 * gradients)
        memory = Memory(
            parameters=self.parameters,
            trainable=trainable,
            **asdict(weights),
            gradients=gradients,
            optimizer=int(trainable * optimizer_bytes(self.settings.optimizer)),
            activations=activations,
            working=max(0, transient - gradients - activations),
            copy=copy,
            answering=answering,
            mapped=self._mapped(weights.quantized),
            runtime=self._runtime(),
            loss=loss,
            logits=self.batch.rows * self.batch.length * len(self._head.weight) * 4,
            answered=self.prompts.rows,
        )
        passes = max(0, passes - weights.total)
        return Measured(
            memory=memory,
            passes=passes,
            parts=model_parts(self.model, self.compute),
            accumulates=accumulates,
            precision=self.precision,
            width=self._head.weight.shape[1],
        )

    def _mapped(self, quantized: int) -> int:
        """Return the bytes of the file that were read to be quantised.

        On a CPU embeddings and head stay where safetensors mapped them, and keep all of the file
        mapped; Linux counts it as the process's and drops it where memory is short.
        """
        stored = getattr(self.model.config, "dtype", None)
        size = stored.itemsize if isinstance(stored, torch.dtype) else 4
        return quantized * 2 * size if self.device == "cpu" else 0

    def _runtime(self) -> int:
        has_kernels = self.device == "cpu" and self.compute == torch.bfloat16
        kernels = _KERNELS_PER_LENGTH * self.batch.lengths if has_kernels else 0
        return RUNTIME[self.device] + kernels

    @property
    def _head(self) -> Any:
        return self.model.get_output_embeddings()

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.compute == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=self.compute)

    def _fused_loss(self, hidden: torch.Tensor) -> torch.Tensor:
        text_config = self.model.config.get_text_config()
        softcap = getattr(text_config, "final_logit_softcapping", None)
        return fused_loss(hidden, self.positions, self._head, self.device, softcap)

    def _loss_alone(self) -> int:
        """Return the working space of the fused loss."""
        hidden = torch.zeros(self.positions, self._head.weight.shape[1], requires_grad=True)
        before = self.tracker.peak = self.tracker.live
        with self._autocast():
            loss = self._fused_loss(hidden)
        loss.backward()
        return self.tracker.peak - before

    def _step(self) -> tuple[int, int, int]:
        """Return the bytes kept after the forward pass, and the peak of everything.

        The last of the three is the peak without gradients that are complete.
        """
        if self.settings.activation_checkpointing:
            self.model.activation_checkpointing_enable()
        self.model.train()
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                self.tracker.add_gradient(parameter)  # the loss alone may have left one
                parameter.register_post_accumulate_grad_hook(self.tracker.add_gradient)
        before = self.tracker.live
        self.tracker.peak = self.tracker.peak_besides = 0
        shape = self.batch.rows, self.batch.length
        inputs = [torch.zeros(shape, dtype=torch.long) for _ in ("tokens", "mask", "labels")]
        with self._autocast():
            loss = self._loss(*inputs[:2])
        kept = self.tracker.live - before
        loss.backward()
        return kept, self.tracker.peak, self.tracker.peak_besides

    def _loss(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch: of the answers, and of the tags if it has some."""
        attention = prompt_attention(self.settings)
        hidden = self.model.get_decoder()(
            input_ids=tokens,
            attention_mask=(
                attention.prompt_mask(mask, self.model) if attention.needs_masks else None
            ),
            use_cache=False,
        )[0].flatten(0, 1)
        loss = self._fused_loss(hidden)
        if self.batch.tagged:
            tags = torch.zeros(self.batch.tagged, dtype=torch.long)
            ids = torch.arange(self.batch.tags)
            tagged = hidden[: self.batch.tagged].clone()
            loss = loss + tagging_loss(tagged, tags, ids, self._head.weight)
        return loss

    def _answer(self) -> tuple[int, int]:
        """Return the bytes of the copy that answers, and the most that generation takes beside it.

        As in generation, prompts are read a few at a time, and the keys and values of all prompts
        of the batch are kept.
        """
        model, prompts = self.copy or self.model, self.prompts
        copied = 0 if self.copy is None else materialise(model).plain
        model.eval()
        self.tracker.peak = before = self.tracker.live
        cache = SlotCache(prompts.rows)
        rows = rows_at_once([prompts.length] * prompts.rows)
        cache.prepare_write(0, [0] * rows, [prompts.length] * rows, _CPU)
        mask = torch.ones(rows, 1, prompts.length, prompts.length, dtype=torch.bool)
        tokens = torch.zeros(rows, prompts.length, dtype=torch.long)
        with torch.no_grad():
            model(
                input_ids=tokens,
                position_ids=tokens,
                attention_mask=as_attention_mask(mask, model),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        for written in range(prompts.answer):
            cache.prepare_write(0, [prompts.length + written], [1], _CPU)  # it grows
        return copied, self.tracker.peak - before
