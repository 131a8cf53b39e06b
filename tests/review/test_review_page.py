"""The page of a review in a browser: by keyboard, saved at once, killed and opened again."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import PATIENCE, WIDTHS, needs_chromium, started_browser
from served import Serving, started

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("starlette", reason="the extra serve is not installed")
pytestmark = needs_chromium

RECORD: dict[str, Any] = {"chemicals": ["Aspirin"], "diseases": ["rash"], "relations": []}


def text(number: int) -> str:
    return f"😀 Aspirin caused rash; <b>morphine</b> and nausea.\nCase {number}."


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as browser:
        yield browser


def labels(folder: Path, count: int) -> Path:
    file = folder / "labels.jsonl"
    rows = [{"id": f"d{n}", "text": text(n), "record": RECORD} for n in range(count)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def decided(folder: Path) -> list[dict[str, Any]]:
    file = folder / "labels.ann.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def order(file: Path) -> tuple[object, ...]:
    return ("review", file, "--plugin", "medical_ner", "--reviewer", "ann")


def opened(browser: Browser, server: Serving, width: int = 1280, scheme: Any = "light") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(server.address)
    page.locator("#record button").first.wait_for()
    return page


def mark(page: Page, value: str) -> None:
    """Mark a piece of the text as a person does with a mouse, wherever elements cut it."""
    page.evaluate(
        """(value) => {
            const text = document.getElementById("text");
            text.focus();
            const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
            const range = document.createRange();
            const start = text.textContent.indexOf(value);
            let at = 0;
            while (walker.nextNode()) {
                const node = walker.currentNode;
                const end = at + node.length;
                if (at <= start && start < end) range.setStart(node, start - at);
                if (at < start + value.length && start + value.length <= end) {
                    range.setEnd(node, start + value.length - at);
                }
                at = end;
            }
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }""",
        value,
    )


def test_a_record_is_corrected_by_marking_the_text(browser: Browser, tmp_path: Path) -> None:
    with started(*order(labels(tmp_path, 2))) as server:
        page = opened(browser, server)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        assert page.locator("#text").text_content() == text(0), "markup is shown and not rendered"
        assert page.locator("#text mark").all_text_contents() == ["Aspirin", "rash"]
        page.get_by_role("button", name="/chemicals: add").focus()
        mark(page, "morphine")
        page.keyboard.press("m")
        page.get_by_role("button", name="/chemicals/1: morphine").wait_for()
        page.get_by_role("button", name="/diseases/0: rash").focus()
        page.keyboard.press("e")
        page.fill("#value", "rashes")
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#problem")).to_contain_text("/diseases/0: does not stand")
        page.keyboard.press("a")
        assert not (tmp_path / "labels.ann.jsonl").exists(), "it cannot be accepted like that"
        page.get_by_role("button", name="/diseases/0: rashes").focus()
        page.keyboard.press("Delete")
        page.get_by_role("button", name="/diseases/0").wait_for(state="detached")
        page.get_by_role("button", name="/relations: add").click()
        page.fill("#value", "Aspirin")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="/relations/0/disease").focus()
        mark(page, "nausea")
        page.keyboard.press("m")
        page.get_by_role("button", name="/relations/0/disease: nausea").wait_for()
        page.keyboard.press("a")
        playwright.expect(page.locator("#id")).to_have_text("d1")
        (row,) = decided(tmp_path)
        assert row["record"]["chemicals"] == ["Aspirin", "morphine"]
        assert row["record"]["diseases"] == []
        assert row["record"]["relations"] == [{"chemical": "Aspirin", "disease": "nausea"}]
        assert row["review"]["decision"] == "corrected"
        page.keyboard.press("k")
        playwright.expect(page.locator("#decision")).to_contain_text("corrected by ann")
        page.keyboard.press("u")
        playwright.expect(page.locator("#decision")).to_have_text("not decided")
        assert decided(tmp_path) == []
        assert faults == []
        page.context.close()


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_and_opened_again_nothing_is_lost(
    browser: Browser, tmp_path: Path, count: int
) -> None:
    file = labels(tmp_path, count)
    done = 0
    while done < count:
        with started(*order(file)) as server:
            page = opened(browser, server)
            playwright.expect(page.locator("#id")).to_have_text(f"d{done}")
            for _ in range(min(count // 2, count - done)):
                page.keyboard.press("r" if done % 3 == 0 else "a")
                done += 1
                shown = f"of {count}; {done} decided"
                playwright.expect(page.locator("#count")).to_have_text(shown)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            page.context.close()
        rows = decided(tmp_path)
        assert [row["id"] for row in rows] == [f"d{number}" for number in range(done)]
        assert all((row["record"] is None) == (n % 3 == 0) for n, row in enumerate(rows))


def test_it_ends_on_sigterm_and_one_process_alone_writes(tmp_path: Path) -> None:
    file = labels(tmp_path, 1)
    with started(*order(file)) as server:
        body = {"record": RECORD}
        assert server.ask("/documents/0/decide", body).json["decision"] == "accepted"
        assert server.ask("/documents/0/decide", {"record": {"x": 1}}).status == 422
        assert server.ask("/documents/7").status == 404
        assert server.ask("/documents", origin="http://elsewhere.org").status == 403
        assert server.ask("/documents", host="elsewhere.org").status == 403
        with pytest.raises(AssertionError, match="another process reviews into it"):
            started(*order(file)).__enter__()
        assert server.stop() == 0
    assert len(decided(tmp_path)) == 1


def test_axe_finds_nothing_to_mend(browser: Browser, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing").Axe
    with started(*order(labels(tmp_path, 2))) as server:
        for width, scheme in itertools.product(WIDTHS.values(), ("light", "dark")):
            page = opened(browser, server, width, scheme)
            page.get_by_role("button", name="/diseases/0: rash").focus()
            page.keyboard.press("e")
            page.fill("#value", "rashes")
            page.keyboard.press("Enter")
            page.locator("#problem").wait_for()
            page.get_by_role("button", name="/relations: add").click()
            found = axe().run(page).response["violations"]
            assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found] == []
            assert page.evaluate("document.documentElement.scrollWidth") == width
            page.context.close()
