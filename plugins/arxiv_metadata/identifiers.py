"""Find and normalise arXiv ids and DOIs.

An id is new ("0704.0191", "2104.06608v2") or old ("cs/9809018", "math.GT/0309136v1"). On a page it
is "arXiv:0704.0191v2 [hep-ph]"; a record holds "0704.0191v2", as printed there.
(arXiv, "Understanding the arXiv identifier"; DOI Handbook, section 3.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import fieldsmith

Span = tuple[int, int]

_ARCHIVES = (
    "acc-phys|adap-org|alg-geom|ao-sci|astro-ph|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg|comp-gas|"
    "cond-mat|cs|dg-ga|eess|econ|funct-an|gr-qc|hep-ex|hep-lat|hep-ph|hep-th|math|math-ph|mtrl-th|"
    "nlin|nucl-ex|nucl-th|patt-sol|physics|plasm-ph|q-alg|q-bio|q-fin|quant-ph|solv-int|stat|supr-con"
)
_OLD = rf"(?P<archive>{_ARCHIVES})(?:\.[A-Za-z-]{{2,8}})?/(?P<number>\d{{7}})"
_NEW = r"\d{4}\.\d{4,5}"
_ID = re.compile(rf"(?:{_OLD}|(?P<new>{_NEW}))(?P<version>v\d{{1,3}})?", re.IGNORECASE)
# Without "arXiv" before it, a new id looks like any other number ("1200.5000").
_ID_IN_TEXT = re.compile(
    rf"(?:(?<![\w/.-])(?:{_OLD})|(?:arxiv\s*:\s*|arxiv\.org/(?:abs|pdf)/){_NEW})(?:v\d{{1,3}})?(?!\w)",
    re.IGNORECASE,
)
_BEFORE_ID = re.compile(
    r"(?:https?://)?(?:[a-z]+\.)?arxiv\.org/(?:abs|pdf|html|format|src)/|arxiv\s*[:._]?\s*",
    re.IGNORECASE,
)

# A DOI may contain any character; these are the ones that Crossref's own pattern allows.
_DOI_IN_TEXT = re.compile(r"(?<![\w.])10\.\d{4,9}/[-._;()/:<>\[\]#+\w]{1,500}", re.IGNORECASE)
_BEFORE_DOI = re.compile(
    r"(?:https?://)?(?:dx\.)?doi\.org/|doi\s*[:=]?\s*|https?://[\w.-]+/(?:doi/)?(?=10\.)",
    re.IGNORECASE,
)
_LONGEST = 2000
"""Length in characters from which a text is not parsed as an identifier."""
_AFTER_DOI = ".,;:'\"’”*†‡"
_BRACKETS = {")": "(", "]": "[", ">": "<"}


def normal_id(text: str) -> str:
    """Return the id of an arXiv paper without prefix, subject class and version, in lower case.

    A text that is not an arXiv id is returned in lower case without white space.

    >>> normal_id("https://arxiv.org/abs/math.GT/0309136v2")
    'math/0309136'
    >>> normal_id("arXiv:0704.0191v2 [hep-ph]")
    '0704.0191'
    """
    bare = _without(_BEFORE_ID, text.strip()) if len(text) < _LONGEST else text
    found = _ID.match(bare)
    if found is None or re.match(r"\w", bare[found.end() :]):
        return "".join(bare.lower().split())
    return _normal(found)


def printed_id(text: str) -> str | None:
    """Return the arXiv id of a text with its version, without prefix; None if it has none.

    >>> printed_id("http://arxiv.org/abs/0704.0191v2"), printed_id("arXiv preprint cs/9809018")
    ('0704.0191v2', 'cs/9809018')
    """
    bare = _without(_BEFORE_ID, text.strip()) if len(text) < _LONGEST else ""
    found = _ID.match(bare)
    if found and not re.match(r"\w", bare[found.end() :]):
        return found[0]
    span = next(ids(text[:_LONGEST]), None)
    return text[slice(*span)] if span else None


def normal_doi(text: str) -> str:
    """Return a DOI in lower case, without prefix, white space and trailing punctuation.

    >>> normal_doi("DOI: https://doi.org/10.1371/JOURNAL. pone.0210125.")
    '10.1371/journal.pone.0210125'
    """
    bare = "".join(fieldsmith.normalise(text, ["dehyphenate"]).split()).lower()
    return _trimmed(_without(_BEFORE_DOI, bare)) if len(bare) < _LONGEST else bare


def ids(text: str) -> Iterator[Span]:
    """Yield the span of each arXiv id in a text: with its version, without "arXiv:"."""
    for found in _ID_IN_TEXT.finditer(text):
        inside = _ID.search(text, found.start(), found.end())
        if inside:
            yield inside.span()


def dois(text: str) -> Iterator[Span]:
    """Yield the span of each DOI in a text, without prefix and trailing punctuation."""
    for found in _DOI_IN_TEXT.finditer(text):
        start = found.start()
        yield start, start + len(_trimmed(found[0]))


def occurrences(
    value: str,
    text: str,
    find: Callable[[str], Iterator[Span]],
    normal: Callable[[str], str],
) -> list[Span]:
    """Return the spans of an identifier in a text, in any spelling.

    Args:
        value: the identifier.
        text: the text to search.
        find: yields the spans of all identifiers of the kind: ``ids`` or ``dois``.
        normal: returns the normal form of one: ``normal_id`` or ``normal_doi``.
    """
    wanted = normal(value)
    return [(start, end) for start, end in find(text) if normal(text[start:end]) == wanted]


def id_of_file(name: str) -> str | None:
    """Return the normalised arXiv id in a file's name without suffix; None if there is none.

    A file name cannot contain the slash of an old id: "hep-th_9901001", "hep-th9901001" and a
    folder "hep-th/9901001" are recognised.
    """
    bare = _without(_BEFORE_ID, name)
    slashed = re.sub(rf"({_ARCHIVES})(\.[A-Za-z-]{{2,8}})?[_+-]?(?=\d{{7}})", r"\1/", bare, count=1)
    found = _ID.fullmatch(slashed) or _ID.fullmatch(bare)
    return _normal(found) if found else None


def _normal(found: re.Match[str]) -> str:
    return found["new"] or f"{found['archive']}/{found['number']}".lower()


def _without(prefix: re.Pattern[str], text: str) -> str:
    """Return a text without a prefix, which may be repeated ("DOI: https://doi.org/…")."""
    while (found := prefix.match(text)) and found.end():
        text = text[found.end() :]
    return text


def _trimmed(doi: str) -> str:
    """Return a DOI without trailing punctuation that is not part of it."""
    while doi and (
        doi[-1] in _AFTER_DOI
        or (doi[-1] in _BRACKETS and doi.count(doi[-1]) > doi.count(_BRACKETS[doi[-1]]))
    ):
        doi = doi[:-1]
    return doi
