"""The server's page in a browser shows records and faults, and is accessible."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import PATIENCE, WIDTHS, needs_chromium, started_browser
from drawn_pages import HEIGHT, WIDTH, Drawing
from served import Serving, serving
from tiny_model import Trained

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytestmark = needs_chromium


TEXT = "😀 Aspirin and rash. Aspirin caused rash in 5 patients. <b>Morphine</b> and nausea."


@pytest.fixture(scope="module")
def server(trained: Trained) -> Iterator[Serving]:
    with serving(trained.run, key="a-key") as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as browser:
        yield browser


def opened(browser: Browser, server: Serving, width: int = 1280, scheme: Any = "light") -> Page:
    """Open the page and give it the server's key."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(server.address)
    page.locator("#key-row").wait_for()
    page.fill("#key", "a-key")
    return page


def test_a_pasted_text_is_marked_by_keyboard_alone(browser: Browser, server: Serving) -> None:
    page = opened(browser, server)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.focus("#text")
    page.keyboard.insert_text(TEXT)
    page.keyboard.press("Control+Enter")
    page.locator(".result").wait_for()
    shown = json.loads(page.locator("pre").text_content() or "")
    expected = server.ask(
        "/v1/medical_ner/extract", {"text": TEXT}, authorization="Bearer a-key"
    ).json
    assert shown["record"] == expected["record"]
    assert shown["spans"], "the tiny model finds something in this text"
    assert page.locator(".text").inner_text() == TEXT
    characters = list(TEXT)
    marked = set(page.locator(".text mark").all_text_contents())
    assert {"".join(characters[start:end]) for start, end in shown["spans"].values()} <= marked
    leaves = page.locator("button.leaf")
    assert leaves.count() == len(shown["spans"])
    leaves.first.focus()
    assert page.locator("mark.shown").count() >= 1
    assert all(url.startswith(server.address) for url in asked)
    assert said == []
    page.context.close()


def test_files_are_read_and_faults_are_said(
    browser: Browser, server: Serving, tmp_path: Path
) -> None:
    page = opened(browser, server)
    page.get_by_role("button", name="Extract").click()
    playwright.expect(page.get_by_role("alert")).to_have_text(
        "Paste a text first, or choose files."
    )
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text(TEXT, encoding="utf-8")
    bad.write_bytes(b"\x80\xff\x00")
    page.set_input_files("#files", [good])
    playwright.expect(page.locator(".result h2")).to_have_text("good.txt")
    assert page.locator(".text").inner_text() == TEXT
    page.set_input_files("#files", [bad])
    playwright.expect(page.get_by_role("alert")).to_contain_text("bad.txt")
    page.fill("#key", "wrong")
    page.fill("#text", TEXT)
    page.get_by_role("button", name="Extract").click()
    playwright.expect(page.get_by_role("alert")).to_contain_text("send a key")
    page.context.close()


def test_a_page_of_a_pdf_is_shown_with_its_values(
    browser: Browser, server: Serving, tmp_path: Path
) -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    drawing = Drawing([0, 90])
    for _page in range(2):
        drawing.next_page()
        drawing.write(100, 500, TEXT.removeprefix("😀 ").split(), "Helvetica", 8)
    file = tmp_path / "paper.pdf"
    file.write_bytes(drawing.content())
    page = opened(browser, server)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text))
    page.set_input_files("#files", [file])
    page.locator(".result").wait_for()
    line = json.loads(page.locator("pre").text_content() or "")
    page.get_by_text("Pages", exact=True).click()
    page.locator(".page img").wait_for()
    number = int(page.locator(".pages select").input_value())
    expected = [box for boxes in line["boxes"].values() for box in boxes if box[0] == number]
    shown = page.locator(".page .box")
    playwright.expect(shown).to_have_count(len(expected))
    picture = page.locator(".page img").bounding_box()
    first = shown.first.bounding_box()
    assert picture
    assert first
    sizes = {1: WIDTH, 2: HEIGHT}
    left = (first["x"] - picture["x"]) * sizes[number] / picture["width"]
    assert left == pytest.approx(expected[0][1], abs=2)
    leaf = page.locator("button.leaf").first
    leaf.click()
    playwright.expect(page.locator(".box.shown").first).to_be_attached()
    assert said == []
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing").Axe
    found = axe().run(page).response
    assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]] == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=list(WIDTHS))
def test_axe_finds_nothing_to_mend(
    browser: Browser, server: Serving, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing").Axe
    page = opened(browser, server, width, scheme)
    page.fill("#text", TEXT)
    page.get_by_role("button", name="Extract").click()
    page.locator(".result").wait_for()
    page.get_by_text("JSON", exact=True).click()
    found = axe().run(page).response
    assert found["testEngine"]["name"] == "axe-core"
    assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.context.close()
