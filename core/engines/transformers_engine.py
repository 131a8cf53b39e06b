"""A model of transformers, by our decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..decoding.generate import generate
from ..decoding.llguidance_adapter import Vocabulary
from ..decoding.sequence import Generated, Prompt
from ..model.attention import prompt_attention
from ..model.kv_cache import rows_in_memory
from ..settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class TransformersEngine:
    """A model of transformers, by our decoder."""

    model: PreTrainedModel
    name = "transformers"

    @property
    def context(self) -> int:
        """Positions of the model; where its config has none, no prompt is too long."""
        config = self.model.config.get_text_config(decoder=True)
        return int(getattr(config, "max_position_embeddings", None) or 1 << 30)

    def answer(
        self,
        prompts: Sequence[Prompt],
        settings: Settings,
        vocabulary: Vocabulary,
        progress: Callable[[int], object],
    ) -> list[Generated | str]:
        """See ``Engine``."""
        longest = max((len(p.ids) for p in prompts), default=0) + settings.max_new_tokens
        return list(
            generate(
                self.model,
                prompts,
                stops=sorted(vocabulary.stops),
                max_new_tokens=settings.max_new_tokens,
                batch_size=rows_in_memory(self.model, longest, settings.eval_batch_size),
                attention=prompt_attention(settings),
                vocabulary=vocabulary,
                progress=progress,
            )
        )
