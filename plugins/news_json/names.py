"""Canonical names of countries and languages, by the codes and names that sources use."""

from __future__ import annotations

import functools
import json
import unicodedata
from pathlib import Path

_FILE = Path(__file__).parent / "names.json"


def country(given: str) -> str | None:
    """Return the canonical name of a country for a code (ISO 3166-1) or a name of it.

    >>> country("de"), country("USA"), country("Korea (the Republic of)"), country("Atlantis")
    ('Germany', 'United States', 'South Korea', None)
    """
    return _names("countries").get(_folded(given))


def language(given: str) -> str | None:
    """Return the canonical name of a language for a tag (BCP 47, ISO 639) or a name of it.

    >>> language("en-US"), language("nb"), language("Deutsch"), language("tlh")
    ('English', 'Norwegian', 'German', None)
    """
    known = _names("languages")
    tag = given.strip().replace("_", "-").split("-")[0]
    return known.get(_folded(given)) or known.get(_folded(tag))


@functools.cache
def _names(kind: str) -> dict[str, str]:
    """Return the canonical name by normalised spelling."""
    spellings: dict[str, list[str]] = json.loads(_FILE.read_text(encoding="utf-8"))[kind]
    found = {_folded(name): name for name in spellings}
    for name, others in spellings.items():
        found |= {_folded(other): name for other in others}
    return found


def _folded(name: str) -> str:
    """Return a name without case, accents, punctuation and "the"."""
    plain = name.casefold().replace("(the)", " ").replace("&", " and ").removeprefix("the ")
    letters = (
        character if character.isalnum() else " "
        for character in unicodedata.normalize("NFKD", plain)
        if not unicodedata.combining(character)
    )
    return " ".join("".join(letters).split())
