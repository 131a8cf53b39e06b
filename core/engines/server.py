"""Ask servers for answers by HTTP, several at once.

What a server refuses for one prompt is a failure of that prompt alone. A server that is not reached
any more ends the command, so that it can be repeated from there.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BytesIO
from typing import IO, Any, Protocol
from urllib.error import HTTPError
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    Request,
    build_opener,
)

from ..deadline import Deadline, Watched, deadline
from ..decoding.llguidance_adapter import Vocabulary
from ..decoding.sequence import Generated, Prompt, decoded
from ..errors import EngineError, without_password
from ..settings import Settings
from .server_answer import AnswerError, ServerAnswer, Written
from .threads import in_threads

_TRIES = 6
_PAUSE = 0.5
"""Seconds before a request is sent again; doubled each time."""

_LONGEST_PAUSE = 120.0
"""Seconds that a server may ask to wait by ``Retry-After``; longer ones are not waited for."""

_TIMEOUTS = 2
"""How often a request is sent that takes longer than the timeout."""

_BUSY = {408, 425, 429, *range(500, 600)} - {501, 505, 511}
"""HTTP states after which a request is sent again; those of proxies (520 to 529) among them."""

_REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class Server:
    """An address that is asked by HTTP with JSON.

    Attributes:
        address: such as ``http://host:8000``.
        key: sent as bearer token; "" for none.
        timeout: seconds after which a request has failed that has no whole answer.
    """

    address: str
    key: str = ""
    timeout: float = 600.0

    def ask(self, path: str, request: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a request; without one, a page is fetched.

        Raises:
            OSError: the server is not reached, breaks off, or refuses.
            ValueError: its answer is not JSON.
        """
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        body = None if request is None else json.dumps(request).encode()
        sent = Request(self.address + path, body, headers)
        try:
            with deadline(self.timeout) as watch:
                answer = _opened(sent, self.timeout, watch)
        except HTTPException as error:  # which is no OSError where an answer is cut off
            raise ConnectionError(f"it breaks off: {error}") from error
        return _json(answer)


class _NoRedirects(HTTPRedirectHandler):
    """Makes an error of a redirect: the key and the documents are for the host that was named."""

    def redirect_request(self, *_request: Any) -> None:
        """Follow none."""


class _Connection(Watched, HTTPConnection):
    """A connection that a deadline watches."""


class _SecureConnection(Watched, HTTPSConnection):
    """The same for https."""


class _WatchedHandler(HTTPHandler, HTTPSHandler):
    """Opens connections that a deadline watches."""

    def __init__(self, watch: Deadline) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: Request) -> HTTPResponse:
        """Open one."""
        return self.do_open(partial(_Connection, watch=self._watch), req)

    def https_open(self, req: Request) -> HTTPResponse:
        """Open one with TLS."""
        return self.do_open(partial(_SecureConnection, watch=self._watch), req)


def _opened(sent: Request, timeout: float, watch: Deadline) -> IO[bytes]:
    """Return the body of the answer to a request.

    Raises:
        HTTPError: the answer is an error; it is read as far as it goes.
        HTTPException, OSError: there is none.
    """
    opener = build_opener(_NoRedirects, _WatchedHandler(watch))
    try:
        with opener.open(sent, timeout=timeout) as answer:
            return BytesIO(answer.read())
    except HTTPError as error:
        body = b""
        with error, suppress(HTTPException, OSError):
            body = error.read()
        raise HTTPError(error.url, error.code, error.msg, error.headers, BytesIO(body)) from None


class Dialect(Protocol):
    """What one kind of server is asked, and how it answers.

    Attributes:
        name: of the kind, for messages.
    """

    name: str

    def request(self, prompt: Sequence[int], grammar: str | None, limit: int) -> tuple[str, Any]:
        """Return path and body of the request for the most probable answer to a prompt.

        Args:
            prompt: its tokens.
            grammar: in llguidance's dialect of Lark; None for any text.
            limit: tokens of the answer, at most.
        """

    def read(self, answer: Any) -> Written:
        """Read an answer.

        Raises:
            LookupError, TypeError, ValueError: it is none.
        """

    def scoring_request(self, tokens: Sequence[int]) -> tuple[str, Any] | None:
        """Return path and body of the request for the log-probability of each of some tokens.

        None where an answer has those of the model's whole distribution already.
        """

    def read_scores(self, answer: Any, count: int) -> list[float]:
        """Read the log-probabilities of the last tokens.

        Raises:
            LookupError, TypeError, ValueError: the answer has none.
        """


@dataclass
class _InFlight:
    """How many requests each server has now."""

    counts: list[int]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> int:
        """Choose the server that has fewest."""
        with self.lock:
            number = self.counts.index(min(self.counts))
            self.counts[number] += 1
            return number

    def give_back(self, number: int) -> None:
        with self.lock:
            self.counts[number] -= 1


