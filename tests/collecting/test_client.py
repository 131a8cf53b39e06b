"""Requests: how long is waited, how often is asked, and which addresses may be."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_site import Reply, WebSite, html, serving

from fieldsmith import FetchError
from fieldsmith.collecting.addresses import is_public, parse_address, redirected
from fieldsmith.collecting.client import Client
from fieldsmith.collecting.connections import seconds_to_wait
from fieldsmith.collecting.names import file_stem
from fieldsmith.fetch_source import body_of


@pytest.fixture
def site() -> Iterator[WebSite]:
    with serving(WebSite()) as site:
        yield site


def client_of(site: WebSite, timeout: float = 5.0, largest: int = 1000) -> Client:
    host, _, port = site.host.partition(":")
    named = {(host, int(port)): 0.0}
    return Client(60, keeps_robots=False, largest=largest, named=named, timeout=timeout, pause=0.01)


def test_an_answer_that_stalls_is_asked_for_again(site: WebSite) -> None:
    site.answers["/stalls"] = [html("late", pause=5), html("there")]
    assert client_of(site, timeout=0.1).get(f"{site.address}/stalls", body_of) == b"there"


def test_an_answer_that_drips_without_end_is_left(site: WebSite) -> None:
    # Each byte comes in time, and all of them would take a minute.
    site.answers["/drips"] = [Reply(body=bytes(2000), drip=0.03), html("there")]
    assert client_of(site, timeout=0.05).get(f"{site.address}/drips", body_of) == b"there"


def test_what_is_too_large_is_not_read_to_its_end(site: WebSite) -> None:
    site.answers["/large"] = html("x" * 2000)
    with pytest.raises(FetchError, match="has more than 1,000 bytes"):
        client_of(site).get(f"{site.address}/large", body_of)
    assert site.count("/large") == 1


def test_a_host_that_keeps_failing_is_given_up(site: WebSite) -> None:
    site.answers["/down"] = Reply(503)
    client = client_of(site)
    for _ in range(3):
        with pytest.raises(FetchError, match="HTTP 503; asked 5 times"):
            client.get(f"{site.address}/down", body_of)
    with pytest.raises(FetchError, match="failed 3 times in a row"):
        client.get(f"{site.address}/down", body_of)
    assert site.count("/down") == 15


def test_a_host_that_answers_in_between_is_not_given_up(site: WebSite) -> None:
    site.answers |= {"/down": Reply(503), "/there": html("there")}
    client = client_of(site)
    for _ in range(2):
        with pytest.raises(FetchError, match="HTTP 503"):
            client.get(f"{site.address}/down", body_of)
        with pytest.raises(FetchError, match="HTTP 503"):
            client.get(f"{site.address}/down", body_of)
        with pytest.raises(FetchError, match="HTTP 404"):
            client.get(f"{site.address}/nowhere", body_of)
    assert client.get(f"{site.address}/there", body_of) == b"there"


@pytest.mark.parametrize("header", ["7", " 7 ", "Thu, 01 Jan 1970 00:00:07 GMT", "soon", "-3", ""])
def test_how_long_a_server_asks_to_wait(header: str) -> None:
    assert seconds_to_wait(header) == (7.0 if header.strip() == "7" else 0.0)
    assert seconds_to_wait("Thu, 01 Jan 2099 00:00:00 GMT") > 10**8


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("vellin.example", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("192.168.0.1", False),
        ("169.254.169.254", False), ("0.0.0.0", False), ("100.64.0.1", False),
        ("224.0.0.1", False), ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True), ("localhost", False),
        ("a.localhost", False),
    ],
)  # fmt: skip
def test_what_is_public(host: str, public: bool) -> None:
    assert is_public(host) is public


@pytest.mark.parametrize("name", ["2130706433", "0x7f.1", "127.1"])
def test_other_spellings_of_a_private_host_are_not_asked(site: WebSite, name: str) -> None:
    port = site.host.partition(":")[2]
    client = Client(0, keeps_robots=False, largest=1000)
    with pytest.raises(FetchError, match="is in a private network"):
        client.get(f"http://{name}:{port}/", body_of)
    assert site.asked == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file:///etc/passwd", "begins with http:// or https://"),
        ("ftp://vellin.example/", "begins with http:// or https://"),
        ("vellin.example/storm", "begins with http:// or https://"),
        ("http://", "begins with http:// or https://"),
        ("http://[::1", "is no address"),
        ("http://vellin.example:port/", "is no address"),
        ("http://me:secret@vellin.example/", "name or password"),
        ("http://me:secret@vellin.example:99999/", "is no address"),
        ("http://me:no/secret@vellin.example/", "is no address"),
        ("ftp://me:secret@vellin.example/", "begins with http:// or https://"),
        ("me:secret@vellin.example/", "begins with http:// or https://"),
        ("", "begins with http:// or https://"),
    ],
)
def test_what_is_no_address(text: str, told: str) -> None:
    with pytest.raises(FetchError, match=told) as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("HTTP://Vellin.Example:80/a b?q=ä#top", "http://vellin.example/a%20b?q=%C3%A4"),
        ("https://störm.example/100%25", "https://xn--strm-6qa.example/100%25"),
        ("http://[2606:4700::1111]:8080", "http://[2606:4700::1111]:8080/"),
        ("http://vellin.example/a\r\nHost: x", "http://vellin.example/aHost:%20x"),
    ],
)
def test_addresses_in_one_spelling(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


def test_a_redirect_keeps_to_https() -> None:
    secure = parse_address("https://vellin.example/a/b")
    assert str(redirected(secure, "../c")) == "https://vellin.example/c"
    assert str(redirected(parse_address("http://vellin.example"), str(secure))) == str(secure)
    with pytest.raises(FetchError, match="from https to http"):
        redirected(secure, "http://vellin.example/")


IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=120)


@given(st.lists(IDS, min_size=2, max_size=2, unique=True))
def test_names_of_files_are_safe_and_of_one_id_alone(ids: list[str]) -> None:
    stems = [file_stem(each) for each in ids]
    for stem in stems:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}", stem)
        assert not re.match(r"(?i)readme|licen[cs]e|notice|source", stem)
    assert stems[0] != stems[1]
