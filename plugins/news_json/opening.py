"""Find the opening of a page's article: its standfirst or the beginning of its first paragraph."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import layout
from .snippets import find_in_text, one_line

LONGEST = 500
"""Length limit of an opening in characters; it ends with a sentence."""

_TRIED = 50
"""So many lines of an extracted article are looked at, so that a page of links takes no time."""

_LEAST, _LEAST_SENTENCE = 40, 12
"""Least width of a line of the article, and of one that ends a sentence; Chinese counts double."""

_SENTENCE_END = re.compile(r"[.!?…؟۔।॥。！？][\"'”’»«“)\]」』）]*\Z")
_CLOCK = re.compile(r"\b\d{1,2}[:.h]\d\d\b|\b(?:19|20)\d\d\b|\d{1,2}[./]\d{1,2}[./]")
_CAPTION = re.compile(
    r"(?i)\b(?:bild|foto|photo|image|picture|credit|quelle|grafik)s?\s*(?:by)?[:©/]"
)
_NAME = re.compile(
    r"[A-ZÀ-ÞА-Я][^\W\d_]*\.?(?:[ -][A-ZÀ-ÞА-Я]\.?)*[ -][A-ZÀ-ÞА-Я][^\W\d_]+\s*(?:[,.|]|\Z)"
)
"""A name of two words or more, and nothing behind it but a comma or the like."""

_BY_LINE_WIDTH = 100
_NOT_THE_ARTICLE = re.compile(
    r"(?i)(?:please )?(?:subscribe|sign (?:in|up)|log ?in|register|create an account|enable java|"
    r"already a (?:subscriber|member)|to (?:continue|read on|keep reading)|continue reading|"
    r"this (?:article|content|story) is (?:only|for|available|reserved)|"
    r"we (?:use|value|and our)\b.{0,40}(?:cookies|privacy)|this (?:site|website) uses cookies|"
    r"copyright|©|all rights reserved|"
    r"jetzt (?:abonnieren|anmelden|registrieren|weiterlesen|testen)|weiterlesen mit|"
    r"(?:bitte )?(?:melden sie sich an|anmelden|registrieren)|dieser (?:artikel|inhalt) ist|"
    r"abonnez|s['’]abonner|connectez|cet article est réservé|la suite de cet article|"
    r"suscr[ií]b|inicia sesión|contenido exclusivo|abbonati|accedi|contenuto riservato|"
    r"assine|faça login|conteúdo exclusivo|abonneer|log in om|prenumerera|logga in|"
    r"подпи(?:ш|с)|войдите|zaloguj|subskryb|abone ol|订阅|登录|登入|登録|ログイン|구독|로그인)"
)


@dataclass(frozen=True)
class _Page:
    """What tells the lines of an article from those above it.

    Attributes:
        titles: letters of the headline, of the page's title and of its main headings.
        authors: names of the authors.
    """

    titles: frozenset[str]
    authors: Sequence[str]


def opening(
    text: str,
    *,
    description: str | None,
    paragraphs: Iterable[str],
    titles: Iterable[str],
    authors: Sequence[str],
) -> str | None:
    """Return the opening as the page writes it; None if it cannot be told for sure.

    Args:
        text: the visible text of the page.
        description: of the page's metadata: the standfirst, if the page shows it.
        paragraphs: the lines of the article, as an extractor of main texts finds them.
        titles: forms of the headline, the page's title and its main headings.
        authors: the names of the authors.
    """
    page = _Page(frozenset(filter(None, map(_letters, titles))), authors)
    start = _headline_end(text, page)  # above it the site speaks of itself
    below = text[start:]
    tried = itertools.islice(filter(None, paragraphs), _TRIED)
    found = (_of_candidate(text, start, line, page) for line in tried)
    first = next(filter(None, found), None)
    standfirst = _of_candidate(text, start, description, page) if description else None
    if standfirst and first and below.find(standfirst) > below.find(first):
        standfirst = None  # of another article, or of the site
    return standfirst or first or _below_the_headline(text, page)


def first_sentences(text: str, limit: int = LONGEST) -> str:
    """Return a text, or the sentences at its beginning that fit a limit: at least one.

    A first sentence of more than twice the limit is cut at a word.
    """
    if len(text) <= limit:
        return text
    from sentencex import segment

    found = ""
    for sentence in segment("en", text[: 4 * limit]):
        if found and len(found + sentence.rstrip()) > limit:
            break
        found += sentence
    if len(found) > 2 * limit:
        found = found[:limit].rpartition(" ")[0] or found[:limit]
    return found.rstrip()


def _of_candidate(text: str, start: int, candidate: str, page: _Page) -> str | None:
    """Return the opening inside of a candidate, which may hold headline and by-line as well.

    Args:
        text: the visible text of the page.
        start: where the text below the headline begins.
        candidate: a paragraph, or several, or a part of one.
        page: what is no opening.
    """
    if len(candidate) > 4 * LONGEST:
        candidate = candidate[: 4 * LONGEST].rpartition(" ")[0] or candidate[: 4 * LONGEST]
    below = text[start:]
    found = find_in_text(below, candidate)
    if not found and start and (whole := find_in_text(text, candidate)):
        found = text[start : text.find(whole) + len(whole)]  # it begins with the headline
    if not found:
        return None
    rest = below[below.find(found) + len(found) :].partition("\n")[0]
    if not _SENTENCE_END.search(found) and rest:
        found += _sentence_rest(rest)
    return _first_of_article(found.split("\n"), page)


def _sentence_rest(rest: str) -> str:
    """Return what belongs to the sentence that is cut where ``rest`` begins."""
    from sentencex import segment

    return next(iter(segment("en", rest[:LONGEST])), "").rstrip()


def _first_of_article(lines: Sequence[str], page: _Page) -> str | None:
    """Return the first lines of an article up to the end of a sentence, bounded."""
    for number, line in enumerate(lines):
        body = _without_headline(line, page)
        if body is None or not _is_of_article(body, page):
            continue
        parts = [body]
        for more in lines[number + 1 :]:
            if _SENTENCE_END.search(parts[-1]) or sum(map(len, parts)) > LONGEST:
                break
            if _is_apart(more, page):
                break
            parts.append(more)
        return first_sentences("\n".join(parts))
    return None


def _without_headline(line: str, page: _Page) -> str | None:
    """Return a line without headline and by-line before it on the same line; None if unsure."""
    for headline in page.titles:
        letters, end = "", 0
        for end, character in enumerate(line):  # noqa: B007 - the end is needed after it
            if letters == headline:
                break
            letters += _letters(character)
        if letters != headline or line[end : end + 1].isalnum() or not line[end:].strip():
            continue
        rest = line[end:].strip()
        if not _has_author(rest[:_BY_LINE_WIDTH], page):
            return rest
        name = find_in_text(layout.without_by(rest), page.authors[0])
        bare = layout.without_by(rest)
        return bare[len(name) :].strip() if name and bare.startswith(name) else None
    return line


def _is_of_article(line: str, page: _Page) -> bool:
    """Return whether a line can begin an article: a sentence, or long and nothing else."""
    if _is_apart(line, page):
        return False
    if _SENTENCE_END.search(line):
        return _width(line) >= _LEAST_SENTENCE and (" " in line or _width(line) > len(line))
    return _width(line) >= _LEAST


def _is_apart(line: str, page: _Page) -> bool:
    """Return whether a line is a title, a by-line, a date, a caption or a call to action."""
    ends, letters = bool(_SENTENCE_END.search(line)), _letters(line)
    if not letters or any(_is_title(letters, known, ends) for known in page.titles):
        return True
    if _NOT_THE_ARTICLE.match(line) or _is_by_line(line, page, ends):
        return True
    has_date = bool(_CLOCK.search(line)) and _width(line) < (_LEAST if ends else 2 * _LEAST)
    return has_date or (not ends and bool(_CAPTION.search(line)))


def _is_title(letters: str, known: str, ends: bool) -> bool:
    """Return whether a line is a title, a part of one, or one with a few words around it."""
    return letters in known or (known in letters and len(letters) < len(known) + 20 and not ends)


def _is_by_line(line: str, page: _Page, ends: bool) -> bool:
    bare = layout.without_by(line)
    if bare != line and _NAME.match(bare) and _width(line) < _BY_LINE_WIDTH:
        return True
    if bare != line and _has_author(bare[:_BY_LINE_WIDTH], page):
        return _letters(bare).startswith(tuple(map(_letters, page.authors)))
    return _has_author(line, page) and _width(line) < _BY_LINE_WIDTH and not ends


def _has_author(line: str, page: _Page) -> bool:
    return any(find_in_text(line, name) for name in page.authors)


def _headline_end(text: str, page: _Page) -> int:
    """Return where the headline ends that stands on a line of its own; 0 if none does."""
    at = 0
    for number, line in enumerate(text.split("\n")):
        at += len(line) + 1
        if number and _letters(line) in page.titles:  # the first line is the page's title
            return at
    return 0


def _below_the_headline(text: str, page: _Page) -> str | None:
    """Return the first sentence that stands below the headline, if the extractor found nothing."""
    start = _headline_end(text, page)
    lines = text[start:].split("\n") if start else []
    whole = [line for line in lines if _SENTENCE_END.search(line) and _width(line) >= _LEAST]
    return _first_of_article(whole[:1], page)


def _width(line: str) -> int:
    """Return how many columns a line takes: characters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in line[:LONGEST])


def _letters(line: str) -> str:
    """Return the letters and digits of a line in lower case."""
    plain = unicodedata.normalize("NFKC", line[: 4 * LONGEST])
    return "".join(filter(str.isalnum, one_line(plain).casefold()))