class ServerPool:
    """Servers with the same model, to which requests are spread.

    Attributes:
        servers: the servers.
        tries: how often a request is sent that fails for what may pass.
    """

    def __init__(self, servers: Sequence[Server], tries: int = _TRIES) -> None:
        """Take servers, none of which has a request yet."""
        self.servers, self.tries = servers, tries
        self._in_flight = _InFlight([0] * len(servers))

    def send(self, path: str, body: Any) -> Any:
        """Send a request to a server, and to another one where it fails for what may pass.

        Raises:
            EngineError: none is reached.
            HTTPError: it is refused.
            ValueError: the answer is not JSON.
        """
        tried = 0
        while True:
            tried += 1
            number, pause = self._in_flight.take(), _PAUSE * 2 ** (tried - 1)
            try:
                return self.servers[number].ask(path, body)
            except HTTPError as error:
                pause = max(pause, _asked_pause(error))
                if tried == self.tries or error.code not in _BUSY or pause > _LONGEST_PAUSE:
                    raise
            except OSError as error:
                if tried == (_TIMEOUTS if is_timeout(error) else self.tries):
                    raise EngineError(
                        f"{self.servers[number].address}: is not reached any more "
                        f"({reason(error)}); start it again and repeat the command, which goes on "
                        f"where it was with --output"
                    ) from error
            finally:
                self._in_flight.give_back(number)
            time.sleep(pause)


def is_timeout(error: BaseException | None) -> bool:
    """Say whether a request has failed because its answer took too long."""
    return isinstance(error, TimeoutError) or isinstance(
        getattr(error, "reason", None), TimeoutError
    )


def _asked_pause(error: HTTPError) -> float:
    """Return the seconds that a server asks to wait (``Retry-After``); 0 if it does not say."""
    asked = (error.headers.get("Retry-After") or "").strip()
    if asked.isdecimal():
        return float(asked)
    with suppress(ValueError, OverflowError):
        until = parsedate_to_datetime(asked)
        return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    return 0.0


@dataclass(frozen=True)
class ServerEngine:
    """Servers of one kind with one model.

    Attributes:
        servers: requests are spread over them.
        dialect: what they are asked.
        context: tokens of a prompt with its answer, at most.
        at_once: requests at the same time.
    """

    servers: Sequence[Server]
    dialect: Dialect
    context: int
    at_once: int

    @property
    def name(self) -> str:
        """See ``Engine``."""
        return self.dialect.name

    def answer(
        self,
        prompts: Sequence[Prompt],
        settings: Settings,
        vocabulary: Vocabulary,
        progress: Callable[[int], object],
    ) -> list[Generated | str]:
        """See ``Engine``."""
        pool = ServerPool(self.servers)

        def one(prompt: Prompt) -> Generated | str:
            try:
                return self._answer(prompt, settings.max_new_tokens, vocabulary, pool)
            except AnswerError as error:
                return f"{self.dialect.name}: {error}"
            except (HTTPError, LookupError, TypeError, ValueError) as error:
                return f"{self.dialect.name}: {reason(error)}"

        answers: dict[int, Generated | str] = {}
        for number, answer in in_threads(one, prompts, self.at_once):
            answers[number] = answer
            progress(1)
        return [answers[number] for number in range(len(prompts))]

    def _answer(
        self, prompt: Prompt, limit: int, vocabulary: Vocabulary, pool: ServerPool
    ) -> Generated:
        """Return the answer to a prompt, as our decoder would.

        Raises:
            AnswerError: the grammar does not allow the answer.
            GrammarError: the grammar does not compile.
            HTTPError, LookupError, TypeError, ValueError: the server refuses, or its answer is
                none.
        """

        def ask(ids: Sequence[int], grammar: str | None, limit: int) -> Written:
            request = self.dialect.request(ids, grammar, limit)
            return self.dialect.read(pool.send(*request))

        if prompt.grammar is None:
            written = ask(prompt.ids, None, limit)
            tokens, logprobs, finished = written
            certain, shortened = [False] * len(tokens), False
        else:
            answer = ServerAnswer(prompt.ids, prompt.grammar, ask)
            answer.write(limit)
            tokens, logprobs, certain = answer.tokens, answer.logprobs, answer.certain
            finished, shortened = answer.finished, answer.shortened
        scoring = self.dialect.scoring_request([*prompt.ids, *tokens])
        if scoring is not None and tokens:
            logprobs = self.dialect.read_scores(pool.send(*scoring), len(tokens))
        known = (0.0 if sure else given for given, sure in zip(logprobs, certain, strict=True))
        text, ends = decoded(tokens, vocabulary)
        return Generated(tuple(tokens), text, tuple(ends), tuple(known), finished, shortened)


def reason(error: Exception) -> str:
    """Return what a server says of an error, in one line."""
    text = str(error)
    if isinstance(error, HTTPError):
        if error.code in _REDIRECTS:
            error.close()
            location = str(error.headers.get("Location"))
            return f"{error.code}: it redirects to {without_password(location)}"
        with suppress(HTTPException, OSError, RecursionError, ValueError):
            text = f"{error.code}: {message_of(_json(error))}"
    elif isinstance(error, RecursionError):
        text = "its answer is not understood (nested too deeply)"
    elif isinstance(error, ValueError):
        text = f"its answer is not understood ({error})"
    elif isinstance(error, LookupError | TypeError):
        text = f"its answer is not understood ({type(error).__name__}: {error})"
    return " ".join(text.split())[:300]


def _json(stream: IO[bytes]) -> Any:
    """Read JSON.

    Raises:
        ValueError: it is none, or too deeply nested.
    """
    try:
        return json.load(stream)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    except ValueError as error:
        raise ValueError("it is no JSON") from error


def message_of(said: Any) -> str:
    """Return the message in what a server says of an error, in whichever of the usual forms.

    >>> message_of({"error": {"message": "no", "code": 3}}), message_of({"detail": [1]})
    ('no', '[1]')

    Raises:
        RecursionError: what is no message is nested too deeply to be shown.
    """
    inner = said
    while inner is not None:
        said = inner
        keys = ("error", "message", "detail") if isinstance(said, dict) else ()
        inner = next((said[key] for key in keys if said.get(key)), None)
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
