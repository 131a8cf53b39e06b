"""`extract fetch arxiv`: from a listing to a folder that can be audited and trained on."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import Answer, Command
from doc_commands import SHORT
from forked_command import run_forked
from kills import kills_of, read_trace, run_to_kill, spread
from running_command import RunningCommand, start
from stand_in_arxiv import PAPERS, Paper, arxiv, feed
from web_site import Reply, WebSite, html, serving

from fieldsmith import Reject
from fieldsmith.dataset.inputs import open_inputs
from fieldsmith.plugins import load

NAMES = ["2404.90001", "2404.90002", "hep-th_9990003", "2404.90004", "2404.90005"]


@pytest.fixture
def site() -> Iterator[WebSite]:
    with serving(arxiv()) as site:
        yield site


def arguments(site: WebSite, *more: object, output: object = "papers") -> list[object]:
    own = ["--plugin", "arxiv_metadata", "--service", site.address, "--delay", "0"]
    return ["fetch", "arxiv", "--since", "2024-01-01", *own, "--output", output, *more]


def fetched(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.pdf"))


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def fetch(site: WebSite, tmp_path: Path, command: Command) -> Any:
    """Run the command on the site, into a folder ``papers``."""

    def run(*more: object) -> Answer:
        return command(*arguments(site, *more, output=tmp_path / "papers"))

    return run


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, hidden ones too, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_papers_and_their_labels_are_audited_at_once(
    site: WebSite, tmp_path: Path, fetch: Any, command: Command
) -> None:
    done = fetch()
    papers = tmp_path / "papers"
    assert (done.code, done.output) == (0, f"{papers}: 5 fetched, 0 already there, 0 failed\n")
    assert fetched(papers) == sorted(NAMES)
    assert (papers / "2404.90001.pdf").read_bytes() == PAPERS[0].pdf()
    labels = rows(papers / "labels.jsonl")
    assert [row["id"] for row in labels] == [paper.id for paper in PAPERS]
    assert labels[1] == {
        "id": "2404.90002", "title": "On hens", "authors": ["Cy Roe"], "abstract": "Hens do not.",
        "doi": "10.5555/hen.2", "version": "v1", "categories": ["q-bio.PE"],
        "published": "2024-04-18T12:00:00Z",
    }  # fmt: skip
    assert site.count("/api/query") == 3
    assert site.count("/robots.txt") == 0
    assert {agent.partition("/")[0] for agent in site.agents} == {"fieldsmith"}
    order = f"extract audit --plugin arxiv_metadata --data {papers}"
    assert done.errors.endswith(
        f"labels: 1 of 22 values are not in the texts of 5 documents; {order} shows why\n"
        "  title: 1 of 5 are not in the text: hep-th_9990003.pdf\n"
    )
    audit = command("audit", "--plugin", "arxiv_metadata", "--data", papers, "--json")
    found = json.loads(audit.output)
    assert found["documents"]["read"] == 5
    learned = {field: counts["learned"] for field, counts in found["gold"].items()}
    assert learned == {"id": 4, "title": 3, "authors": 5, "abstract": 4, "doi": 1}
    # A title that its page prints in other words is told.
    (lost,) = [leaf for leaf in found["leaves"] if not leaf["windows"]]
    assert (lost["id"], lost["pointer"]) == ("hep-th_9990003.pdf", "/title")


def test_labels_of_papers_that_cannot_be_read_are_said_to_be_unchecked(
    site: WebSite, fetch: Any
) -> None:
    site.answers["/pdf/2404.90002v1"] = Reply(body=b"%PDF-1.7 and nothing else %%EOF")
    done = fetch("--max", 2)
    assert done.code == 0
    assert done.output.endswith(": 2 fetched, 0 already there, 0 failed\n")
    whole, unread = done.errors.splitlines()[-2:]
    assert whole == "labels: all 5 values are in the text of 1 document"
    assert unread.startswith("labels not checked: 2404.90002.pdf: the PDF cannot be read")


def test_without_the_extra_for_pdfs_labels_are_said_to_be_unchecked(
    site: WebSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pdfminer.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)  # the process that reads PDFs is given this path
    done = run_forked(arguments(site, "--max", 2), tmp_path)
    assert done.code == 0
    assert done.output.endswith(": 2 fetched, 0 already there, 0 failed\n")
    assert done.errors.splitlines()[-1] == (
        "labels not checked: 2 documents, the first 2404.90001.pdf: reading PDF needs the extra "
        "`pdf`: pip install 'fieldsmith[pdf]'"
    )


@pytest.mark.parametrize("plugin", ["arxiv_metadata", "medical_ner"])
def test_labels_that_were_fetched_are_no_document(
    tmp_path: Path, fetch: Any, plugin: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fieldsmith")
    assert fetch("--max", 2).code == 0
    with open_inputs(load(plugin), [str(tmp_path / "papers")]) as found:
        assert [row.id for row in found] == [f"{name}.pdf" for name in NAMES[:2]]
    (message,) = [message for message in caplog.messages if "passed over" in message]
    assert message.endswith(".fetch/source.json, labels.jsonl")
    # By its name alone it is any file of rows.
    (tmp_path / "papers" / ".fetch" / "source.json").unlink()
    with open_inputs(load(plugin), [str(tmp_path)]) as found:
        ids = [row.id for row in found if isinstance(row, Reject)]
        assert ids == ["papers/labels.jsonl"]


@pytest.mark.slow
def test_papers_are_trained_on_at_once(tmp_path: Path, command: Command) -> None:
    papers = [
        replace(PAPERS[0], id=f"2405.9{number:04}", title=f"On foxes, part {number}")
        for number in range(20)
    ]
    with serving(arxiv(papers)) as site:
        assert command(*arguments(site, output=tmp_path / "papers")).code == 0
    order = ["train", "--plugin", "arxiv_metadata", "--data", tmp_path / "papers"]
    done = command(*order, *SHORT, "--output", tmp_path / "run")
    assert done.code == 0, done.errors
    counts = json.loads((tmp_path / "run" / "run.json").read_text())["counts"]
    assert counts["documents"]["read"] == 20


def test_the_same_command_fetches_what_is_new(site: WebSite, tmp_path: Path, fetch: Any) -> None:
    assert fetch("--max", 2).output.endswith(": 2 fetched, 0 already there, 0 failed\n")
    assert fetched(tmp_path / "papers") == NAMES[:2]
    assert site.count("/api/query") == 1
    assert fetch().output.endswith(": 3 fetched, 2 already there, 0 failed\n")
    assert site.count("/pdf/") == 5
    assert [row["id"] for row in rows(tmp_path / "papers" / "labels.jsonl")] == [
        paper.id for paper in PAPERS
    ]


def test_from_a_day_on_or_the_newest(site: WebSite, tmp_path: Path, command: Command) -> None:
    own = ["--plugin", "arxiv_metadata", "--service", site.address, "--delay", "0"]
    since = ["--query", "cat:q-bio.PE", "--since", "2024-04-19"]
    assert command("fetch", "arxiv", *own, *since, "--output", tmp_path / "since").code == 0
    assert fetched(tmp_path / "since") == sorted(NAMES[2:])
    assert "search_query=%28cat%3Aq-bio.PE%29+AND+submittedDate%3A%5B202404190000" in site.asked[0]
    newest = ["--query", "cat:q-bio.PE", "--max", "1", "--output", tmp_path / "newest"]
    assert command("fetch", "arxiv", *own, *newest).code == 0
    assert fetched(tmp_path / "newest") == NAMES[4:]


def later(reply: Reply) -> list[Reply]:
    """Return answers of which the last one alone is right."""
    return [
        Reply(503, b"Retry later.", {"Retry-After": "1"}),
        Reply(429, b"Too many."),
        replace(reply, cut=len(reply.body) // 2),
        reply,
    ]


def test_what_comes_later_or_cut_is_asked_for_again(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    first = "/pdf/2404.90001v1"
    query = "/api/query?search_query=submittedDate%3A%5B202401010000+TO+999912312359%5D"
    query += "&sortBy=submittedDate&sortOrder=ascending&max_results=100&start="
    whole = Reply(body=feed(PAPERS[2:4], 5))
    site.answers[f"{query}0"] = [Reply(body=feed([], 5)), Reply(body=feed(PAPERS[:2], 5))]
    site.answers[f"{query}2"] = [
        Reply(body=feed([], 0)),
        Reply(body=whole.body[:-30]),
        replace(whole, pause=0.1),
    ]
    pdf: Any = site.answers[first]
    site.answers[first] = later(pdf)
    done = fetch()
    assert done.output.endswith(": 5 fetched, 0 already there, 0 failed\n"), done.errors
    assert fetched(tmp_path / "papers") == sorted(NAMES)
    assert site.count(f"{query}0") == 2
    assert site.count(f"{query}2") == 3
    times = [when for when, path in zip(site.times, site.asked, strict=True) if path == first]
    assert len(times) == 4
    assert times[1] - times[0] >= 1


def test_what_fails_is_listed_and_tried_again(site: WebSite, tmp_path: Path, fetch: Any) -> None:
    good = site.answers["/pdf/2404.90002v1"]
    site.answers["/pdf/2404.90002v1"] = Reply(404)
    done = fetch()
    papers = tmp_path / "papers"
    file = papers / ".fetch" / "failures.jsonl"
    assert done.code == 0
    assert done.output.endswith(f": 4 fetched, 0 already there, 1 failed, with reasons in {file}\n")
    address = f"{site.address}/pdf/2404.90002v1"
    assert done.errors.endswith(f"{address}: HTTP 404\n")
    assert rows(file) == [{"id": "2404.90002", "address": address, "reason": "HTTP 404"}]
    assert "2404.90002" not in (papers / "labels.jsonl").read_text(encoding="utf-8")
    site.answers["/pdf/2404.90002v1"] = good
    assert fetch().output.endswith(": 1 fetched, 4 already there, 0 failed\n")
    assert not file.exists()
    assert [row["id"] for row in rows(papers / "labels.jsonl")] == [one.id for one in PAPERS]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (html("<p>The PDF is being made.</p>"), "no PDF came, but text/html; asked 5 times"),
        (Reply(body=PAPERS[0].pdf()[:-10]), "the PDF has no end; asked 5 times"),
    ],
)
def test_what_is_no_whole_pdf_is_never_written(
    tmp_path: Path, command: Command, reply: Reply, reason: str
) -> None:
    with serving(arxiv(PAPERS[:1])) as site:
        site.answers["/pdf/2404.90001v1"] = reply
        done = command(*arguments(site, output=tmp_path / "papers"))
    assert done.code == 1
    assert "\nextract: error: none of 1 documents could be fetched" in done.errors
    assert reason in done.errors
    assert [path.name for path in (tmp_path / "papers").iterdir()] == [".fetch"]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(400), "HTTP 400"),
        (Reply(503, headers={"Retry-After": "3600"}), "asks to wait for 3600 seconds"),
        (html("<p>Not here."), "asked 5 times"),
        (Reply(body=b"<rss/>"), "no Atom feed; is this an API of arXiv?"),
        (
            Reply(
                body=feed([], 1).replace(
                    b"</feed>",
                    b"<entry><id>http://arxiv.org/api/errors#bad</id>"
                    b"<summary>incorrect id format</summary></entry></feed>",
                )
            ),
            "incorrect id format",
        ),
    ],
    ids=["refused", "much later", "no XML", "other XML", "error"],
)
def test_a_listing_that_cannot_be_read_is_one_line(
    site: WebSite, tmp_path: Path, fetch: Any, reply: Reply, told: str
) -> None:
    site.answers["/api/query"] = reply
    done = fetch()
    assert done.code == 1
    assert done.errors.startswith("extract: error: ")
    assert done.errors.count("\n") == 1
    assert told in done.errors
    assert site.count("/pdf/") == 0


def test_a_listing_that_breaks_off_goes_on_with_what_it_began_with(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    listing: Any = site.answers["/api/query"]

    def broken(path: str) -> Reply:
        return Reply(400) if path.endswith("start=2") else listing(path)

    site.answers["/api/query"] = broken
    assert fetch().code == 1
    papers = tmp_path / "papers"
    assert fetched(papers) == NAMES[:2]
    assert len(rows(papers / "labels.jsonl")) == 2
    site.answers["/api/query"] = listing
    assert fetch().code == 0
    assert fetched(papers) == sorted(NAMES)
    assert sum(path.endswith("start=0") for path in site.asked) == 1


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "say which papers, by --query, --since, or both"),
        (["--query", "ti:x", "--from", "ids.txt"], "arxiv does not take --from"),
        (["--query", "ti:x", "--delay", "1"], "arxiv wants 3 seconds between two requests"),
        (
            ["--query", "ti:x", "--delay", "1", "--service", "https://arxiv.org/"],
            "only another --service may be asked more often",
        ),
        (["--query", "ti:x", "--service", "ftp://x.example"], "begins with http:// or https://"),
        (["--query", "ti:x", "--plugin", "medical_ner"], "no plugin has a source 'arxiv'"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    tmp_path: Path, command: Command, more: list[str], told: str
) -> None:
    done = command("fetch", "arxiv", *more, "--output", tmp_path / "papers")
    assert done.code == 1
    assert done.errors.count("\n") == 1
    assert told in done.errors


def test_ctrl_c_leaves_what_is_there_with_its_labels(
    site: WebSite, tmp_path: Path, fetch: Any, commands: list[RunningCommand]
) -> None:
    pdf: Any = site.answers["/pdf/hep-th/9990003v1"]
    site.answers["/pdf/hep-th/9990003v1"] = [replace(pdf, pause=60), pdf]
    papers = tmp_path / "papers"
    running = start(tmp_path, *arguments(site, output=papers))
    commands.append(running)
    running.wait_for(lambda: site.count("/pdf/hep-th"))
    running.process.send_signal(signal.SIGINT)
    assert running.ended().code == 130
    assert [row["id"] for row in rows(papers / "labels.jsonl")] == NAMES[:2]
    assert fetch().output.endswith(": 3 fetched, 2 already there, 0 failed\n")


def test_a_folder_of_something_else_stays_as_it_is(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "labels.jsonl").write_text("mine\n")
    done = fetch()
    assert done.code == 1
    assert "has files that `extract fetch` did not write; name a new folder" in done.errors
    assert contents(papers) == {"labels.jsonl": b"mine\n"}
    assert site.asked == []


@pytest.mark.parametrize("count", [10, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_kill_at_any_write_changes_nothing(tmp_path: Path, count: int) -> None:
    # Three papers, one of which fails, so that every kind of entry is written.
    papers: list[Paper] = [*PAPERS[:2], PAPERS[4]]
    with serving(arxiv(papers)) as site:
        site.answers["/pdf/2404.90002v1"] = Reply(404)
        order = arguments(site)
        trace, whole = tmp_path / "trace", tmp_path / "whole"
        whole.mkdir()
        assert run_to_kill(order, whole, below=whole, trace=trace).code == 0
        acts = read_trace(trace)
        assert len(acts) > 40
        for number, kill in enumerate(spread(kills_of(acts), count)):
            place = tmp_path / str(number)
            place.mkdir()
            assert run_to_kill(order, place, below=place, kill=kill).code == -9
            for path in place.rglob("*.pdf"):
                assert path.read_bytes().endswith(b"%%EOF")
            again = run_forked(order, place)
            assert again.code == 0, f"{kill} of {acts[kill.number]}: {again.errors}"
            assert contents(place) == contents(whole), f"{kill} of {acts[kill.number]}"
