"""`extract fetch news`: pages of a list or a feed, as far as their sites allow."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Answer, Command
from forked_command import run_forked
from web_site import Reply, WebSite, html, moved, serving

import fieldsmith_news_json as news_json
from fieldsmith import Example

HEADLINE = "Storm over Vellin"
PAGE = (
    f'<!doctype html><html lang="en-IE"><head><title>{HEADLINE}</title>'
    f'<meta property="og:title" content="{HEADLINE}"></head><body><h1>{HEADLINE}</h1>'
    "<p>A storm tore roofs from forty houses along the bay on Monday.</p></body></html>"
)
FEED = """<?xml version="1.0"?>
<rss version="2.0"><channel><title>Vellin Post</title><link>{0}/</link>
<item><title>Storm</title><link>{0}/storm</link><pubDate>Mon, 08 Apr 2024 06:00:00 GMT</pubDate>
</item>
<item><title>Calm</title><link>/calm#top</link><pubDate>Tue, 09 Apr 2024 06:00:00 GMT</pubDate>
</item>
<item><title>Fog</title><link>{0}/fog</link></item>
<item><title>Storm, again</title><link>{0}/storm#2</link></item>
</channel></rss>
"""


@pytest.fixture
def site() -> Iterator[WebSite]:
    with serving(WebSite()) as site:
        site.answers = {f"/{name}": html(PAGE) for name in ("storm", "calm", "fog")}
        yield site


@pytest.fixture
def fetch(site: WebSite, tmp_path: Path, command: Command) -> Any:
    """Run the command, which trusts the site, into a folder ``pages``."""

    def run(*lines: str, more: tuple[object, ...] = (), feed: str = "") -> Answer:
        (tmp_path / "list.txt").write_text("".join(f"{line}\n" for line in lines))
        origin = feed or tmp_path / "list.txt"
        own = ["--plugin", "news_json", "--service", site.address, "--delay", "0"]
        place = ["--from", origin, "--output", tmp_path / "pages"]
        return command("fetch", "news", *own, *place, *more)

    return run


def pages(folder: Path) -> list[bytes]:
    return [gzip.decompress(path.read_bytes()) for path in sorted(folder.glob("*.html.gz"))]


def failures(folder: Path) -> dict[str, str]:
    file = folder / ".fetch" / "failures.jsonl"
    found = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {row["address"]: row["reason"] for row in found}


def test_no_password_of_an_address_is_printed_or_written(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    secret = [f"http://me:secret@{site.host}/fog", f"http://me:no/secret@{site.host}/fog"]
    done = fetch(f"{site.address}/storm", *secret)
    assert "1 fetched, 0 already there, 2 failed" in done.output
    assert f"http://…@{site.host}/fog: " in done.errors
    kept = [path.read_text() for path in (tmp_path / "pages" / ".fetch").glob("*.json*")]
    assert "secret" not in "".join([done.output, done.errors, *kept])
    for line in (f"ftp://me:secret@{site.host}/fog", f"me:secret@{site.host}"):
        assert "secret" not in fetch(line).errors


def test_a_list_becomes_pages_that_know_their_address(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    done = fetch("# Vellin Post", f"{site.address}/storm", "", f"{site.address}/calm")
    folder = tmp_path / "pages"
    assert (done.code, done.output) == (0, f"{folder}: 2 fetched, 0 already there, 0 failed\n")
    names = sorted(path.name for path in folder.glob("*.html.gz"))
    stem = site.host.replace(":", "-")
    assert [name[: len(stem) + 6] for name in names] == [f"{stem}-calm-", f"{stem}-storm"]
    read = list(news_json.extract_load(folder, {}))
    assert all(isinstance(one, Example) for one in read)
    assert [one.record["URL"] for one in read if isinstance(one, Example) and one.record] == [
        f"{site.address}/calm",
        f"{site.address}/storm",
    ]
    assert fetch(f"{site.address}/storm").output.endswith(
        ": 0 fetched, 1 already there, 0 failed\n"
    )
    assert site.count("/storm") == 1


def test_the_address_that_a_page_gives_itself_is_preferred(tmp_path: Path) -> None:
    mark = "<!-- saved from url=(0031)https://vellin.example/storm?a -->\n"
    canonical = '<link rel="canonical" href="https://vellin.example/storm"></head>'
    for name, text in (("a.html", PAGE), ("b.html", PAGE.replace("</head>", canonical))):
        (tmp_path / name).write_text(mark + text)
    read = [one for one in news_json.extract_load(tmp_path, {}) if isinstance(one, Example)]
    addresses = [one.document.meta["url"] for one in read]
    assert addresses == ["https://vellin.example/storm?a", "https://vellin.example/storm"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PAGE.replace("storm tore", "störm tore").encode("latin-1"), "text/html; charset=latin1"),
        (PAGE.replace("storm tore", "störm tore").encode("utf-16"), "text/html"),
        (b"\xef\xbb\xbf" + PAGE.replace("storm tore", "störm tore").encode(), "text/html"),
    ],
)
def test_the_encoding_that_the_server_names_is_kept(
    site: WebSite, tmp_path: Path, fetch: Any, body: bytes, kind: str
) -> None:
    site.answers["/storm"] = Reply(body=body, headers={"Content-Type": kind})
    assert fetch(f"{site.address}/storm").code == 0
    (saved,) = pages(tmp_path / "pages")
    assert "A störm tore roofs" in saved.decode()
    (read,) = news_json.extract_load(tmp_path / "pages", {})
    assert isinstance(read, Example)
    assert "A störm tore roofs" in read.document.text
    assert read.document.meta["url"] == f"{site.address}/storm"


def test_a_feed_names_pages_and_their_days(site: WebSite, tmp_path: Path, fetch: Any) -> None:
    feed = Reply(body=FEED.format(site.address).encode())
    site.answers["/feed.xml"] = [Reply(body=b" "), feed]
    done = fetch(feed=f"{site.address}/feed.xml")
    assert done.output.endswith(": 3 fetched, 0 already there, 0 failed\n"), done.errors
    assert {path for path in site.asked if "." not in path} == {"/storm", "/calm", "/fog"}
    saved = tmp_path / "saved.xml"
    saved.write_bytes(feed.body)
    site.asked.clear()
    more = ("--since", "2024-04-09", "--output", tmp_path / "since")
    assert fetch(feed=str(saved), more=more).output.endswith(
        f" 1 failed, with reasons in {tmp_path / 'since' / '.fetch' / 'failures.jsonl'}\n"
    )
    assert [path for path in site.asked if path != "/robots.txt"] == ["/fog"]


RULES = """User-agent: *
Disallow: /

