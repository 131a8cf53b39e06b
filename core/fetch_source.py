"""Sources that documents are fetched from: what the hook ``extract_fetch`` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

OPTIONS = ("query", "since", "from", "through")
"""Options of ``extract fetch`` that a source may take."""


@dataclass(frozen=True)
class FetchRequest:
    """What is asked of a source.

    Attributes:
        query: ``--query``; None if it is not given.
        since: ``--since``: the first day of what is wanted.
        origin: ``--from``: a file or an address that names the documents.
        service: ``--service``, or else the source's own; without a slash at its end.
        through: ``--through``: which of several ways to list them, by the source's names.
    """

    query: str | None = None
    since: date | None = None
    origin: str | None = None
    service: str = ""
    through: str | None = None


@dataclass(frozen=True)
class FetchResponse:
    """What a server answered.

    Attributes:
        address: where it is from, after redirects.
        content_type: the header of that name; "" without one.
        body: the content, decompressed.
    """

    address: str
    content_type: str
    body: bytes


@dataclass(frozen=True)
class FetchItem:
    """A document that a source lists.

    Attributes:
        id: names the document, and its files; listed twice, it is fetched once.
        files: the ending of each of its files -> the address of its content.
        label: what is known about the document, a row of ``labels.jsonl``; None for nothing.
        total: how many documents the source lists in all, if that is known.
    """

    id: str
    files: Mapping[str, str]
    label: Mapping[str, Any] | None = None
    total: int | None = None


class FetchPage(Protocol):
    """Fetches a page of a listing."""

    def __call__(self, address: str, read: Callable[[FetchResponse], T], /) -> T:
        """Return what ``read`` makes of the answer; called anew if it raises IncompleteError.

        Raises:
            FetchError: there is no answer, or none that ``read`` takes.
            ListingExpiredError: ``read`` raises it; the pages that are kept are forgotten, and the
                source is asked for its documents anew.
        """


def body_of(response: FetchResponse) -> bytes:
    """Return what was fetched as it is."""
    return response.body


@dataclass(frozen=True)
class FetchSource:
    """Where documents are fetched from.

    Attributes:
        about: one line about it.
        items: yields the documents that are asked for, lazily; fetches the pages of a listing with
            its second argument. For a request that it cannot answer it raises InputError.
        content: what a file holds, of what was fetched for it. Raises IncompleteError if that is
            not whole, so that it is asked for again, and FetchError if it is something else.
        options: which of the options "query", "since", "from" and "through" it takes.
        service: the address that ``--service`` replaces; "" for none.
        delay: seconds between two requests to one host, at least.
        keeps_robots: whether robots.txt decides what is fetched. A service that says otherwise how
            programs may use it needs none.
        largest: the size limit of a file or page, in bytes.
    """

    about: str
    items: Callable[[FetchRequest, FetchPage], Iterable[FetchItem]]
    content: Callable[[FetchResponse], bytes] = body_of
    options: Sequence[str] = ()
    service: str = ""
    delay: float = 1.0
    keeps_robots: bool = True
    largest: int = 64 << 20
