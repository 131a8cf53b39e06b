"""Pieces of a page's text: without the ellipses at their ends, and as the page writes them."""

from __future__ import annotations

import functools
import hashlib
import re
from array import array

_ELLIPSES = re.compile(r"(?:\s|[\[\]]?(?:…|\.{3,})[\[\]]?)*")

_ALIKE = dict.fromkeys("’‘ʼ", "'") | dict.fromkeys("“”„", '"') | dict.fromkeys("‐‑–—", "-")

# Thai to Khmer, and Chinese and Japanese: between their words there is no space.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def one_line(text: str) -> str:
    """Return a text on one line, its runs of white space as single spaces."""
    return " ".join(text.split())


def digest(text: str) -> str:
    """Return hex digits that stand for a text, whatever JSON has spelt in it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def uncut(snippet: str) -> str:
    """Return a snippet without the ellipses that say where it was cut.

    >>> uncut("... a record of 2.803 points ...")
    'a record of 2.803 points'
    """
    for _end in range(2):  # backwards, then forwards again: a match at the beginning is linear
        snippet = snippet[::-1]
        snippet = snippet[_prefix(snippet) :]
    return snippet


def _prefix(text: str) -> int:
    found = _ELLIPSES.match(text)
    return found.end() if found else 0


def standing(text: str, value: str) -> str | None:
    """Return a value as a text writes it, or None where it does not.

    White space, case and the kinds of quotes and dashes may differ; it must begin and end at the
    border of a word.
    """
    folded, places = _folded(text)
    sought = _folded(value)[0].strip()
    at = folded.find(sought) if sought else -1
    while at >= 0:
        start, end = places[at], places[at + len(sought) - 1] + 1
        if not (_joined(text, start) or _joined(text, end)):
            return text[start:end]
        at = folded.find(sought, at + len(sought))
    return None


@functools.lru_cache(maxsize=2)
def _folded(text: str) -> tuple[str, array[int]]:
    """Return a text in which what may differ is the same, and where each character is from."""
    kept: list[str] = []
    places = array("q")
    for at, character in enumerate(text):
        lower = character.lower()
        plain = " " if character.isspace() else _ALIKE.get(character, lower)
        if plain != " " or kept[-1:] != [" "]:
            kept.append(plain if len(plain) == 1 else character)
            places.append(at)
    return "".join(kept), places


def _joined(text: str, at: int) -> bool:
    """Say whether an offset is inside a word."""
    pair = text[at - 1 : at + 1] if at else ""
    return len(pair) == 2 and pair.isalnum() and not _UNSPACED.search(pair)
