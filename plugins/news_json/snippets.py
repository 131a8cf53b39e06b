"""Normalise snippets of a page: remove ellipses, and find the snippet in the page's text."""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from array import array

_ELLIPSES = re.compile(r"(?:\s|[\[\]]?(?:…|\.{3,})[\[\]]?)*")

_ALIKE = dict.fromkeys("’‘ʼ", "'") | dict.fromkeys("“”„", '"') | dict.fromkeys("‐‑–—", "-")

INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Soft hyphens, zero-width characters, and marks of the writing direction."""

# Thai to Khmer, and Chinese and Japanese: between their words there is no space.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def one_line(text: str) -> str:
    """Return a text with each run of white space as a single space."""
    return " ".join(text.split())


def digest(text: str) -> str:
    """Return the SHA-256 of a text in hex; lone surrogates from JSON are allowed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def uncut(snippet: str) -> str:
    """Return a snippet without the ellipses at its ends.

    >>> uncut("... a record of 2.803 points ...")
    'a record of 2.803 points'
    """
    for _end in range(2):  # reversed for the end: a match at the beginning takes linear time
        snippet = snippet[::-1]
        snippet = snippet[_prefix(snippet) :]
    return snippet


def _prefix(text: str) -> int:
    found = _ELLIPSES.match(text)
    return found.end() if found else 0


def find_in_text(text: str, value: str) -> str | None:
    """Return a value as a text writes it, or None if it is not in the text.

    White space, case, the kinds of quotes and dashes, how accents are encoded and invisible
    characters may differ. The match must begin and end at word boundaries.
    """
    folded, starts, ends = (_folded_page if len(text) > _PAGE else _folded)(text)
    sought = _folded(value)[0].strip()
    at = folded.find(sought) if sought else -1
    while at >= 0:
        start, end = starts[at], ends[at + len(sought) - 1]
        if not (_joined(text, start) or _joined(text, end)):
            return text[start:end]
        at = folded.find(sought, at + len(sought))
    return None


def _folded(text: str) -> tuple[str, array[int], array[int]]:
    """Return a text in normal form, and where each of its characters begins and ends in it."""
    kept: list[str] = []
    starts, ends = array("q"), array("q")
    for at, character in enumerate(text):
        if kept and unicodedata.combining(character):
            whole = unicodedata.normalize("NFC", kept[-1] + character)
            if len(whole) == 1:
                kept[-1], ends[-1] = whole, at + 1
                continue
        if character > "\x7f" and INVISIBLE.match(character):
            continue
        lower = character.lower()
        plain = " " if character.isspace() else _ALIKE.get(character, lower)
        if plain != " " or kept[-1:] != [" "]:
            kept.append(plain if len(plain) == 1 else character)
            starts.append(at)
            ends.append(at + 1)
    return "".join(kept), starts, ends


_PAGE = 2000
_folded_page = functools.lru_cache(maxsize=2)(_folded)
"""The last long texts are kept: many values are looked for in a page, or its article."""


def _joined(text: str, at: int) -> bool:
    """Return whether an offset is inside of a word."""
    pair = text[at - 1 : at + 1] if at else ""
    return len(pair) == 2 and pair.isalnum() and not _UNSPACED.search(pair)
