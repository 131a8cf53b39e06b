"""llama.cpp's server: one that runs elsewhere, or in this process with a GGUF file.

It takes our grammars as they are if it is built with llguidance, as the package ``xllamacpp`` is.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..data import Message
from ..errors import RunError, SettingsError
from .server import Server, ServerEngine, reason
from .server_answer import Written

_GRAMMAR = "%llguidance {}\n"
"""What marks a grammar for llama.cpp as one of llguidance."""

_QUIET = -1


@dataclass(frozen=True)
class LlamaCpp:
    """What llama.cpp's server asks and answers."""

    name = "llama.cpp"

    def request(self, prompt: Sequence[int], grammar: str | None, limit: int) -> tuple[str, Any]:
        """See ``Dialect``."""
        body: dict[str, Any] = {
            "prompt": list(prompt),
            "n_predict": limit,
            "samplers": ["temperature"],
            "temperature": 0,
            "n_probs": 1,
            "return_tokens": True,
        }
        if grammar is not None:
            body["grammar"] = _GRAMMAR + grammar
        return "/completion", body

    def read(self, answer: Any) -> Written:
        """See ``Dialect``."""
        tokens = [int(token) for token in answer["tokens"]]
        finished = answer["stop_type"] == "eos"
        if finished and tokens:
            tokens.pop()  # the token that llama.cpp takes for an end: the model's or another
        known = answer.get("completion_probabilities", ())  # absent where there are none
        return Written(tokens, _aligned(tokens, known), finished)

    def scoring_request(self, tokens: Sequence[int]) -> tuple[str, Any] | None:
        """See ``Dialect``."""
        del tokens
        return None

    def read_scores(self, answer: Any, count: int) -> list[float]:
        """See ``Dialect``."""
        raise ValueError(f"no scores of {count} tokens were asked for: {answer}")


def _aligned(tokens: Sequence[int], probabilities: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the log-probability of each token; llama.cpp leaves out those within a character."""
    found, rest = list[float](), iter(probabilities)
    known = next(rest, None)
    for token in tokens:
        if known is not None and known["id"] == token:
            found.append(float(known["logprob"]))
            known = next(rest, None)
        else:
            found.append(0.0)
    return found


@dataclass(frozen=True)
class GgufEngine(ServerEngine):
    """A GGUF file in llama.cpp's server, in this process.

    Attributes:
        file: the file.
        running: the server, which ends with this object; it listens on this machine alone.
    """

    file: Path
    running: Any

    @staticmethod
    def load(file: Path, context: int, slots: int) -> GgufEngine:
        """Load a file.

        Args:
            file: the GGUF file.
            context: tokens of a prompt with its answer, at most.
            slots: answers that are generated at the same time.

        Raises:
            RunError: it cannot be loaded.
            SettingsError: llama.cpp is not installed.
        """
        try:
            library: Any = import_module("xllamacpp")
        except ImportError as error:
            raise SettingsError(
                "llama.cpp is not installed, which answers with a GGUF file; install the extra: "
                "pip install 'fieldsmith[llama-cpp]'"
            ) from error
        from torch import get_num_threads

        params, key = library.CommonParams(), secrets.token_hex(16)
        params.model.path = str(file)
        params.api_keys = [key]
        params.n_ctx = slots * context
        params.n_parallel = slots
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = get_num_threads()
        params.check_tensors = True  # refuses what is not finite
        params.ui = params.warmup = params.endpoint_slots = params.ctx_shift = False
        params.verbosity = _QUIET
        try:
            running = library.Server(params)
        except RuntimeError as error:
            raise RunError(f"{file}: llama.cpp cannot load it; export the run again") from error
        server = Server(running.listening_address, key)
        return GgufEngine((server,), LlamaCpp(), context, slots, file, running)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a prompt as llama.cpp makes it by the template in the file.

        Raises:
            RunError: it makes none.
        """
        turns = [asdict(message) for message in messages]
        try:
            rendered = self.servers[0].ask("/apply-template", {"messages": turns})["prompt"]
            return self.tokens(rendered)
        except (OSError, LookupError) as error:
            raise RunError(f"{self.file}: llama.cpp makes no prompt: {reason(error)}") from error

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a rendered prompt, in which names of control tokens are such."""
        request = {"content": text, "add_special": True, "parse_special": True}
        return list(self.servers[0].ask("/tokenize", request)["tokens"])
