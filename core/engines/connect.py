"""Find out what servers are, and whether they can be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..decoding.llguidance_adapter import Vocabulary
from ..errors import SettingsError, did_you_mean, without_password
from .llama_cpp import LlamaCpp
from .server import Dialect, Server, ServerEngine, reason
from .vllm import Vllm

KEY = "FIELDSMITH_ENGINE_KEY"
"""Environment variable with the key that servers ask for."""

_AT_ONCE = 32
"""Requests that each server has at the same time, at most; it forms batches of them."""

_FIRST = 30.0
"""Seconds in which a server has to say what it is."""

_WORD = "fieldsmith"


def connect(
    addresses: Sequence[str], model: str | None, vocabulary: Vocabulary, key: str | None = None
) -> ServerEngine:
    """Connect to servers of one kind with one model.

    Args:
        addresses: such as ``http://host:8000``.
        model: the model or adapter, as the servers call it; None where they have one.
        vocabulary: the tokens of answers.
        key: that they ask for; None for that of the environment.

    Raises:
        SettingsError: a server is not reached, is of no known kind, has no such model, or does not
            hold its answers to a grammar; or they differ.
    """
    key = os.environ.get(KEY, "") if key is None else key
    servers = [Server(_normal(address), key) for address in addresses]
    found = [_kind_of(server, model) for server in servers]
    dialect, context = found[0][0], min(context for _dialect, context in found)
    if any(other != dialect for other, _context in found):
        pairs = zip(servers, found, strict=True)
        kinds = ", ".join(f"{server.address}: {kind}" for server, (kind, _context) in pairs)
        raise SettingsError(f"--engine: the servers differ ({kinds})")
    for server in servers:
        _require_grammar(server, dialect, vocabulary)
    return ServerEngine(servers, dialect, context, _AT_ONCE * len(servers))


def _normal(address: str) -> str:
    """Return an address without the parts that users copy from documentation of clients."""
    shown = without_password(address)
    if not address.startswith(("http://", "https://")):
        raise SettingsError(f"--engine {shown}: name an address such as http://host:8000")
    if shown != address:
        raise SettingsError(
            f"--engine {shown}: is given with a name or password; a key goes into the environment "
            f"variable {KEY}"
        )
    return address.rstrip("/").removesuffix("/v1")


def _kind_of(server: Server, model: str | None) -> tuple[Dialect, int]:
    """Return the dialect of a server and the tokens of its context."""
    asked = Server(server.address, server.key, _FIRST)
    try:
        listed: list[dict[str, Any]] = asked.ask("/v1/models")["data"]
        owner = str(listed[0].get("owned_by", ""))
        if owner == "llamacpp":
            settings = asked.ask("/props")["default_generation_settings"]
            return LlamaCpp(), int(settings["n_ctx"])
        if owner == "vllm":
            chosen = _chosen(server, listed, model)
            base = next(each for each in listed if each.get("max_model_len"))
            return Vllm(chosen), int(base["max_model_len"])
    except (OSError, LookupError, TypeError, ValueError, StopIteration) as error:
        raise SettingsError(
            f"--engine {server.address}: does not say what it is: {reason(error)}; start a server "
            f"of vLLM or llama.cpp, or set {KEY} where it asks for a key"
        ) from error
    raise SettingsError(
        f"--engine {server.address}: is neither vLLM nor llama.cpp, but {owner or 'unknown'}"
    )


def _chosen(server: Server, listed: Sequence[dict[str, Any]], model: str | None) -> str:
    """Return the model to ask: the one that is named, or else the only one."""
    names = [str(each["id"]) for each in listed]
    if model is None and len(names) == 1:
        return names[0]
    if model is None:
        raise SettingsError(
            f"--engine {server.address}: has several models; name one by --engine-model: "
            f"{', '.join(names)}"
        )
    if model not in names:
        raise SettingsError(
            f"--engine {server.address}: has no model {model!r}; {did_you_mean(model, names)}"
        )
    return model


def _require_grammar(server: Server, dialect: Dialect, vocabulary: Vocabulary) -> None:
    """Refuse a server that does not hold an answer to a grammar of llguidance."""
    prompt = vocabulary.tokenize(b"Say yes or no.")
    path, body = dialect.request(prompt, f'start: "{_WORD}"\n', 32)
    try:
        written = dialect.read(server.ask(path, body))
        text = b"".join(map(vocabulary.bytes_of, written.tokens)).decode(errors="replace")
    except (OSError, LookupError, TypeError, ValueError) as error:
        text = reason(error)
    if text != _WORD:
        raise SettingsError(
            f"--engine {server.address}: does not hold its answers to a grammar ({text[:200]!r}); "
            f"start vLLM with --structured-outputs-config.backend guidance, or a llama.cpp that is "
            f"built with llguidance"
        )
