"""A teacher behind OpenAI's route for chats, which most servers of large models have.

Answers are held to the schema where the server takes one. What it takes is found out by the first
question, which is sent alone: a form that is refused costs nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from ..data import Schema
from ..decoding.partial_json import schema_requiring
from ..engines.server import Server, ServerPool, is_timeout, reason
from ..engines.threads import in_threads
from ..errors import EngineError, SettingsError, without_password
from ..runs.paths import without_folders
from ..schema.navigation import iter_subschemas
from .budget import Budget
from .chat_answer import ChatAnswer, read_chat
from .teacher import Keep, Question, Reply, Usage

_TIMEOUT = 300.0
"""Seconds in which an answer has to come."""

_TRIES = 8
"""How often a question is sent that fails for what may pass: over a minute in all."""

_FORMS = ("json_schema", "json_object", "text")
"""How an answer is held to its form, the strictest first."""

_NOT_TAKEN = {400, 415, 422, 501}
"""HTTP states by which a server refuses a form, or a prompt."""

_LATER = "repeat the command later, which goes on where it was"

_ADDRESS = "give --teacher the address that it leads to, if it is the right one"

_FATAL = {
    **dict.fromkeys((301, 302, 303, 307, 308), _ADDRESS),
    401: "set FIELDSMITH_ENGINE_KEY to a key that it accepts",
    402: "the account has no credit",
    403: "the key may not use this model",
    404: "check the address and --teacher-model",
    405: "check the address: it has no route for chats",
    429: f"it had too many requests or the quota is used up; {_LATER}, with a lower --concurrency",
    **dict.fromkeys((502, 503, 504, 521, 522, 523, 525, 526, 527, 529, 530), _LATER),
}
"""HTTP states that the next question would meet as well, and what to do.

