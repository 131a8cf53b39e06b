"""A server that answers as arXiv's API does: invented papers, as Atom by pages, and as PDF."""

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


def _pdf(paper: Paper) -> Reply:
    return Reply(body=paper.pdf(), headers={"Content-Type": "application/pdf"})
