"""The sources of any plugin: how they are found, what they may give, and what is done with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Command
from installed_plugins import TOY, Site
from web_site import Reply, WebSite, html, serving

from fieldsmith import plugins
from fieldsmith.errors import PluginError

SOURCE = (
    TOY
    + """

def items(request, page):
    for number, name in enumerate(page(f"{request.service}/list", names)):
        files = {".txt": f"{request.service}/{name}.txt", ".json": f"{request.service}/{name}.json"}
        yield fieldsmith.FetchItem(name, files, {"id": name, "number": number})


def names(response):
    return response.body.decode().split()


@fieldsmith.hookimpl
def extract_fetch():
    return {
        "toys": fieldsmith.FetchSource(
            "Toys.", items, service="http://toys.example", keeps_robots=False
        )
    }
"""
)


@pytest.fixture
def web() -> Iterator[WebSite]:
    with serving(WebSite()) as web:
        web.answers = {"/list": Reply(body=b"a b a c")}
        for name in "abc":
            web.answers |= {f"/{name}.txt": html(name), f"/{name}.json": html(f'"{name}"')}
        yield web


def arguments(web: WebSite, folder: Path, *more: object) -> list[Any]:
    own = ["fetch", "toys", "--service", f"{web.address}/", "--delay", "0"]
    return [*own, "--output", folder, *more]


def test_a_document_has_all_of_its_files_or_none(
    here: Site, web: WebSite, tmp_path: Path, command: Command
) -> None:
    here.install("toy", SOURCE)
    folder = tmp_path / "toys"
    web.answers["/b.json"] = Reply(404)
    done = command(*arguments(web, folder))
    assert ": 2 fetched, 0 already there, 1 failed" in done.output, done.errors
    names = ["a.json", "a.txt", "c.json", "c.txt", "labels.jsonl"]
    assert sorted(path.name for path in folder.iterdir()) == [".fetch", *names]
    (folder / "c.txt").unlink()
    web.answers["/b.json"] = html('"b"')
    web.asked.clear()
    done = command(*arguments(web, folder))
    assert done.output.endswith(": 2 fetched, 1 already there, 0 failed\n")
    assert web.asked == ["/list", "/b.txt", "/b.json", "/c.txt"]
    lines = (folder / "labels.jsonl").read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 3]


def test_a_source_is_found_beside_plugins_without_one_and_broken_ones(
    here: Site, web: WebSite, tmp_path: Path, command: Command
) -> None:
    here.install("broken", "import nothing_of_this_name\n")
    here.install("toy", SOURCE)
    assert command(*arguments(web, tmp_path / "toys")).code == 0
    unknown = command("fetch", "toy", "--output", tmp_path / "toy")
    assert unknown.code == 1
    assert unknown.errors.endswith(
        "no plugin has a source 'toy'; did you mean toys? Known: arxiv, news, toys; not looked "
        "into, because broken: broken\n"
    )
    here.install("other", SOURCE)
    twice = command(*arguments(web, tmp_path / "twice"))
    assert "several plugins have a source 'toys' (other, toy); add --plugin" in twice.errors
    assert command(*arguments(web, tmp_path / "twice", "--plugin", "other")).code == 0


def test_a_plugin_shows_its_sources(here: Site, command: Command) -> None:
    here.install("toy", SOURCE)
    assert "Source: extract fetch toys\nToys.\n" in command("plugins", "toy").output
    shown = json.loads(command("plugins", "arxiv_metadata", "--json").output)["sources"]
    assert shown["arxiv"]["options"] == ["--query", "--since", "--through"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('yield fieldsmith.FetchItem(name, files, {"id": name, "number": number})', "yield name",
         "yielded str 'a'; it has to be fieldsmith.FetchItem"),
        ('".txt":', '"/../x":', "an ending is as '.pdf' or '.html.gz'"),
        ("(name, files", "('', files", "an item whose id is str ''"),
        ("(name, files", "(name, {}", "give one to eight"),
        ("(name, files", "(name, {'.txt': 7}", "an item whose address is int 7"),
        ('"number": number', '"number": {1}', "an item whose label is not JSON"),
        ("response.body.decode().split()", "1 / 0", "failed for the documents of toys: ZeroDiv"),
        ("response.body.decode().split()", "7", "failed for the documents of toys: TypeError"),
        ('"Toys.", items', '"Toys.", items, content=str', "it has to be bytes"),
    ],
)  # fmt: skip
def test_what_a_source_gives_is_checked(
    here: Site, web: WebSite, tmp_path: Path, command: Command, old: str, new: str, told: str
) -> None:
    assert old in SOURCE
    here.install("toy", SOURCE.replace(old, new))
    done = command(*arguments(web, tmp_path / "toys"))
    assert done.code == 1
    assert done.errors.count("\n") == 1
    assert "plugin 'toy' (toy-plugin 1.0): extract_fetch " in done.errors
    assert told in done.errors


@pytest.mark.parametrize(
    "returned",
    [
        "7", "['toys']", "{7: 7}", "{'Toys': SOURCE}", "{'toys': 'toys'}",
        "{'toys': fieldsmith.FetchSource('x', None)}", "{'toys': fieldsmith.FetchSource(1, list)}",
        "{'toys': fieldsmith.FetchSource('x', list, delay='now')}",
        "{'toys': fieldsmith.FetchSource('x', list, delay=float('nan'))}",
        "{'toys': fieldsmith.FetchSource('x', list, largest=0)}",
        "{'toys': fieldsmith.FetchSource('x', list, options=7)}",
        "{'toys': fieldsmith.FetchSource('x', list, options=[[]])}",
        "{'toys': fieldsmith.FetchSource('x', list, options=['max'])}",
    ],
)  # fmt: skip
def test_what_the_hook_returns_is_checked(here: Site, returned: str) -> None:
    source = "SOURCE = fieldsmith.FetchSource('x', list)\n"
    hook = f"\n{source}\n@fieldsmith.hookimpl\ndef extract_fetch():\n    return {returned}\n"
    here.install("toy", TOY + hook)
    with pytest.raises(PluginError, match=r"plugin 'toy' \(toy-plugin 1.0\): extract_fetch retu"):
        plugins.load("toy").sources()


def test_one_process_fetches_into_a_folder_and_of_one_source(
    here: Site, web: WebSite, tmp_path: Path, command: Command
) -> None:
    from fieldsmith.collecting.folder import open_folder

    here.install("toy", SOURCE)
    folder = tmp_path / "toys"
    with open_folder(folder, "toys"):
        busy = command(*arguments(web, folder))
    assert "another process fetches into it" in busy.errors
    assert command(*arguments(web, folder)).code == 0
    (folder / ".fetch" / "source.json").write_text('{"source": "others"}')
    assert "has documents of others; name another folder" in command(*arguments(web, folder)).errors
    (folder / ".fetch" / "source.json").write_text('{"source": "toys"}')
    (folder / ".fetch" / "journal.jsonl").write_text('{"id": 7}\n')
    changed = command(*arguments(web, folder))
    assert changed.code == 1
    assert "journal.jsonl:1: was changed; name a new folder" in changed.errors
