"""docs/troubleshooting.md quotes messages that the program has."""

from __future__ import annotations

import re

from messages import texts
from paths import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"


def quoted() -> list[str]:
    """Return the first cells of the page's tables."""
    return re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_each_quoted_message_is_in_the_source() -> None:
    known = [text for file in sorted(ROOT.glob("core/**/*.py")) for text in texts(file)]
    known.append((ROOT / "Makefile").read_text(encoding="utf-8"))
    messages = quoted()
    assert len(messages) > 50
    assert [each for each in messages if not any(each in text for text in known)] == []


def test_each_row_quotes_another_message() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    heads = [row for row in rows if row.startswith(("| message ", "|---"))]
    messages = quoted()
    assert len(rows) - len(heads) == len(messages) == len(set(messages))
