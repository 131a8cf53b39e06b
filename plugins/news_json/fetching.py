"""Fetch pages of news: those of a list of addresses, or those that a feed (RSS, Atom) names.

A page is saved compressed, in UTF-8, behind the mark of saved pages that browsers write, too, so
that its address and encoding are known without the answer of the server::

    <!-- saved from url=(0028)https://vellin.example/storm -->
    <!doctype html><html lang="en-IE">…
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

from fieldsmith import (
    FetchError,
    FetchItem,
    FetchPage,
    FetchRequest,
    FetchResponse,
    FetchSource,
    IncompleteError,
    InputError,
    read_text,
)

from . import charsets
from .formats import looks_like_html

_FEED = re.compile(r"<(?:rss|feed|rdf:RDF)[\s>]")
_CHARSET = re.compile(r"(?i)charset\s*=\s*[\"']?([\w.:-]{1,40})")
_HTML = ("text/html", "application/xhtml+xml")

_Entry = tuple[str, date | None]
"""An address, and the day of its article, if that is known."""


def _pages(request: FetchRequest, page: FetchPage) -> Iterator[FetchItem]:
    """List the pages that a file or a feed names, in its order."""
    if request.origin is None:
        raise InputError("news: name a file of addresses or the address of a feed, by --from")
    entries = _entries(request.origin, page)
    if request.since:
        if entries and not any(day for _address, day in entries):
            raise InputError(f"{request.origin}: has no dates, so leave out --since")
        old = {address for address, day in entries if day is not None and day < request.since}
        entries = [one for one in entries if one[0] not in old]
    addresses = dict.fromkeys(address for address, _day in entries)
    for address in addresses:
        name = re.sub(r"^https?://", "", address) or "entry without an address"
        yield FetchItem(name, {".html.gz": address}, total=len(addresses))


def _entries(origin: str, page: FetchPage) -> list[_Entry]:
    if "://" in origin:
        return page(origin, _read_feed)
    text = read_text(Path(origin))
    if _FEED.search(text, 0, 1000):
        return _feed_entries(text.encode(), origin)
    return _listed(text, origin)


def _listed(text: str, origin: str) -> list[_Entry]:
    """Return the addresses of a text: one a line; blank lines and comments (#) are left out."""
    found: list[_Entry] = []
    for number, line in enumerate(text.split("\n"), start=1):
        address = line.strip()
        if not address or address.startswith("#"):
            continue
        if not re.match(r"(?i)https?://\S+$", address):
            reason = "is no address; write one a line, as https://vellin.example/storm"
            shown = address.rpartition("@")[2][:60]  # what is before may be a password
            raise InputError(f"{origin}:{number}: {shown!r} {reason}")
        found.append((_bare(address), None))
    if not found:
        raise InputError(f"{origin}: no address in it; write one a line")
    return found


def _read_feed(response: FetchResponse) -> list[_Entry]:
    if not response.body.strip():
        raise IncompleteError(f"{response.address}: the feed is empty")
    return _feed_entries(response.body, response.address)


def _feed_entries(body: bytes, address: str) -> list[_Entry]:
    """Return the entries of a feed.

    Raises:
        InputError: it is no feed, or feedparser is not installed.
    """
    try:
        import feedparser
    except ImportError as error:
        needs = "reading a feed needs the extra `fetch`: pip install 'fieldsmith[fetch]'"
        raise InputError(f"{address}: {needs}") from error
    # As a stream: text may be taken for an address or a path, which would be opened.
    feed = feedparser.parse(BytesIO(body), response_headers={"content-location": address})
    if not feed.version:
        raise InputError(f"{address}: is no feed (RSS or Atom)")
    return [(_bare(entry.get("link", "")), _day(entry)) for entry in feed.entries]


def _bare(address: str) -> str:
    """Return an address without the place in the page that it leads to."""
    return address.partition("#")[0]


def _day(entry: Any) -> date | None:
    when = entry.get("published_parsed") or entry.get("updated_parsed")
    return date(*when[:3]) if when else None


def _content(response: FetchResponse) -> bytes:
    """Return a page as it is saved.

    Raises:
        IncompleteError: nothing came.
        FetchError: it is no HTML.
    """
    body = response.body
    if not body.strip():
        raise IncompleteError(f"{response.address}: the page is empty")
    kind = response.content_type.partition(";")[0].strip().lower()
    if kind not in _HTML and (kind not in ("", "text/plain") or not looks_like_html(body.lstrip())):
        raise FetchError(f"{response.address}: no page came, but {kind or 'something else'}")
    # In a comment two hyphens end it.
    address = response.address.replace("--", "%2D%2D").replace(">", "%3E").replace("<", "%3C")
    mark = f"<!-- saved from url=({len(address):04}){address} -->\n"
    return gzip.compress(mark.encode() + _in_utf_8(body, response.content_type), mtime=0)


def _in_utf_8(body: bytes, content_type: str) -> bytes:
    """Return a page in UTF-8, by its mark or the encoding that the server names, if it is not."""
    if body[:2] in charsets.UTF_16:
        return body.decode("utf-16", "replace").encode()
    named = _CHARSET.search(content_type)
    name = named[1].lower() if named else ""
    for encoding in ("utf-8-sig", charsets.WEB_NAMES.get(name, name)):
        try:
            return body.decode(encoding).encode()
        except (LookupError, ValueError):
            continue
    return body


SOURCE = FetchSource(
    about="pages of a list of addresses or of a feed",
    items=_pages,
    content=_content,
    options=("from", "since"),
    delay=1.0,
    largest=16 << 20,
)
