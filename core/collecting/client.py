"""Requests that wait for their turn, are asked again, follow redirects, and keep robots.txt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from protego import Protego

from ..errors import FetchError, IncompleteError
from ..fetch_source import FetchResponse
from .addresses import Address, parse_address, redirected
from .connections import PRODUCT, Answer, TransientError, ask, seconds_to_wait
from .pacing import Pacer

T = TypeVar("T")

_ATTEMPTS = 5
_REDIRECTS = 5

_GIVEN_UP = 3
"""A host that fails so many times in a row, each after all attempts, is not asked any more."""

_LONGEST_DELAY = 60.0
"""Most seconds between two requests that a robots.txt may ask for."""

_LARGEST_RULES = 1 << 20
_MOVED = frozenset([301, 302, 303, 307, 308])
_LATER = frozenset([408, 425, 429])
"""Statuses below 500 after which the same request may succeed."""


class _StatusError(FetchError):
    """The server answers with an error that another request does not change."""


class Client:
    """Fetches one address after another.

    Attributes:
        delay: seconds between two requests to one host.
        keeps_robots: whether robots.txt decides what is fetched.
        largest: the size limit of an answer in bytes.
        named: hosts and ports that the user has named, with a delay of their own; they may be in a
            private network.
        timeout: seconds within which each part of an answer has to come.
        pause: seconds before a request is repeated, at least; doubled with each attempt.
    """

    def __init__(
        self,
        delay: float,
        *,
        keeps_robots: bool,
        largest: int,
        named: Mapping[tuple[str, int], float] = MappingProxyType({}),
        timeout: float = 30.0,
        pause: float = 0.05,
    ) -> None:
        self.delay, self.keeps_robots, self.largest = delay, keeps_robots, largest
        self.named, self.timeout, self.pause = named, timeout, pause
        self._pacer = Pacer()
        self._rules: dict[str, Protego] = {}
        self._failures: Counter[str] = Counter()

    def get(self, text: str, read: Callable[[FetchResponse], T]) -> T:
        """Return what ``read`` makes of the answer to a request.

        Args:
            text: the address.
            read: raises IncompleteError if the answer is not whole.

        Raises:
            FetchError: there is no answer after several attempts, it is an error, or it may not be
                asked for.
        """
        address = parse_address(text)
        if self._failures[address.host] >= _GIVEN_UP:
            raise FetchError(
                f"{address}: not asked for, because {address.host} failed {_GIVEN_UP} times in a "
                f"row; repeat the command later"
            )
        problem: Exception | None = None
        for attempt in range(_ATTEMPTS):
            pause = max(self._delay_of(address), self.pause) * 2**attempt
            try:
                result = read(self._followed(address, keeps_robots=self.keeps_robots))
            except TransientError as error:
                problem = error
                self._pacer.postpone(error.host, max(pause, error.wait))
            except IncompleteError as error:
                problem = error
                self._pacer.postpone(address.host, pause)
            except FetchError:
                self._failures[address.host] = 0  # it did answer
                raise
            else:
                self._failures[address.host] = 0
                return result
        self._failures[address.host] += isinstance(problem, TransientError)
        raise FetchError(f"{problem}; asked {_ATTEMPTS} times") from problem

    def _followed(self, address: Address, *, keeps_robots: bool) -> FetchResponse:
        """Return the answer to a request, after redirects."""
        first = address
        for _ in range(_REDIRECTS + 1):
            if keeps_robots:
                self._require_allowed(address)
            answer = self._ask(address)
            if answer.status not in _MOVED:
                kind = answer.headers.get("content-type", "")
                return FetchResponse(str(address), kind, answer.body)
            address = redirected(address, answer.headers["location"])
        raise FetchError(f"{first}: redirects more than {_REDIRECTS} times")

    def _ask(self, address: Address) -> Answer:
        """Send one request when the host may be asked; return an answer that is no error."""
        self._pacer.wait(address.host)
        try:
            answer = ask(
                address,
                is_trusted=(address.host, address.port) in self.named,
                largest=self.largest,
                timeout=self.timeout,
            )
        finally:
            self._pacer.postpone(address.host, self._delay_of(address))
        status, is_moved = answer.status, answer.status in _MOVED and "location" in answer.headers
        if status >= 500 or status in _LATER:
            wait = seconds_to_wait(answer.headers.get("retry-after", ""))
            raise TransientError(address, f"HTTP {status}", wait)
        if status not in (200, 203) and not is_moved:
            raise _StatusError(f"{address}: HTTP {status}")
        return answer

    def _delay_of(self, address: Address) -> float:
        own = self.named.get((address.host, address.port), self.delay)
        return max(own, _crawl_delay(self._rules.get(address.origin)))

    def _require_allowed(self, address: Address) -> None:
        """Refuse what the host's robots.txt forbids (RFC 9309).

        Raises:
            FetchError: it is forbidden, or allowed less often than once a minute.
            TransientError: the rules cannot be read now.
        """
        if address.origin not in self._rules:
            self._rules[address.origin] = self._read_rules(address.origin)
        rules = self._rules[address.origin]
        if not rules.can_fetch(str(address), PRODUCT):
            raise FetchError(f"{address}: the robots.txt of {address.host} forbids it")
        if _crawl_delay(rules) > _LONGEST_DELAY:
            raise FetchError(
                f"{address}: the robots.txt of {address.host} asks for {_crawl_delay(rules):.0f} "
                f"seconds between requests, which is too long"
            )

    def _read_rules(self, origin: str) -> Protego:
        try:
            response = self._followed(parse_address(f"{origin}/robots.txt"), keeps_robots=False)
        except _StatusError:  # there is none: everything is allowed
            return Protego.parse("")
        return Protego.parse(response.body[:_LARGEST_RULES].decode("utf-8", "replace"))


def _crawl_delay(rules: Protego | None) -> float:
    return (rules.crawl_delay(PRODUCT) if rules else None) or 0.0
