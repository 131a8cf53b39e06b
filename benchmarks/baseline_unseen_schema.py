"""A baseline for the small print of first pages: patterns and typical words of institutes.

A line that holds "University" or the like is an affiliation up to the last such word's comma, and
what follows on it, or on the next line where that one ends in nothing else, is its address.
"""

from __future__ import annotations

import re

from fieldsmith import Record

_EMAIL = re.compile(r"\{[^{}@]+\}\s?@\s?[\w.-]+\.\w+|[\w.+-]+@[\w.-]+\.\w+")
_INSTITUTE = re.compile(
    r"(?i)universi|institut|departe?ment|d[eé]partement|laborator|\bschool\b|\bcent(?:re|er)\b|"
    r"college|hospital|facult|academy|\binc\b|\bdivision\b|research"
)
_KEYWORDS = re.compile(r"(?im)^(?:key ?-?words?(?: and phrases)?|index terms)\b\s*[:.—–-]*\s*(.+)$")
_CODES = re.compile(r"(?m)^.*\bPACS\b.*$")
_SUBMITTED = re.compile(r"(?i)\b(?:received|submitted|revised|accepted)\b[^()\n]*\d{4}")
_RIGHTS = re.compile(r"(?im)^.*(?:©|\(c\)|\bcopyright\b|all rights reserved|creative commons).*$")
_CITATION = re.compile(
    r"(?im)^.*(?:\bvol(?:ume)?\b\.?|\bjournal\b|\bproc(?:eedings)?\b|\breview\b|\blett\b).*\d{4}.*$"
)


def predict(text: str) -> Record:
    """Return the record that the patterns find in a page without title, authors and abstract."""
    keywords = [found[1] for found in _KEYWORDS.finditer(text)]
    codes = [found[0] for found in _CODES.finditer(text)]
    rights = [found[0] for found in _RIGHTS.finditer(text)]
    citations = [found[0] for found in _CITATION.finditer(text) if found[0] not in rights]
    affiliations, addresses = _institutes(text.split("\n"), {*keywords, *rights, *citations})
    return {
        "affiliations": _distinct(affiliations),
        "addresses": _distinct(addresses),
        "emails": _distinct(_EMAIL.findall(text)),
        "keywords": _distinct([*keywords, *codes]),
        "citations": _distinct(citations),
        "submissions": _distinct(_SUBMITTED.findall(text)),
        "copyrights": _distinct(rights),
    }


def _institutes(lines: list[str], others: set[str]) -> tuple[list[str], list[str]]:
    affiliations, addresses = [], []
    unfinished = False  # whether the line before was an affiliation with no address on it
    for line in lines:
        parts = re.split(r"(?<=[,;])\s+", line.strip())
        named = [at for at, part in enumerate(parts) if _INSTITUTE.search(part)]
        if line in others or _EMAIL.search(line):
            unfinished = False
        elif named:
            affiliations.append(" ".join(parts[: named[-1] + 1]))
            addresses += [" ".join(parts[named[-1] + 1 :])] if parts[named[-1] + 1 :] else []
            unfinished = not parts[named[-1] + 1 :]
        else:
            addresses += [line.strip()] if unfinished else []
            unfinished = False
    return affiliations, addresses


def _distinct(found: list[str]) -> list[str]:
    return list(dict.fromkeys(text for each in found if (text := each.strip())))
