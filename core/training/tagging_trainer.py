"""The trainer of a small model: the loss of the tags beside the loss of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from ..data import IGNORED
from ..parallel.whole_weights import gathered_weight
from ..tagging.labels import tagging_loss
from .trainer import ExtractionTrainer


class TagCollator(DataCollatorForLanguageModeling):
    """Pads the tags of rows as it pads the rows."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a batch; its tags have the shape (rows, tokens)."""
        batch: dict[str, Any] = super().torch_call(examples)
        if "tags" in examples[0]:
            tags = torch.full_like(batch["labels"], IGNORED)
            for row, example in zip(tags, examples, strict=True):
                row[: len(example["tags"])] = torch.tensor(example["tags"])
            batch["tags"] = tags
        if "domain" in examples[0]:
            batch["domain"] = torch.tensor([example["domain"] for example in examples])
        return batch


class TaggingTrainer(ExtractionTrainer):
    """ExtractionTrainer with a second loss: each token of the text is tagged with its field.

    A tag competes with the other tags of its own domain, as when the domain's texts are tagged.

    Attributes:
        tags: ids of all tags of each domain, ascending, shape (tags,).
    """

    def __init__(self, *arguments: Any, tags: Sequence[Sequence[int]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.tags = [torch.tensor(own, device=self.args.device) for own in tags]
        collator: Any = self.data_collator
        self.data_collator = TagCollator(
            pad_token_id=collator.pad_token_id, pad_to_multiple_of=collator.pad_to_multiple_of
        )
        self.hidden: torch.Tensor | None = None
        model: Any = self.accelerator.unwrap_model(self.model)
        self.base = model

        def keep(_module: torch.nn.Module, _given: Any, output: Any) -> None:
            self.hidden = output[0]  # what the head reads

        self.base.get_decoder().register_forward_hook(keep)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[no-untyped-call]
        columns: Any = self._signature_columns
        columns += [name for name in ("tags", "domain") if name not in columns]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the loss of the answers plus that of the tags, where a batch has some."""
        tags, domains = inputs.pop("tags", None), inputs.pop("domain", None)
        loss: Any = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if tags is None:
            return loss
        assert self.hidden is not None
        with gathered_weight(self.base.get_output_embeddings().weight) as head:
            of_tags = self._tagging_loss(self.hidden, tags, domains, head)
        self.hidden = None
        metrics: Any = self._metrics
        metrics["train"]["tagging_loss"].append(float(of_tags.detach()) / max(1, _count(tags)))
        return loss + self.settings.tagging_weight * of_tags / self.tagged

    def _tagging_loss(
        self,
        hidden: torch.Tensor,
        tags: torch.Tensor,
        domains: torch.Tensor | None,
        head: torch.Tensor,
    ) -> torch.Tensor:
        """Return the sum of the losses of a batch's tags.

        Args:
            hidden: what the head reads, shape (rows, tokens, width).
            tags: shape (rows, tokens).
            domains: number of each row's domain, shape (rows,); None where there is one.
            head: weights of the head, shape (vocabulary, width).
        """
        tagged = tags != IGNORED
        if domains is None:
            return tagging_loss(hidden[tagged], tags[tagged], self.tags[0], head)
        losses = []
        for number, own in enumerate(self.tags):
            chosen = tagged & (domains == number)[:, None]
            losses.append(tagging_loss(hidden[chosen], tags[chosen], own, head))
        return torch.stack(losses).sum()

    def get_batch_samples(self, *arguments: Any, **options: Any) -> Any:
        """Return the batches of a step; their tags are counted, as SFTTrainer counts the answers.

        So a step is the same whether its rows come in one batch or in several.
        """
        batches, items = super().get_batch_samples(*arguments, **options)
        own = sum(_count(batch["tags"]) for batch in batches if "tags" in batch)
        counts = self.accelerator.gather(torch.tensor([own], device=self.args.device))
        # Gradients are averaged over the processes, so each divides by their mean.
        self.tagged = max(1.0, float(counts.float().mean()))
        return batches, items


def _count(tags: torch.Tensor) -> int:
    return int((tags != IGNORED).sum())
