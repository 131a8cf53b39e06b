"""The report's page in a browser: it filters, reaches nothing, runs nothing, and is accessible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import PATIENCE, WIDTHS, needs_chromium, started_browser
from scored_runs import DOCUMENTS, paged_run, two_runs
from tiny_model import Trained

from fieldsmith.report.comparison import compare
from fieldsmith.report.page import render
from fieldsmith.report.scored_run import read_scored_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def file(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    ours, theirs, data = two_runs(trained.run, folder)
    sides = read_scored_run(ours, data=data), read_scored_run(theirs, data=data)
    file = folder / "report.html"
    file.write_text(render(sides[0], compare(*sides)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as browser:
        yield browser


def opened(browser: Browser, file: Path, width: int = 1280, scheme: Any = "light") -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(file.as_uri())
    return page


def names(page: Page) -> list[str]:
    """Return the ids of the documents that are shown, in order."""
    found: list[str] = page.locator("article:visible .name").all_text_contents()
    return found


def test_filters_show_the_documents_that_fit(browser: Browser, file: Path) -> None:
    page = opened(browser, file)
    everything = {identifier for identifier, *_rest in DOCUMENTS}
    assert set(names(page)) == everything
    page.select_option("#kind", "split")
    assert names(page) == ["pieces"]
    assert page.inner_text("#shown") == "1 of 6 documents shown"
    page.select_option("#kind", "missing")
    page.select_option("#field", label="diseases")
    assert names(page) == ["unread"]
    page.select_option("#field", label="chemicals")
    assert set(names(page)) == {"wrong", "unread", DOCUMENTS[3][0]}
    page.get_by_role("button", name="Reset").click()
    # Not wait_for_function, which evaluates a string where it has to wait: the page forbids that.
    playwright.expect(page.locator("#shown")).to_have_text("6 of 6 documents shown")
    page.fill("#query", "HELPED")
    assert names(page) == ["wrong"]
    page.fill("#query", "")
    page.select_option("#change", "better")
    assert names(page) == ["right"]
    page.select_option("#change", "worse")
    assert names(page) == []
    page.select_option("#change", "")
    page.select_option("#order", "place")
    assert names(page) == [identifier for identifier, *_rest in DOCUMENTS]
    page.select_option("#order", "f1")
    assert names(page)[-1] in ("right", "silent")
    page.context.close()


def test_a_chosen_field_marks_its_own_spans(browser: Browser, file: Path) -> None:
    page = opened(browser, file)
    page.get_by_role("button", name="Open all").click()
    article = page.locator("article", has_text="Severe chronic")

    def marked() -> set[tuple[str, str]]:
        found = article.locator("mark").evaluate_all(
            "marks => marks.filter(m => m.dataset.kind).map(m => [m.textContent, m.dataset.kind])"
        )
        return {(text, kind) for text, kind in found}

    assert {("chronic", "split"), ("lithium", "merged")} <= marked()
    page.select_option("#field", label="diseases")
    assert {kind for _text, kind in marked()} == {"split"}
    rows = article.locator("tbody tr:visible td:nth-child(2)").all_text_contents()
    assert rows == ["diseases"]
    page.get_by_role("button", name="Close all").click()
    assert page.locator("article details[open]").count() == 0
    page.context.close()


def test_a_link_opens_its_document(browser: Browser, file: Path) -> None:
    page = opened(browser, file)
    page.select_option("#kind", "missing")
    page.locator("#against").get_by_role("link", name="right").click()
    page.locator("article:has(details[open])").wait_for()
    assert page.locator("article:has(details[open]) .name").all_text_contents() == ["right"]
    assert "right" in names(page)
    page.context.close()


def test_the_page_reaches_nothing_and_runs_nothing_of_a_document(
    browser: Browser, file: Path
) -> None:
    context = browser.new_context(offline=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    asked: list[str] = []
    told: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto(file.as_uri())
    page.get_by_role("button", name="Open all").click()
    assert asked == [file.as_uri()]
    assert told == []
    assert page.evaluate("window.broken") is None
    # The policy is not only written down: what is put into the page does not run or load.
    with page.expect_event("requestfailed") as failed:
        page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.broken = true";
                document.body.append(script);
                const image = document.createElement("img");
                image.src = "https://example.org/x.png";
                document.body.append(image);
            }"""
        )
    assert failed.value.failure == "csp"
    assert page.evaluate("window.broken") is None
    assert any("Content Security Policy" in line for line in told)
    context.close()


def test_pages_of_a_pdf_have_frames_that_can_be_filtered(
    browser: Browser, trained: Trained, tmp_path: Path
) -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    run, data, _drawings = paged_run(trained.run, tmp_path)
    file = tmp_path / "report.html"
    file.write_text(render(read_scored_run(run, data=data)), encoding="utf-8")
    page = opened(browser, file, scheme="dark")
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.reload()
    page.get_by_role("button", name="Open all").click()
    assert told == [], "the policy lets the pictures in"
    drawn = page.locator("article", has_text="right.pdf").locator("svg")
    assert drawn.count() == 1
    whole, frame = drawn.bounding_box(), drawn.locator("rect").first.bounding_box()
    assert whole is not None
    assert frame is not None
    # The line is drawn at 100 of 595 points from the left, 142 of 842 from above.
    assert (frame["x"] - whole["x"]) / whole["width"] == pytest.approx(100 / 595, abs=0.01)
    assert (frame["y"] - whole["y"]) / whole["height"] == pytest.approx(133 / 842, abs=0.01)
    page.select_option("#field", label="diseases")
    shown = page.locator("article", has_text="wrong.pdf").locator("rect:not([data-kind=''])")
    assert set(shown.evaluate_all("all => all.map(one => one.dataset.kind)")) == {"wrong"}
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing").Axe
    found = axe().run(page).response
    assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]] == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=list(WIDTHS))
def test_axe_finds_nothing_to_mend(browser: Browser, file: Path, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing").Axe
    page = opened(browser, file, width, scheme)
    page.get_by_role("button", name="Open all").click()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = axe().run(page).response
    assert found["testEngine"]["name"] == "axe-core"
    assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]] == []
    # Nothing stands beyond the edge: what is wider scrolls by itself.
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.context.close()


def test_without_scripts_everything_is_shown(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(file.as_uri())
    assert len(names(page)) == len(DOCUMENTS)
    assert page.locator("#filters").is_hidden()
    context.close()
