"""vLLM's server, with the backend ``guidance`` for structured outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .server_answer import Written


@dataclass(frozen=True)
class Vllm:
    """What vLLM's server asks and answers.

    Attributes:
        model: the model or the adapter, as the server calls it.
    """

    model: str
    name = "vLLM"

    def request(self, prompt: Sequence[int], grammar: str | None, limit: int) -> tuple[str, Any]:
        """See ``Dialect``."""
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": list(prompt),
            "max_tokens": limit,
            "temperature": 0,
            "return_token_ids": True,
        }
        if grammar is not None:
            body["structured_outputs"] = {"grammar": grammar}
        return "/v1/completions", body

    def read(self, answer: Any) -> Written:
        """See ``Dialect``."""
        (choice,) = answer["choices"]
        tokens = [int(token) for token in choice["token_ids"]]
        finished = choice["finish_reason"] == "stop"
        if finished and tokens:
            tokens.pop()  # the end token
        return Written(tokens, [0.0] * len(tokens), finished)

    def scoring_request(self, tokens: Sequence[int]) -> tuple[str, Any] | None:
        """See ``Dialect``.

        The log-probabilities of a constrained answer are those among what the grammar allows; of a
        prompt they are the model's own.
        """
        return "/v1/completions", {
            "model": self.model,
            "prompt": list(tokens),
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 0,
            "return_token_ids": True,
        }

    def read_scores(self, answer: Any, count: int) -> list[float]:
        """See ``Dialect``."""
        (choice,) = answer["choices"]
        tokens, scores = choice["prompt_token_ids"], choice["prompt_logprobs"]
        return [
            float(known[str(token)]["logprob"])
            for token, known in zip(tokens[-count:], scores[-count:], strict=True)
        ]
