"""Convert articles to the text of pages, in layouts that depend on a hash of the id.

The parts of a page come in this order. Each choice is made by a hash of ``SEED``, the article's id
and the name of the choice, so it does not depend on the article's position in its source, nor on
the other choices.

1. ``URL: …``, if the article has an address.
2. The name of the site, on a line of its own or as ``HEADLINE | SITE`` (choice "site").
3. A menu of the article's language, on one line or on several ("menu", "menu form").
4. The by-line ("author place": before the headline).
5. A topic, the headline, buttons such as "Print" ("topic", "tools").
6. The by-line (after the headline), the opening, the by-line (after the opening).
7. The other paragraphs, and the by-line (at the end).
8. A menu again, and a last line that may hold the name of the site ("site": foot).

The by-line is worded in several ways ("by"), with a date or the name of the site or without
("date", "site": by-line). An article without author, site or address has no line for it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .instruct import addressed
from .snippets import digest

SEED = "news_json 1"

T = TypeVar("T")


@dataclass(frozen=True)
class Article:
    """The parts of an article, each text on one line; None for a missing part.

    Attributes:
        paragraphs: the opening and the other paragraphs; at least one.
        author: the by-line, without its "By".
        language: name of the language; an unknown one gets English menus.
    """

    id: str
    headline: str | None
    paragraphs: Sequence[str]
    author: str | None = None
    site: str | None = None
    url: str | None = None
    language: str | None = None
    topic: str | None = None
    date: str | None = None


def joined(authors: Sequence[str], language: str | None) -> str:
    """Return names joined as in a by-line of the language: ``A, B and C``."""
    last: str = _words(language)["and"]
    comma = last if last[0] in "、," else ", "
    return last.join([comma.join(authors[:-1]), authors[-1]] if authors[1:] else authors)


def without_by(line: str) -> str:
    """Return a by-line without the words before its names, in any of the languages.

    >>> without_by("By Jane Roe"), without_by("Text: Jane Roe"), without_by("Byron Roe")
    ('Jane Roe', 'Jane Roe', 'Byron Roe')
    """
    found = _before_names().match(line)
    return line[found.end() :] if found else line


def page(article: Article) -> str:
    """Return the text of an article's page."""
    words = _words(article.language)
    site = _chosen(article, "site", ("above", "above", "tab", "by-line", "foot", "foot"))
    place = _chosen(article, "author place", ("before", "after", "after", "opening", "end"))
    menu = _chosen(article, "menu", ("above", "above", "both", "below", "none"))
    tools = _chosen(article, "tools", (0, 0, 1, 2, 3))
    author = _by_line(article, site)
    opening, *others = article.paragraphs
    lines = [
        article.site if site == "above" else None,
        " | ".join(filter(None, (article.headline, article.site))) if site == "tab" else None,
        *(_menu(article, "menu") if menu in ("above", "both") else ()),
        author if place == "before" else None,
        article.topic if _chosen(article, "topic", (True, False)) else None,
        article.headline,
        " ".join(_several(article, "tools", tools)) or None,
        author if place == "after" else None,
        opening,
        author if place == "opening" else None,
        *others,
        author if place == "end" else None,
        *(_menu(article, "foot") if menu in ("below", "both") else ()),
        _last_line(article, words["foot"]) if site in ("foot", "tab") else None,
    ]
    return addressed("\n".join(line for line in lines if line), article.url)


def _by_line(article: Article, site: str) -> str | None:
    """Return the line with author, date and site; None if it has none of them."""
    wording = _chosen(article, "by", _words(article.language)["by"])
    date = article.date if _chosen(article, "date", (True, False)) else None
    parts = (
        wording.format(article.author) if article.author else None,
        article.site if site == "by-line" else None,
        date,
    )
    between = _chosen(article, "between", (" | ", ", ", " · ", " - "))
    return between.join(part for part in parts if part) or None


def _last_line(article: Article, words: Sequence[str]) -> str | None:
    if not article.site:
        return None
    mark = _chosen(article, "mark", ("© {}", "Copyright {}", "{}", "© {} – " + words[0]))
    return mark.format(article.site)


def _menu(article: Article, kind: str) -> list[str]:
    words = _several(article, kind, 2 + _chosen(article, f"{kind} size", range(5)))
    between = _chosen(article, f"{kind} form", (" | ", " ", " · ", "\n"))
    return between.join(words).split("\n")


def _several(article: Article, kind: str, number: int) -> list[str]:
    """Return some words of the article's language, from a chosen position on."""
    words: list[str] = _words(article.language)[kind]
    first = _chosen(article, f"{kind} first", range(len(words)))
    return (words[first:] + words[:first])[:number]


def _chosen(article: Article, name: str, options: Sequence[T]) -> T:
    return options[int(digest(f"{SEED}|{name}|{article.id}")[:12], 16) % len(options)]


def _words(language: str | None) -> dict[str, Any]:
    known = _layouts()
    return known.get(language or "", known["English"])


@functools.cache
def _before_names() -> re.Pattern[str]:
    """Return a pattern of all words that come before names in by-lines."""
    wordings = {
        by.partition("{}")[0].strip() for words in _layouts().values() for by in words["by"]
    }
    longest_first = sorted(filter(None, wordings), key=lambda wording: (-len(wording), wording))
    words = "|".join(r"\s*".join(map(re.escape, wording.split())) for wording in longest_first)
    return re.compile(rf"(?i)(?:{words})(?:(?<=\w)\s+|(?<=\W)\s*)(?=\S)")


@functools.cache
def _layouts() -> dict[str, dict[str, Any]]:
    text = (Path(__file__).parent / "layouts.json").read_text(encoding="utf-8")
    layouts: dict[str, dict[str, Any]] = json.loads(text)
    return layouts
