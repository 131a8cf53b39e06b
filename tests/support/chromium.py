"""Debian's chromium, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium")
WIDTHS = {"phone": 390, "desktop": 1280}
PATIENCE = 120_000
"""Milliseconds; other work may run beside the tests."""

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Provide a browser for as long as the context lasts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=list(_ARGUMENTS), timeout=PATIENCE
        )
        yield browser
        browser.close()
