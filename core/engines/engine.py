"""The interface of what answers prompts under grammars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..decoding.llguidance_adapter import Vocabulary
from ..decoding.sequence import Generated, Prompt
from ..settings import Settings


class Engine(Protocol):
    """Answers prompts, each under its own grammar."""

    @property
    def name(self) -> str:
        """What answers, as messages and files name it."""

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
            EngineError: it is not reached any more.
            GrammarError: a grammar does not compile or fails.
        """
