"""Fetch papers from arXiv: metadata by its public API (Atom) or by OAI-PMH, and the PDFs.

The files are named by the papers' ids, without versions, so that ``snapshot`` finds the label of
each among the rows of ``labels.jsonl``, which have the keys of arXiv's own snapshot::

    {"id": "0704.0001", "version": "v2", "title": "Foxes and hens", "authors": ["Ann Oke"],
     "abstract": "Foxes bleed.", "categories": ["q-bio.PE"], "published": "2007-04-01T00:00:00Z"}

(arXiv API User's Manual; Terms of Use for arXiv APIs.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
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
    FetchSource,
    IncompleteError,
    InputError,
)

from . import harvesting, identifiers
from .labels import atom_row
from .xml_tree import parse_bytes, text_of

_PAGE = 100
"""Papers of a page of the listing; the manual allows 2,000 and asks for small ones."""

_LAST = "999912312359"
"""The end of a range of dates that has none."""

_PRINTED = re.compile(r"(?P<id>.+?)(?P<version>(?:v\d+)?)")

_SERVICE, _OAI = "https://export.arxiv.org", "https://oaipmh.arxiv.org"
"""Hosts of the API and of the PDFs, and of OAI-PMH."""

_ERRORS = "/api/errors"
"""Part of the id of an entry that holds a message in place of a paper."""


@dataclass(frozen=True)
class _Page:
    """A page of the listing.

    Attributes:
        count: number of its entries.
        total: number of papers that are found in all.
        rows: what the entries say.
    """

    count: int
    total: int
    rows: list[dict[str, Any]]


def _papers(request: FetchRequest, page: FetchPage) -> Iterator[FetchItem]:
    """List papers by one of two services.

    Raises:
        InputError: nothing is asked for, or something that the service does not have.
    """
    if not request.query and not request.since:
        raise InputError("arxiv: say which papers, by --query, --since, or both")
    if request.through in (None, "api"):
        return _searched(request, page)
    if request.through != "oai":
        raise InputError(f"arxiv: --through is api or oai, not {request.through[:40]!r}")
    host = _OAI if request.service == _SERVICE else request.service
    return harvesting.papers(request, page, f"{host}/oai")


def _searched(request: FetchRequest, page: FetchPage) -> Iterator[FetchItem]:
    """List papers in the order of their submission: from a day on, or else the newest first."""
    parts = [f"({request.query})"] if request.query else []
    if request.since:
        parts.append(f"submittedDate:[{request.since:%Y%m%d}0000 TO {_LAST}]")
    search = {
        "search_query": " AND ".join(parts),
        "sortBy": "submittedDate",
        "sortOrder": "ascending" if request.since else "descending",
        "max_results": _PAGE,
    }
    start, total = 0, 1
    while start < total:
        address = f"{request.service}/api/query?{urlencode({**search, 'start': start})}"
        found = page(address, partial(_read_page, start=start))
        for row in found.rows:
            pdf = f"{request.service}/pdf/{row['id']}{row['version']}"
            yield FetchItem(row["id"].replace("/", "_"), {".pdf": pdf}, row, found.total)
        start, total = start + found.count, found.total


def _read_page(response: FetchResponse, start: int) -> _Page:
    """Parse a page of the listing.

    arXiv now and then answers with a page that is empty, and with the next request it is not.

    Raises:
        IncompleteError: the page is cut, or lacks the papers that are left.
        FetchError: arXiv refuses the query, or this is no page of a listing.
    """
    try:
        root = parse_bytes(response.body, response.address)
    except InputError as error:
        raise IncompleteError(str(error)) from error
    if root.tag != "feed":
        raise FetchError(f"{response.address}: no Atom feed; is this an API of arXiv?")
    entries = root.findall("entry")
    for entry in entries:
        if _ERRORS in text_of(entry.find("id")):
            raise FetchError(f"{response.address}: {text_of(entry.find('summary'))}")
    total = text_of(root.find("totalResults"))
    if not total.isdecimal():
        raise IncompleteError(f"{response.address}: the page does not say how many there are")
    if not entries and (start or int(total)):
        raise IncompleteError(f"{response.address}: the page is empty")
    return _Page(len(entries), int(total), [_row(one, response.address) for one in entries])


def _row(entry: Element, address: str) -> dict[str, Any]:
    """Return what an entry says about a paper."""
    row = atom_row(entry)
    printed = _PRINTED.fullmatch(row["id"] or "")
    if printed is None:
        raise IncompleteError(f"{address}: an entry has no id of arXiv")
    row |= {
        "id": identifiers.normal_id(printed["id"]),
        "version": printed["version"],
        "categories": [one.get("term") for one in entry.findall("category")],
        "published": text_of(entry.find("published")),
    }
    return row if row["doi"] else {key: value for key, value in row.items() if key != "doi"}


def _pdf(response: FetchResponse) -> bytes:
    """Return a PDF that is whole: it begins and ends as one does (ISO 32000, 7.5).

    Raises:
        IncompleteError: it is cut, or arXiv still makes it and says so on a page.
    """
    if b"%PDF-" not in response.body[:1024]:
        kind = response.content_type.partition(";")[0] or "no content type"
        raise IncompleteError(f"{response.address}: no PDF came, but {kind}")
    if b"%%EOF" not in response.body[-2048:]:
        raise IncompleteError(f"{response.address}: the PDF has no end")
    return response.body


SOURCE = FetchSource(
    about="papers of arXiv as PDF, with title, authors, abstract and DOI as labels",
    items=_papers,
    content=_pdf,
    options=("query", "since", "through"),
    service=_SERVICE,
    delay=3.0,  # as the terms of use of its API ask
    keeps_robots=False,  # which is for crawlers; programs have the terms of use
    largest=256 << 20,
)
