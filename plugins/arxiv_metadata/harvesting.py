"""Harvest metadata of arXiv's papers by OAI-PMH, of a category and from a day on.

A page has records in the format ``arXiv``, and a token that leads to the next one::

    <OAI-PMH><ListRecords>
      <record>
        <header><identifier>oai:arXiv.org:0704.0001</identifier>…</header>
        <metadata><arXiv><id>0704.0001</id><created>2007-04-01</created>…</arXiv></metadata>
      </record>
      <record><header status="deleted">…</header></record>
      <resumptionToken>6812455|1001</resumptionToken>
    </ListRecords></OAI-PMH>

The dates of the protocol are those of the last change, so that what has changed since a day is
harvested, and what was submitted before it is left out by the date in its metadata.
(OAI-PMH 2.0; arXiv, "Open Archives Initiative".)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from fieldsmith import (
    FetchError,
    FetchItem,
    FetchPage,
    FetchRequest,
    FetchResponse,
    IncompleteError,
    InputError,
    ListingExpiredError,
)

from . import identifiers
from .labels import oai_row
from .xml_tree import parse_bytes, text_of

_CATEGORY = re.compile(r"cat:([a-z-]+)(?:\.([A-Za-z-]+|\*))?")


def papers(request: FetchRequest, page: FetchPage, base: str) -> Iterator[FetchItem]:
    """List papers that were submitted from a day on, in the order of the service.

    Args:
        request: its query is one category (``cat:cs.CL``), or a whole archive (``cat:cs.*``).
        page: fetches a page.
        base: the address of the service.

    Raises:
        InputError: the query is something else, or the service has no such category.
    """
    asked = {"verb": "ListRecords", "metadataPrefix": "arXiv"}
    category = ""
    if request.query:
        found = _CATEGORY.fullmatch(request.query.strip())
        if found is None:
            raise InputError(
                f"arxiv: OAI-PMH takes one category as --query, such as cat:cs.CL, not "
                f"{request.query[:60]!r}; for other searches leave out --through"
            )
        archive, part = found.groups()
        category = archive if part in (None, "*") else f"{archive}.{part}"
        asked["set"] = _set_of(category, page, base)
    if request.since:
        asked["from"] = f"{request.since:%Y-%m-%d}"
    for response in _responses(asked, page, base):
        for record in response.iter("record"):
            row = _row(record)
            if row is None or (category and not _is_in(category, row["categories"])):
                continue
            if not request.since or row["published"] >= asked["from"]:
                files = {".pdf": f"{request.service}/pdf/{row['id']}"}
                yield FetchItem(row["id"].replace("/", "_"), files, row)


def _set_of(category: str, page: FetchPage, base: str) -> str:
    """Return the set of a category, the smallest one that the service has: ``cs:cs:CL``.

    Raises:
        InputError: it has none for its archive.
    """
    names = [
        text_of(name).split(":")
        for response in _responses({"verb": "ListSets"}, page, base)
        for name in response.iter("setSpec")
    ]
    archive, _, part = category.partition(".")
    for wanted in [[archive, part], [archive]] if part else [[archive]]:
        fitting = [name for name in names if name[-len(wanted) :] == wanted]
        if fitting:
            # "physics" is a group of archives, "physics:physics" the archive.
            longest = max(fitting, key=len)
            return ":".join(longest)
    raise InputError(f"arxiv: {base} has no set for cat:{category}")


def _responses(asked: dict[str, str], page: FetchPage, base: str) -> Iterator[Element]:
    """Yield the parts of a list, page by page."""
    tokens: set[str] = set()
    address = f"{base}?{urlencode(asked)}"
    while True:
        response = page(address, partial(_read_page, verb=asked["verb"]))
        if response is None:
            return
        yield response
        token = text_of(response.find("resumptionToken"))
        if not token:
            return
        if token in tokens:
            raise FetchError(f"{address}: leads back to a page that came before")
        tokens.add(token)
        # The token holds all that was asked; no other argument is allowed.
        address = f"{base}?{urlencode({'verb': asked['verb'], 'resumptionToken': token})}"


def _read_page(response: FetchResponse, verb: str) -> Element | None:
    """Return the part of a list that a page has; None if nothing fits what was asked.

    Raises:
        IncompleteError: the page is cut.
        ListingExpiredError: the token of the page before it is not valid any more.
        FetchError: the service refuses what was asked, or this is no answer of OAI-PMH.
    """
    try:
        root = parse_bytes(response.body, response.address)
    except InputError as error:
        raise IncompleteError(str(error)) from error
    if root.tag != "OAI-PMH":
        raise FetchError(f"{response.address}: no answer of OAI-PMH; is this a service of arXiv?")
    refusal = root.find("error")
    code = "" if refusal is None else refusal.get("code", "")
    if code == "noRecordsMatch":
        return None
    if code == "badResumptionToken":
        raise ListingExpiredError(f"{response.address}: the listing has expired")
    if refusal is not None:
        raise FetchError(f"{response.address}: {text_of(refusal) or code}")
    found = root.find(verb)
    if found is None:
        raise IncompleteError(f"{response.address}: the page has no list")
    return found


def _row(record: Element) -> dict[str, Any] | None:
    """Return what a record says about a paper; None for one that was deleted."""
    header, metadata = record.find("header"), record.find("metadata/arXiv")
    if header is None or metadata is None or header.get("status") == "deleted":
        return None
    row = oai_row(metadata, text_of(header.find("identifier")))
    if not row["id"]:
        return None
    row |= {
        "id": identifiers.normal_id(row["id"]),
        "categories": text_of(metadata.find("categories")).split(),
        "published": text_of(metadata.find("created")),
    }
    return row if row["doi"] else {key: value for key, value in row.items() if key != "doi"}


def _is_in(category: str, categories: list[str]) -> bool:
    return any(one == category or one.startswith(f"{category}.") for one in categories)
