"""Packing: several training rows in one sequence, none of which attends to another.

A batch of packed sequences has next to no padding. Rows are packed whole, each into one sequence,
by trl's best-fit decreasing. Position ids restart at each row and no attention mask is passed:
from that, transformers masks each row from the others, under every attention implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from trl import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from ..data import IGNORED
from ..errors import SettingsError
from ..model.masks import attention_implementation
from ..settings import Settings
from ..windows.rows import Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PROBED = 8
"""Tokens of each row that ``check_isolation`` packs."""


@dataclass(frozen=True)
class PackedRow(Row):
    """A sequence of one or several rows, one after the other.

    Attributes:
        seq_lengths: tokens of each row.
    """

    seq_lengths: list[int] = field(default_factory=list)


def pack(rows: Sequence[Row], settings: Settings) -> Sequence[PackedRow]:
    """Return sequences of rows.

    A row is in exactly one sequence, as a whole. The sequences are the same in each epoch, in
    another order: best-fit decreasing depends on the lengths, which are the same, too. Rows of
    equal length are shuffled by the seed, so that windows of one document part.

    Args:
        rows: of one domain, at most ``max_length`` tokens each, as ``build_rows`` makes them.
        settings: ``max_length`` bounds the sequences, too.
    """
    from datasets import Dataset

    generator = torch.Generator().manual_seed(settings.seed)
    order = torch.randperm(len(rows), generator=generator).tolist()
    dataset = Dataset.from_list(
        [{"input_ids": rows[number].input_ids, "labels": rows[number].labels} for number in order]
    )
    packed = pack_dataset(dataset, settings.max_length, map_kwargs={"batch_size": None})
    domain = rows[0].domain if rows else 0
    return [PackedRow(**sequence, domain=domain) for sequence in packed]


class PackingCollator(DataCollatorForLanguageModeling):
    """Makes batches of packed sequences, with position ids in place of an attention mask.

    FlashAttention reads a batch as one long row (``padding_free``), others read one row for each
    sequence. A padding token is a document of its own.
    """

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a batch; the first token of a row follows no other, so it carries no loss."""
        batch: dict[str, Any] = super().torch_call(examples)
        batch.pop("attention_mask", None)  # with one, transformers ignores where rows begin
        batch["labels"][batch["position_ids"] == 0] = IGNORED
        return batch


def packing_collator(
    model: PreTrainedModel, pad_token_id: int, pad_to_multiple_of: int | None
) -> PackingCollator:
    """Return the collator for a model's attention implementation."""
    flat = "flash" in attention_implementation(model)
    return PackingCollator(
        pad_token_id=pad_token_id,
        padding_free=flat,
        return_position_ids=not flat,
        pad_to_multiple_of=pad_to_multiple_of,
    )


def check_isolation(model: Any, collator: PackingCollator, name: str) -> None:
    """Check that a packed row is read the same whatever is packed before it.

    Which architectures do so is decided by their code, so it is tried: two rows are packed, once
    with other tokens in the first one.

    Args:
        model: reads the rows under the autocast of the training.
        collator: makes the batch, as in training.
        name: the model's, for the message.

    Raises:
        SettingsError: the second row changes with the first one.
    """
    decoder = model.get_decoder()
    device = next(decoder.parameters()).device
    read = []
    was_training = model.training
    model.eval()
    for first in (0, _PROBED):
        ids = [*range(first, first + _PROBED), *range(_PROBED)]
        batch = collator([asdict(PackedRow(ids, ids, seq_lengths=[_PROBED, _PROBED]))])
        del batch["labels"]
        inputs = {n: v.to(device) if torch.is_tensor(v) else v for n, v in batch.items()}
        with torch.no_grad():
            hidden = decoder(**inputs, use_cache=False)[0]
        read.append(hidden[0, _PROBED : 2 * _PROBED].float())
    model.train(was_training)
    # Experts are given other tokens beside the row's own, which changes the last digits.
    low = torch.is_autocast_enabled(device.type) or hidden.dtype != torch.float32
    if (read[0] - read[1]).abs().max() > (2e-2 if low else 1e-5) * read[0].abs().max():
        raise SettingsError(
            f"packing: {name} mixes rows that are packed into one sequence; set packing=false"
        )
