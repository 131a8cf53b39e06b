"""Answers of a GGUF file by llama.cpp's server, in this process.

The server takes our grammars as they are, since it is built with llguidance (the package
``xllamacpp`` is). What it answers is checked against the grammar again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ..data import Message
from ..decoding.llguidance_adapter import Vocabulary
from ..decoding.sequence import Generated, Prompt, decoded
from ..errors import GrammarError, RunError, SettingsError
from ..settings import Settings

_GRAMMAR = "%llguidance {}\n"
"""How llama.cpp is told that a grammar is one of llguidance."""

_QUIET = -1


@dataclass(frozen=True)
class LlamaCppEngine:
    """A GGUF file in llama.cpp.

    Attributes:
        file: the file.
        context: tokens of a prompt with its answer, at most.
        slots: answers that are generated at the same time.
        server: llama.cpp's server, which ends with this object.
        key: what the server asks of who uses it; it listens on a port of this machine alone.
    """

    file: Path
    context: int
    slots: int
    server: Any
    key: str

    @staticmethod
    def load(file: Path, context: int, slots: int) -> LlamaCppEngine:
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
            return LlamaCppEngine(file, context, slots, library.Server(params), key)
        except RuntimeError as error:
            raise RunError(f"{file}: llama.cpp cannot load it; export the run again") from error

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a prompt as llama.cpp makes it by the template in the file.

        Raises:
            RunError: it makes none.
        """
        turns = [asdict(message) for message in messages]
        try:
            return self.tokens(self._ask("/apply-template", {"messages": turns})["prompt"])
        except (OSError, KeyError) as error:
            raise RunError(f"{self.file}: llama.cpp makes no prompt: {_reason(error)}") from error

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a rendered prompt, in which names of control tokens are such."""
        request = {"content": text, "add_special": True, "parse_special": True}
        return list(self._ask("/tokenize", request)["tokens"])

    def answer(
        self,
        prompts: Sequence[Prompt],
        settings: Settings,
        vocabulary: Vocabulary,
        progress: Callable[[int], object],
    ) -> list[Generated | str]:
        """See ``Engine``."""

        def one(prompt: Prompt) -> Generated | str:
            try:
                return self._answered(prompt, settings.max_new_tokens, vocabulary)
            except OSError as error:
                return f"llama.cpp: {_reason(error)}"
            finally:
                progress(1)

        with ThreadPoolExecutor(self.slots) as pool:
            return list(pool.map(one, prompts))

    def _answered(self, prompt: Prompt, limit: int, vocabulary: Vocabulary) -> Generated | str:
        request: dict[str, Any] = {
            "prompt": list(prompt.ids),
            "n_predict": limit,
            "samplers": ["temperature"],
            "temperature": 0,
            "n_probs": 1,
            "return_tokens": True,
        }
        if prompt.grammar:
            request["grammar"] = _GRAMMAR + prompt.grammar.lark
        answered = self._ask("/completion", request)
        tokens = list(answered["tokens"])
        finished = answered["stop_type"] == "eos"
        if (
            finished and tokens
        ):  # by a token that llama.cpp takes for an end, the model's or another
            tokens.pop()
        logprobs = _aligned(tokens, answered["completion_probabilities"])
        return _generated(tokens, logprobs, prompt, vocabulary, finished=finished)

    def _ask(self, path: str, request: Mapping[str, Any]) -> Any:
        asked = Request(
            self.server.listening_address + path,
            json.dumps(request).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"},
        )
        with urlopen(asked) as response:
            return json.load(response)


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


def _generated(
    tokens: Sequence[int],
    logprobs: list[float],
    prompt: Prompt,
    vocabulary: Vocabulary,
    *,
    finished: bool,
) -> Generated | str:
    """Return an answer as our decoder would, or why it is none that the grammar allows."""
    if prompt.grammar:
        matcher = prompt.grammar.matcher()
        try:
            for at, token in enumerate(tokens):
                if matcher.forced():
                    logprobs[at] = 0.0
                matcher.consume([token])
            if finished and not matcher.may_end:
                return "llama.cpp: the answer ends too early for its grammar"
        except GrammarError as error:
            return f"llama.cpp: the answer breaks its grammar: {error}"
    text, ends = decoded(tokens, vocabulary)
    return Generated(tuple(tokens), text, tuple(ends), tuple(logprobs), finished)


def _reason(error: Exception) -> str:
    """Return what the server says, in one line."""
    text = str(error)
    if isinstance(error, HTTPError):
        with suppress(ValueError, LookupError, TypeError):
            text = json.load(error)["error"]["message"]
    return " ".join(str(text).split())[:300]
