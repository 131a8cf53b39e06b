"""Fetch the documents that a source lists, and go on where an earlier command was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FetchError, ListingExpiredError, SettingsError, without_password
from ..fetch_source import FetchItem, FetchRequest, FetchSource
from ..files import write_atomically
from ..progress import Meter, meter, say
from .addresses import parse_address
from .folder import Failure, FetchFolder, Listing, open_folder
from .sources import FoundSource

if TYPE_CHECKING:
    from .client import Client


@dataclass(frozen=True)
class Fetched:
    """What became of the documents that a source listed.

    Attributes:
        fetched: how many were fetched now.
        there: how many were there already.
        failures: those that could not be fetched.
        failures_file: the list of these.
        labelled: files of the documents that are there and have a label.
        labels_file: the labels.
    """

    fetched: int
    there: int
    failures: tuple[Failure, ...]
    failures_file: Path
    labelled: tuple[Path, ...]
    labels_file: Path


def fetch(
    found: FoundSource,
    request: FetchRequest,
    output: Path,
    limit: int | None = None,
    delay: float | None = None,
) -> Fetched:
    """Fetch documents into a folder that the plugin reads.

    A command that is stopped, even killed, goes on when it is given again: with the same listing,
    and without the documents that are there.

    Args:
        found: the source.
        request: what is asked of it.
        output: the folder, which may have documents of an earlier command.
        limit: how many documents at most, of those that the source lists.
        delay: seconds between two requests to one host; None for what the source wants.

    Raises:
        SettingsError: the source does not take an option, or the delay is too short.
        InputError: the source cannot answer the request.
        FetchError: the listing cannot be fetched, or none of the documents could be.
        OutputError: the folder cannot be written, or has other documents.
    """
    client = _client(found, request, delay)
    service = (request.service or found.source.service).rstrip("/")
    request = replace(request, service=service)
    counts = {"fetched": 0, "there": 0}
    failures: list[Failure] = []
    labelled: list[Path] = []
    with open_folder(output, found.name) as folder:
        listing = folder.listing(request, client.get)
        items = islice(_documents(found.source, request, listing), limit)
        first = next(items, None)
        with _progress(found.name, first, limit) as shown:
            for item in chain([first] if first else [], items):
                try:
                    counts[_fetch_item(item, folder, client, found.source)] += 1
                except FetchError as error:
                    failures.append(_failure_of(item, error))
                    folder.enter_failure(failures[-1])
                else:
                    labelled += folder.paths_of(item) if item.label is not None else ()
                shown.advance()
        listing.forget()
    if failures and not any(counts.values()):
        raise FetchError(
            f"none of {len(failures)} documents could be fetched, the first because of "
            f"{failures[0].address}: {failures[0].reason}; {folder.failures_file} lists them"
        )
    return Fetched(
        **counts,
        failures=tuple(failures),
        failures_file=folder.failures_file,
        labelled=tuple(labelled),
        labels_file=folder.labels_file,
    )


def _client(found: FoundSource, request: FetchRequest, delay: float | None) -> Client:
    """Return a client for a request that its source can take.

    Hosts that the user names on the command line may be in a private network.
    """
    given = {
        "query": request.query,
        "since": request.since,
        "from": request.origin,
        "through": request.through,
    }
    taken = ", ".join(f"--{name}" for name in found.source.options) or "no options of its own"
    for name, value in given.items():
        if value is not None and name not in found.source.options:
            raise SettingsError(f"{found.name} does not take --{name}; it takes {taken}")
    delay = _checked_delay(found, request, delay)
    try:
        from .client import Client
    except ImportError as error:
        message = "fetching needs the extra `fetch`: pip install 'fieldsmith[fetch]'"
        raise SettingsError(message) from error
    usual = max(delay, found.source.delay)
    named = {request.origin: usual} if request.origin and "://" in request.origin else {}
    named |= {request.service: delay} if request.service else {}
    hosts = {parse_address(text): wait for text, wait in named.items()}
    return Client(
        usual,
        keeps_robots=found.source.keeps_robots,
        largest=found.source.largest,
        named={(address.host, address.port): wait for address, wait in hosts.items()},
    )


def _checked_delay(found: FoundSource, request: FetchRequest, delay: float | None) -> float:
    """Return the delay of what the user names by ``--service``, or else of every host.

    Raises:
        SettingsError: it is shorter than the source's, whose own hosts would be asked so often.
    """
    least = found.source.delay
    if delay is None or delay >= least:
        return least if delay is None else delay
    sites = [_site(text) for text in (request.service, found.source.service) if text]
    if not request.service or sites[1:] == sites[:1]:
        raise SettingsError(
            f"--delay {delay:g}: {found.name} wants {least:g} seconds between two requests; only "
            f"another --service may be asked more often"
        )
    return delay


def _site(address: str) -> str:
    """Return the last two parts of a host's name, which its other hosts share."""
    return ".".join(parse_address(address).host.split(".")[-2:])


def _documents(source: FetchSource, request: FetchRequest, listing: Listing) -> Iterator[FetchItem]:
    """Yield each document that a source lists, once: pages of a listing overlap where it grows.

    A listing that has expired begins anew, if it has come further than where it began.
    """
    seen: set[str] = set()
    while True:
        known = len(seen)
        try:
            for item in source.items(request, listing.page):
                if item.id not in seen:
                    seen.add(item.id)
                    yield item
        except ListingExpiredError as error:
            listing.forget()
            if len(seen) == known:
                raise
            say(f"{error}; listing anew")
        else:
            return


def _progress(
    name: str, first: FetchItem | None, limit: int | None
) -> AbstractContextManager[Meter]:
    """Return a meter, which shows nothing where the number of documents is not known."""
    totals = [total for total in (limit, first.total if first else 0) if total is not None]
    if not totals:
        return nullcontext(Meter(name, 0, "documents"))
    return meter(f"fetching from {name}", min(totals), "documents")


def _fetch_item(item: FetchItem, folder: FetchFolder, client: Client, source: FetchSource) -> str:
    """Fetch the files of a document that are not there; return the count that it belongs to.

    Raises:
        FetchError: one of them cannot be fetched; then none is written.
    """
    missing = {path: to for path, to in folder.paths_of(item).items() if not path.exists()}
    contents = {path: client.get(address, source.content) for path, address in missing.items()}
    for path, content in contents.items():
        write_atomically(path, content)
    folder.enter(item)
    return "fetched" if contents else "there"


def _failure_of(item: FetchItem, error: FetchError) -> Failure:
    address = next(iter(item.files.values()))
    reason = str(error).removeprefix(f"{address}: ")
    return Failure(without_password(item.id), without_password(address), reason)
