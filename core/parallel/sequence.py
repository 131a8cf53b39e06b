"""Divide the tokens of each row among processes (DeepSpeed-Ulysses, Jacobs et al. 2023).

Each process computes its part of a row. Attention needs the whole: processes exchange queries, keys
and values, so that each attends to all tokens with a part of the heads, and exchange the results.
So a part's loss depends on what all of them compute, and their gradients are averaged as those of
other rows are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..data import IGNORED
from ..errors import SettingsError
from ..settings import Settings
from .processes import process_count, rank

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel

_NAME = "ulysses"
"""What transformers knows the attention by; it makes no masks for a name that is not its own."""


def require_divisible(settings: Settings, config: PretrainedConfig, processes: int) -> None:
    """Refuse a training whose rows cannot be divided as ``sequence_parallel`` says.

    Args:
        settings: of the training.
        config: the base model's.
        processes: how many processes there are.

    Raises:
        SettingsError: the number divides neither the processes nor the heads, or the attention
            of the model does more than to attend to all that precedes a token.
    """
    parts = settings.sequence_parallel
    if parts == 1:
        return
    fault = _of_processes(parts, processes) or _of_model(settings, config)
    if fault:
        raise SettingsError(f"sequence_parallel {parts}: {fault}")


def _of_processes(parts: int, processes: int) -> str:
    if processes % parts == 0:
        return ""
    return (
        f"the number of processes is {processes}; start the training with --processes {parts}, or "
        f"a multiple of it"
    )


def _of_model(settings: Settings, config: PretrainedConfig) -> str:
    from ..model.architecture import model_class

    parts, text = settings.sequence_parallel, config.get_text_config(decoder=True)
    heads = int(text.num_attention_heads)
    shared = int(getattr(text, "num_key_value_heads", None) or heads)
    if heads % parts or shared % parts:
        common = math.gcd(heads, shared)
        possible = [str(count) for count in range(2, common + 1) if common % count == 0]
        advice = f"it can be {', '.join(possible)}" if possible else "leave it out"
        return (
            f"each process has a part of the heads, and {settings.model} has {heads} heads of "
            f"queries and {shared} of keys and values; {advice}"
        )
    kind = model_class(config)
    if kind is not None and not kind._supports_sdpa:
        return f"{settings.model} cannot attend by sdpa; leave it out"
    window = getattr(text, "sliding_window", None)
    if window is not None and window < settings.max_length and _slides(text):
        return (
            f"{settings.model} attends to the last {window} tokens alone in some layers, which "
            f"divided rows do not; leave it out, or set max_length to {window} at most"
        )
    return ""


def _slides(text: Any) -> bool:
    return set(getattr(text, "layer_types", None) or ()) != {"full_attention"}


def own_tokens(batch: Mapping[str, torch.Tensor], processes: int) -> dict[str, torch.Tensor]:
    """Return this process's part of rows that several neighbours have read.

    Args:
        batch: whole rows, padded at their end to a multiple of ``processes``; ``input_ids`` and
            ``labels`` of the shape (rows, tokens).
        processes: how many share each row.
    """
    import torch
    from torch.nn.functional import pad

    ids, labels = batch["input_ids"], batch["labels"]
    whole = {
        "input_ids": ids,
        "labels": labels,
        "shift_labels": pad(labels[:, 1:], (0, 1), value=IGNORED),
        "position_ids": torch.arange(ids.shape[1], device=ids.device).expand_as(ids),
    }
    part = rank() % processes
    return {name: tensor.chunk(processes, dim=1)[part] for name, tensor in whole.items()}


def divide_attention(model: PreTrainedModel, processes: int) -> None:
    """Let a model attend to whole rows in training, of which each process computes a part.

    In evaluation it attends to the rows that it is given, which are padded at their end.

    Args:
        model: the model that is trained; its attention has the name "ulysses" from here on.
        processes: how many share each row: neighbours, counted from process 0.

    Raises:
        SettingsError: the code of the model does not let its attention be replaced.
    """
    from deepspeed import comm
    from deepspeed.sequence.layer import DistributedAttention
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    from ..model.masks import attention_implementation

    firsts = range(0, process_count(), processes)
    groups = [comm.new_group(list(range(first, first + processes))) for first in firsts]

    def attend(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        module: torch.nn.Module,
        options: dict[str, Any],
    ) -> torch.Tensor:
        """Attend with a part of the heads; tensors are rows × tokens × heads × numbers."""
        query, key, value = (tensor.transpose(1, 2) for tensor in (query, key, value))
        return sdpa_attention_forward(module, query, key, value, None, **options)[0]

    exchanging = DistributedAttention(
        attend, groups[rank() // processes], scatter_idx=2, gather_idx=1
    )

    def divided(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **options: Any,
    ) -> tuple[torch.Tensor, None]:
        if not module.training:
            return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        tokens_first = (tensor.transpose(1, 2) for tensor in (query, key, value))
        return exchanging(*tokens_first, 0, None, module, options), None

    AttentionInterface.register(_NAME, divided)
    model.set_attn_implementation(_NAME)
    if attention_implementation(model) != _NAME:  # transformers says so in a warning alone
        raise SettingsError(
            f"sequence_parallel {processes}: its code takes no other attention; leave it out"
        )
