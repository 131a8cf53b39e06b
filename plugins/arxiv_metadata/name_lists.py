"""Read lists of authors, whose entries may be "Family, Given" or hold several persons.

::

    ["Oke, Ann B.", "van der Li, Bo"]       OAI, Dublin Core
    "Oke, Ann B.; van der Li, Bo"           ADS, spreadsheets
    "Oke, Ann B. and van der Li, Bo"        BibTeX
    ["Ann B. Oke and Bo van der Li"]        a by-line

are all Ann B. Oke and Bo van der Li.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from . import names

_AND = re.compile(r"\s+(?:and|AND|&)\s+")
_OTHERS = re.compile(r"\s+and\s+others\s*\Z")
_LONGEST = 200
"""Length in characters from which an entry is no name of one person."""

_MOST_WORDS = 5


def people(authors: Iterable[str], text: str = "") -> list[str]:
    """Return the persons of a list, first names first; an entry of another form stays as it is.

    Args:
        authors: the entries of the list.
        text: a name that it has as it is given is not turned.

    >>> people(["Oke, Ann B.; García Márquez, Gabriel", "Ann Oke and Bo Li"])
    ['Ann B. Oke', 'Gabriel García Márquez', 'Ann Oke and Bo Li']
    """
    entries = [entry for author in authors for entry in _entries(author)]
    pairs = [_family_and_given(entry) for entry in entries]
    # If all may be turned and one cannot be anything else, all are: "Oke Mo, Ann Jo".
    all_alike = all(pairs) and any(pair and _is_turned(*pair) for pair in pairs)
    return [
        f"{pair[1]} {pair[0]}"
        if pair and (all_alike or _is_turned(*pair)) and entry not in text
        else entry
        for entry, pair in zip(entries, pairs, strict=True)
    ]


def clean_all(authors: Iterable[str]) -> list[str]:
    """Return the clean names of a list of authors: no marks and degrees, first names first."""
    found: list[str] = []
    for person in people(authors):
        # An entry without a name is kept, so that it counts as a wrong answer.
        found += names.split(person) or [" ".join(person.split())]
    return found


def _entries(author: str) -> list[str]:
    """Return the parts of an entry that semicolons, or BibTeX's "and", separate."""
    parts = [part.strip() for part in author.split(";") if part.strip()]
    found: list[str] = []
    for part in parts or [author.strip()]:
        part = _OTHERS.sub("", part)
        persons = _AND.split(part)
        pairs = [_family_and_given(each) for each in persons]
        # "Oke, Ann and Li, Bo" has two of one kind; "Ann Oke, Bo Li and Jan Mo" is a by-line.
        is_bibtex = len(persons) > 1 and any(pair and _is_turned(*pair) for pair in pairs)
        found += persons if is_bibtex and all(pairs) else [part]
    return found


def _family_and_given(entry: str) -> tuple[str, str] | None:
    """Return the two parts of "Family, Given" or "Family, Jr., Given", if they can be names."""
    if len(entry) > _LONGEST or _AND.search(entry):
        return None
    parts = [" ".join(part.split()) for part in entry.split(",")]
    parts = [part for part in parts if not names.is_suffix(part)]
    if len(parts) != 2 or not all(_can_be_names(part) for part in parts):
        return None
    return parts[0], parts[1]


def _can_be_names(part: str) -> bool:
    words = part.split()
    return (
        0 < len(words) <= _MOST_WORDS
        and not any(character.isdigit() or character in "@()[]{}/:&" for character in part)
        and all(any(map(str.isalpha, word)) for word in words)
        and not all(map(names.is_degree, words))
    )


def _is_turned(family: str, given: str) -> bool:
    """Return whether two parts can only be a family name and given names, not two persons."""
    if names.is_unspaced(family) and names.is_unspaced(given):
        return False
    if names.is_family_name(family) or names.are_initials(given):
        return True
    # "García Márquez, Gabriel", but not "Ann Oke, FRS" with a degree that is not known.
    return len(given.split()) == 1 and (not given.isupper() or family.isupper())