User-agent: fieldsmith
Disallow: /*.cgi$
Disallow: /private
Allow: /private/but-this
"""


def test_robots_txt_decides(site: WebSite, tmp_path: Path, fetch: Any) -> None:
    site.answers |= {
        "/robots.txt": Reply(body=RULES.encode()),
        "/private/but-this": html(PAGE),
        "/there": moved("/private/x"),
    }
    names = ("storm", "private/x", "private/but-this", "a.cgi", "there")
    done = fetch(*(f"{site.address}/{name}" for name in names))
    assert ": 2 fetched, 0 already there, 3 failed" in done.output
    told = f"the robots.txt of {site.host.partition(':')[0]} forbids it"
    assert failures(tmp_path / "pages") == {
        f"{site.address}/private/x": told,
        f"{site.address}/a.cgi": told,
        f"{site.address}/there": f"{site.address}/private/x: {told}",
    }
    assert site.count("/robots.txt") == 1
    assert set(site.asked) == {"/robots.txt", "/storm", "/private/but-this", "/there"}


def test_robots_txt_says_how_often(site: WebSite, tmp_path: Path, fetch: Any) -> None:
    site.answers["/robots.txt"] = Reply(body=b"User-agent: *\nCrawl-delay: 0.5\n")
    assert fetch(f"{site.address}/storm", f"{site.address}/calm").code == 0
    _rules, first, second = site.times
    assert second - first >= 0.5
    site.answers["/robots.txt"] = Reply(body=b"User-agent: *\nCrawl-delay: 86400\n")
    done = fetch(f"{site.address}/fog")
    assert done.code == 1
    assert "asks for 86400 seconds between requests, which is too long" in done.errors
    assert site.count("/fog") == 0


def test_while_robots_txt_cannot_be_read_nothing_is_fetched(site: WebSite, fetch: Any) -> None:
    site.answers["/robots.txt"] = [Reply(503), Reply(503), Reply(body=b"")]
    assert fetch(f"{site.address}/storm").code == 0
    assert site.asked == ["/robots.txt"] * 3 + ["/storm"]


def test_what_is_no_page_fails_with_its_reason(site: WebSite, tmp_path: Path, fetch: Any) -> None:
    bomb = gzip.compress(bytes(20 << 20))
    packed = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    site.answers |= {
        "/pdf": Reply(body=b"%PDF-1.4", headers={"Content-Type": "application/pdf"}),
        "/plain": Reply(body=b"no tags", headers={"Content-Type": "text/plain"}),
        "/bomb": Reply(body=bomb, headers=packed),
        "/packed": Reply(body=gzip.compress(PAGE.encode()), headers=packed),
        "/loop": moved("/loop"),
        "/file": moved("file:///etc/passwd"),
        "/inside": moved(f"http://127.0.0.2:{site.host.partition(':')[2]}/storm"),
        "/name": moved("http://localhost/storm"),
        "/user": moved("http://me:secret@vellin.example/"),
        "/far": moved("/near", 301),
        "/near": moved(f"{site.address}/storm", 307),
    }
    names = (
        "pdf",
        "plain",
        "bomb",
        "loop",
        "file",
        "inside",
        "name",
        "user",
        "gone",
        "far",
        "packed",
    )
    done = fetch(*(f"{site.address}/{name}" for name in names))
    assert ": 2 fetched, 0 already there, 9 failed" in done.output
    reasons = {
        address.rpartition("/")[2]: reason
        for address, reason in failures(tmp_path / "pages").items()
    }
    private = "is in a private network; to fetch from there, name it by --service"
    assert reasons == {
        "pdf": "no page came, but application/pdf",
        "plain": "no page came, but text/plain",
        "bomb": "has more than 16,777,216 bytes",
        "loop": "redirects more than 5 times",
        "file": "'file:///etc/passwd': is no address that begins with http:// or https://",
        "inside": f"127.0.0.2 {private}",
        "name": f"localhost {private}",
        "user": "http://vellin.example: is given with a name or password; leave these out",
        "gone": "HTTP 404",
    }
    assert "secret" not in done.errors
    for saved in pages(tmp_path / "pages"):
        assert HEADLINE.encode() in saved


def test_a_private_host_is_not_asked_unless_it_is_named(
    site: WebSite, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "list.txt").write_text(f"{site.address}/storm\n")
    order = ["fetch", "news", "--plugin", "news_json", "--from", tmp_path / "list.txt"]
    done = command(*order, "--output", tmp_path / "pages")
    assert done.code == 1
    assert "is in a private network; to fetch from there, name it by --service" in done.errors
    assert site.asked == []


def test_through_a_proxy(tmp_path: Path, site: WebSite) -> None:
    site.answers = {"http://vellin.example/storm": html(PAGE)}
    (tmp_path / "list.txt").write_text("http://vellin.example/storm\nhttp://10.0.0.1/x\n")
    order = ["fetch", "news", "--plugin", "news_json", "--from", "list.txt", "--output", "pages"]
    proxy = {"http_proxy": site.address, "no_proxy": ""}
    done = run_forked(order, tmp_path, prepare=lambda: os.environ.update(proxy))
    assert ": 1 fetched, 0 already there, 1 failed" in done.output, done.errors
    assert site.asked == ["http://vellin.example/robots.txt", "http://vellin.example/storm"]
    (saved,) = pages(tmp_path / "pages")
    assert saved.startswith(b"<!-- saved from url=(0027)http://vellin.example/storm -->")


@pytest.mark.parametrize(
    ("lines", "more", "told"),
    [
        (["https://vellin.example", "vellin.example/storm"], (), "list.txt:2: 'vellin.example/sto"),
        (["# nothing"], (), "list.txt: no address in it; write one a line"),
        (["https://vellin.example"], ("--since", "2024-04-09"), "has no dates, so leave out --sin"),
        (["https://vellin.example"], ("--query", "storm"), "news does not take --query; it takes"),
    ],
)
def test_what_cannot_be_fetched_from_is_one_line(
    tmp_path: Path, fetch: Any, lines: list[str], more: tuple[object, ...], told: str
) -> None:
    done = fetch(*lines, more=more)
    assert done.code == 1
    assert done.errors.count("\n") == 1
    assert told in done.errors


def test_no_file_and_no_feed_are_one_line(site: WebSite, tmp_path: Path, fetch: Any) -> None:
    assert "cannot be read" in fetch(feed=str(tmp_path / "nowhere.txt")).errors
    assert "is no feed (RSS or Atom)" in fetch(feed=f"{site.address}/storm").errors


def test_a_feed_that_is_the_name_of_a_file_is_not_opened(
    site: WebSite, tmp_path: Path, fetch: Any
) -> None:
    inside = tmp_path / "inside.xml"
    inside.write_text(FEED.format(site.address))
    site.answers["/feed"] = Reply(body=str(inside).encode())
    assert "is no feed (RSS or Atom)" in fetch(feed=f"{site.address}/feed").errors
    assert site.count("/storm") == 0
