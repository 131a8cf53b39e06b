"""A server that answers as arXiv does: invented papers, by the API and OAI-PMH, and as PDF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from pdf_files import line, pdf_of
from web_site import Reply, WebSite


@dataclass(frozen=True)
class Paper:
    """A paper; its PDF prints what is here, and the title as ``printed`` has it if that is set."""

    id: str
    title: str
    authors: tuple[str, ...]
    abstract: str
    day: str
    doi: str = ""
    version: str = "v1"
    printed: str = ""

    def pdf(self) -> bytes:
        lines = [f"arXiv:{self.id}{self.version}", self.printed or self.title]
        lines += [", ".join(self.authors), "Abstract", self.abstract]
        lines += [f"doi:{self.doi}"] if self.doi else []
        return pdf_of("".join(line(72, 700 - 14 * at, text) for at, text in enumerate(lines)))

    def entry(self, address: str) -> str:
        authors = "".join(f"<author><name>{name}</name></author>" for name in self.authors)
        doi = f"<arxiv:doi>{self.doi}</arxiv:doi>" if self.doi else ""
        return (
            f"<entry><id>http://arxiv.org/abs/{self.id}{self.version}</id>"
            f"<published>{self.day}T12:00:00Z</published><title>{escape(self.title)}</title>"
            f"<summary>  {escape(self.abstract)}\n</summary>{authors}{doi}"
            f'<category term="q-bio.PE" scheme="http://arxiv.org/schemas/atom"/>'
            f'<link title="pdf" href="{address}/pdf/{self.id}{self.version}"/></entry>'
        )

    def record(self, *, is_deleted: bool = False) -> str:
        """Return the record of OAI-PMH; it was changed long after it was submitted."""
        status = ' status="deleted"' if is_deleted else ""
        header = (
            f"<header{status}><identifier>oai:arXiv.org:{self.id}</identifier>"
            f"<datestamp>2025-02-03</datestamp><setSpec>q-bio:q-bio:PE</setSpec></header>"
        )
        if is_deleted:
            return f"<record>{header}</record>"
        names = (name.split(" ") for name in self.authors)
        authors = "".join(
            f"<author><keyname>{last}</keyname><forenames>{first}</forenames></author>"
            for first, last in names
        )
        doi = f"<doi>{self.doi}</doi>" if self.doi else ""
        return (
            f'<record>{header}<metadata><arXiv xmlns="http://arxiv.org/OAI/arXiv/">'
            f"<id>{self.id}</id><created>{self.day}</created><authors>{authors}</authors>"
            f"<title>{escape(self.title)}</title><categories>q-bio.PE cs.CL</categories>"
            f"{doi}<abstract>  {escape(self.abstract)}\n</abstract></arXiv></metadata></record>"
        )


PAPERS = (
    Paper("2404.90001", "On foxes", ("Ann Oke", "Bo Li"), "Foxes bleed for long.", "2024-04-17"),
    Paper("2404.90002", "On hens", ("Cy Roe",), "Hens do not.", "2024-04-18", "10.5555/hen.2"),
    Paper("hep-th/9990003", "On $x^2$ owls", ("Dee Ulm",), "Owls see well.", "2024-04-19",
          printed="On x2 owls"),
    Paper("2404.90004", "On newts & eels", ("Ed Voss",), "Newts swim.", "2024-04-20",
          version="v3"),
    Paper("2404.90005", "On moles", ("Flo Wyn",), "Moles dig deep.", "2024-04-21"),
)  # fmt: skip
"""The title of the third one is not as its page prints it."""


def feed(papers: Sequence[Paper], total: int, address: str = "") -> bytes:
    """Return a page of a listing."""
    entries = "".join(paper.entry(address) for paper in papers)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" '
        'xmlns:arxiv="http://arxiv.org/schemas/atom"><title>arXiv Query</title>'
        f"<opensearch:totalResults>{total}</opensearch:totalResults>{entries}</feed>"
    ).encode()


def arxiv(papers: Sequence[Paper] = PAPERS, page: int = 2) -> WebSite:
    """Return a site with some papers, of which a page of the listing has so many."""
    site = WebSite()

    def listing(path: str) -> Reply:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        since = re.search(r"submittedDate:\[(\d{8})0000 TO \d{12}\]", asked["search_query"])
        found = [one for one in papers if not since or one.day.replace("-", "") >= since[1]]
        found.sort(key=lambda one: one.day, reverse=asked["sortOrder"] == "descending")
        start = int(asked["start"])
        part = found[start : start + min(page, int(asked["max_results"]))]
        return Reply(body=feed(part, len(found), site.address))

    site.answers = {f"/pdf/{paper.id}{paper.version}": _pdf(paper) for paper in papers}
    site.answers["/api/query"] = listing
    return site


SETS = "cs cs:cs cs:cs:CL physics physics:hep-th physics:physics q-bio q-bio:q-bio q-bio:q-bio:PE"


def oai(inside: str) -> Reply:
    """Return an answer of OAI-PMH."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f"<responseDate>2026-01-02T03:04:05Z</responseDate>{inside}</OAI-PMH>"
    )
    return Reply(body=body.encode(), headers={"Content-Type": "text/xml"})


def oai_page(records: Sequence[str], token: str = "") -> Reply:
    """Return a page of records; the last one has no token."""
    end = f"<resumptionToken>{token}</resumptionToken>"
    return oai(f"<ListRecords>{''.join(records)}{end}</ListRecords>")


def oai_error(code: str, message: str = "") -> Reply:
    return oai(f'<error code="{code}">{message}</error>')


def harvested(records: Sequence[str], page: int = 2) -> WebSite:
    """Return a site that gives some records by OAI-PMH, so many a page, and the PDFs of papers."""
    site = WebSite()

    def answer(path: str) -> Reply:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if asked["verb"] == "ListSets":
            names = "".join(f"<set><setSpec>{name}</setSpec></set>" for name in SETS.split())
            return oai(f"<ListSets>{names}</ListSets>")
        start = int(asked.get("resumptionToken", "token|0").partition("|")[2])
        token = f"token|{start + page}" if start + page < len(records) else ""
        return oai_page(records[start : start + page], token)

    site.answers = {f"/pdf/{paper.id}": _pdf(paper) for paper in PAPERS}
    site.answers["/oai"] = answer
    return site


def _pdf(paper: Paper) -> Reply:
    return Reply(body=paper.pdf(), headers={"Content-Type": "application/pdf"})