From 520 on they are those of proxies; 520 and 524 may be due to the question.
"""

_OF_SCHEMAS = ("$schema", "$id")


class ChatTeacher:
    """A model behind OpenAI's route for chats."""

    def __init__(
        self,
        address: str,
        model: str,
        schema: Schema,
        budget: Budget,
        *,
        key: str = "",
        temperature: float = 0.0,
        most_tokens: int = 512,
        concurrency: int = 8,
    ) -> None:
        """Take a server; nothing is sent.

        Args:
            address: with the path in front of ``/chat/completions``; without a path ``/v1`` is
                added.
            model: as the server calls it.
            schema: that answers are held to.
            budget: what may be spent.
            key: sent as bearer token; "" for none.
            temperature: of the samples.
            most_tokens: of an answer.
            concurrency: questions at the same time.

        Raises:
            SettingsError: the address is none.
        """
        self.model, self.at_once = without_folders(model), concurrency
        self.endpoint: Mapping[str, str] = {"kind": "openai-compatible", "host": _host(address)}
        self.parameters: Mapping[str, Any] = {
            "model": model,
            "temperature": temperature,
            "max_tokens": most_tokens,
            "schema": plain_schema(schema_requiring(schema.get("properties", ()), schema)),
        }
        self._budget = budget
        self._pool = ServerPool([Server(_base(address), key, _TIMEOUT)], _TRIES)
        self._limit = "max_tokens"
        self._form = ""  # none has been answered in yet
        self._ended: EngineError | None = None
        self._finding_out = threading.Lock()

    def ask(self, questions: Sequence[Question], keep: Keep) -> dict[str, str]:
        """See ``Teacher``."""

        def one(question: Question) -> str:
            """Ask a question; return why it failed, or "" where it did not."""
            most = self._most(question)
            if self._ended or not self._budget.reserve(most):
                return ""
            cost = None
            try:
                answer = self._answer(question)
                if isinstance(answer, str):
                    return answer
                cost = answer.usage
                keep(question, answer)
            except EngineError as error:  # those under way are waited for: they may be paid for
                self._ended = error
            finally:
                self._budget.settle(most, cost)
            return ""

        found = list(in_threads(one, questions, self.at_once))
        if self._ended:
            raise self._ended
        return {questions[number].key: failed for number, failed in found if failed}

    def _most(self, question: Question) -> Usage:
        """Return the most that a question can cost: no token is shorter than a byte."""
        body = json.dumps(self._body(question, _FORMS[0]), ensure_ascii=False)
        return Usage(len(body.encode("utf-8", "replace")), self.parameters["max_tokens"], 1)

    def _answer(self, question: Question) -> Reply | str:
        """Return the answer to a question, or why there is none.

        Raises:
            EngineError: the server is not reached, or refuses whatever it is asked.
        """
        try:
            answer, form = self._send(question)
            return self._read(question, answer, form)
        except _RefusedError as error:
            return str(error)
        except EngineError as error:
            if not is_timeout(error.__cause__):
                raise
            return f"no answer within {_TIMEOUT:g} seconds"
        except ValueError as error:
            return reason(error)

    def _send(self, question: Question) -> tuple[Any, str]:
        """Send a question, the first one by itself, in the strictest form that is taken."""
        with self._finding_out:
            if self._ended:  # met by another question that was waited for
                raise self._ended
            if not self._form:
                return self._find_form(question)
        return self._send_in(self._form, question), self._form

    def _find_form(self, question: Question) -> tuple[Any, str]:
        first: _RefusedError | None = None
        for form in _FORMS:
            try:
                answer = self._send_in(form, question)
            except _RefusedError as error:
                first = first or error
                if error.state not in _NOT_TAKEN:
                    break
            else:
                self._form = form
                return answer, form
        assert first is not None
        raise first  # of this question, or of its prompt: the next one is tried anew

    def _send_in(self, form: str, question: Question) -> Any:
        try:
            return self._pool.send("/chat/completions", self._body(question, form))
        except HTTPError as error:
            said = reason(error)
            # Some servers also answer 403 to a text that they do not want to read.
            if error.code in _FATAL and not (error.code == 403 and self._form):
                address = f"--teacher {self._pool.servers[0].address}"
                raise EngineError(f"{address}: {said}; {_FATAL[error.code]}") from error
            # Newer models of OpenAI want another name for the limit.
            if self._limit == "max_tokens" and "max_completion_tokens" in said:
                self._limit = "max_completion_tokens"
                return self._send_in(form, question)
            raise _RefusedError(said, error.code) from error

    def _body(self, question: Question, form: str) -> dict[str, Any]:
        body = {
            "model": self.parameters["model"],
            "messages": [asdict(message) for message in question.messages],
            "temperature": self.parameters["temperature"],
            self._limit: self.parameters["max_tokens"],
        }
        if form == "json_schema":
            schema = {"name": "record", "strict": True, "schema": self.parameters["schema"]}
            body["response_format"] = {"type": form, "json_schema": schema}
        elif form == "json_object":
            body["response_format"] = {"type": form}
        return body

    def _read(self, question: Question, answer: Any, form: str) -> Reply:
        """Read an answer, which is kept whatever its shape is: it may have been paid for.

        Raises:
            _RefusedError: it is an error that has cost nothing, as of a provider behind the server.
        """
        said = read_chat(answer)
        known = answer if isinstance(answer, dict) else {}
        if known.get("error") and not known.get("choices") and not sum(said.usage or ()):
            raise _RefusedError(said.problem, 200)
        version, fingerprint = known.get("model"), known.get("system_fingerprint")
        return Reply(
            said.text,
            said.finished,
            self._usage(question, said),
            f"{datetime.now(UTC):%Y-%m-%d}",
            without_folders(version) if isinstance(version, str) else "",
            fingerprint if isinstance(fingerprint, str) else "",
            said.form or form,
            problem=said.problem,
        )

    def _usage(self, question: Question, said: ChatAnswer) -> Usage:
        """Return what an answer cost; where the server does not say, the most that it can have."""
        if said.usage:
            return Usage(*said.usage, 1)
        most = self._most(question).prompt_tokens
        return Usage(most, len(said.text.encode("utf-8", "replace")), 1)


class _RefusedError(Exception):
    """A server refuses a question; says why."""

    def __init__(self, said: str, state: int) -> None:
        super().__init__(said)
        self.state = state


def is_address(teacher: str) -> bool:
    """Say whether a teacher is a server."""
    return teacher.startswith(("http://", "https://"))


def plain_schema(schema: Schema) -> Schema:
    """Return a schema without what says nothing about the form of a record.

    Annotations of the core and names of the schema itself are refused by some servers.
    """
    made: Schema = json.loads(json.dumps(schema))
    for _pointer, part in iter_subschemas(made):
        if isinstance(part, dict):
            for key in [key for key in part if key.startswith("x-") or key in _OF_SCHEMAS]:
                del part[key]
    return made


def _host(address: str) -> str:
    """Return the host of an address.

    Raises:
        SettingsError: it has none, or more than a path beside it, which may be a key.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        shown = without_password(address)
        raise SettingsError(f"--teacher {shown}: name an address such as http://host:8000")
    if without_password(address) != address or parts.query:
        raise SettingsError(
            f"--teacher: the address of {host} holds more than a path; a key goes into the "
            f"environment variable FIELDSMITH_ENGINE_KEY"
        )
    return host


def _base(address: str) -> str:
    """Return the address in front of the route.

    >>> _base("http://host:8000/"), _base("https://host/openai/v1/chat/completions")
    ('http://host:8000/v1', 'https://host/openai/v1')
    """
    base = address.rstrip("/").removesuffix("/chat/completions")
    return base if urlsplit(base).path else f"{base}/v1"
