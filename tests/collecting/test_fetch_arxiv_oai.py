"""`extract fetch arxiv --through oai`: metadata by OAI-PMH, with its faults, and the PDFs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import Answer, Command
from forked_command import run_forked
from kills import kills_of, read_trace, run_to_kill, spread
from stand_in_arxiv import PAPERS, Paper, harvested, oai, oai_error, oai_page
from web_site import Answers, Reply, WebSite, html, serving

SINCE = "2024-04-18"
"""One paper was submitted before this day, and changed after it."""

RECORDS = [
    PAPERS[0].record(),
    PAPERS[1].record(),
    PAPERS[1].record(),
    replace(PAPERS[0], id="2404.99999").record(is_deleted=True),
    *(paper.record() for paper in PAPERS[2:]),
]
NAMES = ["2404.90002", "2404.90004", "2404.90005", "hep-th_9990003"]
FIRST = "/oai?verb=ListRecords&metadataPrefix=arXiv&set=q-bio%3Aq-bio%3APE&from=2024-04-18"
NEXT = "/oai?verb=ListRecords&resumptionToken=token%7C"


@pytest.fixture
def site() -> Iterator[WebSite]:
    with serving(harvested(RECORDS)) as site:
        yield site


def arguments(site: WebSite, *more: object, output: object = "papers") -> list[object]:
    own = ["--plugin", "arxiv_metadata", "--service", site.address, "--delay", "0"]
    what = ["--through", "oai", "--query", "cat:q-bio.PE", "--since", SINCE]
    return ["fetch", "arxiv", *own, *what, "--output", output, *more]


@pytest.fixture
def fetch(site: WebSite, tmp_path: Path, command: Command) -> Any:
    """Run the command on the site, into a folder ``papers``."""

    def run(*more: object) -> Answer:
        return command(*arguments(site, *more, output=tmp_path / "papers"))

    return run


def fetched(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.pdf"))


def labels(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "labels.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_what_was_submitted_since_a_day_comes_with_labels_as_by_the_api(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    done = fetch()
    papers = tmp_path / "papers"
    assert (done.code, done.output) == (0, f"{papers}: 4 fetched, 0 already there, 0 failed\n")
    assert fetched(papers) == NAMES
    assert (papers / "2404.90002.pdf").read_bytes() == PAPERS[1].pdf()
    assert labels(papers)[0] == {
        "id": "2404.90002", "title": "On hens", "authors": ["Cy Roe"], "abstract": "Hens do not.",
        "doi": "10.5555/hen.2", "categories": ["q-bio.PE", "cs.CL"], "published": "2024-04-18",
    }  # fmt: skip
    assert [path for path in site.asked if path.startswith("/oai")] == [
        "/oai?verb=ListSets", FIRST, f"{NEXT}2", f"{NEXT}4", f"{NEXT}6",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("cat:cs.CL", "cs%3Acs%3ACL"),
        ("cat:q-bio.*", "q-bio%3Aq-bio"),
        ("cat:q-bio.XX", "q-bio%3Aq-bio"),  # the service has no set for it
        ("cat:hep-th", "physics%3Ahep-th"),
        ("cat:physics.*", "physics%3Aphysics"),
    ],
)
def test_the_set_is_that_of_the_category(
    site: WebSite, fetch: Any, query: str, wanted: str
) -> None:
    assert fetch("--query", query).code == 0
    assert f"&set={wanted}&" in site.asked[1]
    count = 4 if query in ("cat:cs.CL", "cat:q-bio.*") else 0  # by the categories of each record
    assert site.count("/pdf/") == count


def test_all_of_arxiv_since_a_day(site: WebSite, tmp_path: Path, command: Command) -> None:
    own = ["--plugin", "arxiv_metadata", "--service", site.address, "--delay", "0"]
    what = ["--through", "oai", "--since", "2024-04-20", "--max", "1"]
    assert command("fetch", "arxiv", *own, *what, "--output", tmp_path / "papers").code == 0
    assert fetched(tmp_path / "papers") == ["2404.90004"]
    assert site.asked[0] == "/oai?verb=ListRecords&metadataPrefix=arXiv&from=2024-04-20"


def test_what_comes_later_or_cut_is_asked_for_again(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    whole = oai_page(RECORDS[2:4], "token|4")
    site.answers[f"{NEXT}2"] = [
        Reply(503, b"Retry later.", {"Retry-After": "1"}),
        replace(whole, cut=len(whole.body) // 2),
        replace(whole, body=whole.body[:-80]),  # cut, and yet as long as it says
        oai(""),
        whole,
    ]
    assert fetch().output.endswith(": 4 fetched, 0 already there, 0 failed\n")
    assert fetched(tmp_path / "papers") == NAMES
    times = [at for at, path in zip(site.times, site.asked, strict=True) if path == f"{NEXT}2"]
    assert len(times) == 5
    assert times[1] - times[0] >= 1


def test_a_listing_that_expires_begins_anew(site: WebSite, tmp_path: Path, fetch: Any) -> None:
    expired, whole = oai_error("badResumptionToken"), oai_page(RECORDS[4:6], "token|6")
    site.answers[f"{NEXT}4"] = [expired, whole]
    done = fetch()
    assert done.output.endswith(": 4 fetched, 0 already there, 0 failed\n")
    assert "the listing has expired; listing anew" in done.errors
    assert fetched(tmp_path / "papers") == NAMES
    assert site.count(FIRST) == 2
    assert site.count("/pdf/2404.90002") == 1


def test_an_interrupted_listing_goes_on_and_if_it_has_expired_anew(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    service: Any = site.answers["/oai"]
    site.answers[f"{NEXT}4"] = Reply(400)
    assert fetch().code == 1
    papers = tmp_path / "papers"
    assert fetched(papers) == NAMES[:1]
    assert [row["id"] for row in labels(papers)] == NAMES[:1]
    # The pages that are kept lead to one that is not given any more.
    site.answers[f"{NEXT}4"] = [
        oai_error("badResumptionToken"),
        service(f"{NEXT}4"),
    ]
    done = fetch()
    assert done.output.endswith(": 3 fetched, 1 already there, 0 failed\n"), done.errors
    assert fetched(papers) == NAMES
    assert site.count(FIRST) == 2


def test_a_listing_that_expires_before_any_document_ends_and_is_not_kept(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    early = [replace(paper, day="2020-01-01").record() for paper in PAPERS[:2]]
    site.answers[FIRST] = oai_page(early, "token|2")
    site.answers[f"{NEXT}2"] = oai_error("badResumptionToken")
    done = fetch()
    assert (done.code, done.errors.count("\n")) == (1, 1)
    assert "the listing has expired" in done.errors
    assert not (tmp_path / "papers").exists()


def test_where_nothing_fits_nothing_is_fetched(site: WebSite, fetch: Any) -> None:
    site.answers[FIRST] = oai_error("noRecordsMatch")
    done = fetch()
    assert (done.code, site.count("/pdf/")) == (0, 0)
    assert done.output.endswith(": 0 fetched, 0 already there, 0 failed\n")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (oai_error("badArgument", "from is later than today"), "from is later than today"),
        (oai_page(RECORDS[:1], "token|0"), "leads back to a page that came before"),
        (Reply(503, headers={"Retry-After": "3600"}), "asks to wait for 3600 seconds"),
        (html("<p>Not here."), "asked 5 times"),
        (Reply(body=b"<feed/>"), "no answer of OAI-PMH; is this a service of arXiv?"),
    ],
    ids=["refused", "in a circle", "much later", "no XML", "other XML"],
)
def test_a_listing_that_cannot_be_read_is_one_line(
    site: WebSite, fetch: Any, answer: Answers, told: str
) -> None:
    site.answers[FIRST] = site.answers[f"{NEXT}0"] = answer
    done = fetch()
    assert (done.code, done.errors.count("\n")) == (1, 1)
    assert done.errors.startswith("extract: error: ")
    assert told in done.errors


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--query", "ti:foxes"], "OAI-PMH takes one category as --query, such as cat:cs.CL"),
        (["--query", "cat:cs.CL OR cat:cs.AI"], "for other searches leave out --through"),
        (["--query", "cat:astro-ph.GA"], "has no set for cat:astro-ph.GA"),
        (["--through", "rss"], "--through is api or oai, not 'rss'"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    site: WebSite, tmp_path: Path, fetch: Any, more: list[str], told: str
) -> None:
    done = fetch(*more)
    assert (done.code, done.errors.count("\n")) == (1, 1)
    assert told in done.errors
    assert site.count("/oai?verb=ListRecords") == 0


def test_another_source_does_not_take_it(tmp_path: Path, command: Command) -> None:
    more = ["--from", "addresses.txt", "--through", "oai", "--output", tmp_path / "pages"]
    done = command("fetch", "news", "--plugin", "news_json", *more)
    assert done.code == 1
    assert "news does not take --through" in done.errors


@pytest.mark.parametrize("count", [8, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_kill_at_any_write_changes_nothing(tmp_path: Path, count: int) -> None:
    papers: list[Paper] = [*PAPERS[1:4]]
    with serving(harvested([paper.record() for paper in papers], page=1)) as site:
        site.answers["/pdf/hep-th/9990003"] = Reply(404)
        order = arguments(site)
        trace, whole = tmp_path / "trace", tmp_path / "whole"
        whole.mkdir()
        assert run_to_kill(order, whole, below=whole, trace=trace).code == 0
        acts = read_trace(trace)
        for number, kill in enumerate(spread(kills_of(acts), count)):
            place = tmp_path / str(number)
            place.mkdir()
            assert run_to_kill(order, place, below=place, kill=kill).code == -9
            again = run_forked(order, place)
            assert again.code == 0, f"{kill} of {acts[kill.number]}: {again.errors}"
            assert contents(place) == contents(whole), f"{kill} of {acts[kill.number]}"


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, hidden ones too, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
