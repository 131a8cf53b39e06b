"""What answers prompts under grammars; ``llama_cpp`` has a further engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..decoding.generate import generate
from ..decoding.llguidance_adapter import Vocabulary
from ..decoding.sequence import Generated, Prompt
from ..model.attention import prompt_attention
from ..model.kv_cache import rows_in_memory
from ..settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Engine(Protocol):
    """Answers prompts, each under its own grammar."""

    @property
    def context(self) -> int:
        """Tokens of a prompt with its answer, at most."""

    def answer(
        self,
        prompts: Sequence[Prompt],
        settings: Settings,
        vocabulary: Vocabulary,
        progress: Callable[[int], object],
    ) -> list[Generated | str]:
        """Generate an answer to each prompt; results are in the order of the prompts.

        Each answer has the most probable token that its grammar allows at each position.

        Args:
            prompts: in any order; each with its answer fits into ``context``.
            settings: limit the length of answers and how many are generated at once.
            vocabulary: the tokens of answers.
            progress: called with the number of prompts done since the last call.

        Returns:
            Answers, and for a prompt that the engine failed to answer the reason.

        Raises:
            GrammarError: a grammar does not compile or fails.
        """


@dataclass(frozen=True)
class TransformersEngine:
    """A model of transformers, by our decoder."""

    model: PreTrainedModel

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
