"""Snippets of a page: ellipses are removed, and the rest is found in the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith_news_json.snippets import find_in_text, uncut


@pytest.mark.parametrize(
    ("snippet", "plain"),
    [
        ("... a b ...", "a b"),
        ("…a b…", "a b"),
        ("[...] a b [ …", "a b ["),
        ("[…] a", "a"),
        ("..., Saskatchewan", ", Saskatchewan"),
        ("Ky. (WBKO) - ...", "Ky. (WBKO) -"),
        ("a ... b", "a ... b"),
        ("a.", "a."),
        ("......", ""),
        ("." * 1_000_000 + "x" + " " * 1_000_000, "x"),
    ],
    ids=lambda text: text[:20],
)
def test_ellipses_at_the_ends_go(snippet: str, plain: str) -> None:
    assert uncut(snippet) == plain


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("A  big\nStorm", "big storm", "big\nStorm"),
        ("Carter; Art", "art", "Art"),
        ("‘it’ – x", "'IT' - X", "‘it’ – x"),
        ("嵐が来た。", "来た", "来た"),
        ("Roe2", "Roe", None),
        ("text", "", None),
        ("A" * 1_000_000, "a" * 500_000 + "b", None),
        ("İ\u2028x", "İ X", "İ\u2028x"),
    ],
    ids=lambda text: str(text)[:20],
)
def test_find_in_text(text: str, value: str, found: str | None) -> None:
    assert find_in_text(text, value) == found


@given(st.text(), st.text())
def test_what_is_found_is_a_piece_of_the_text(text: str, value: str) -> None:
    found = find_in_text(text, value)
    assert found is None or found in text
