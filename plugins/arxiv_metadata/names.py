"""Split by-lines into the names of persons, and normalise names.

::

    Ann-Mari van der Oke 1,2*, Bo Li Ph.D.† and
    J. C. A. Santos3 ID [0000-0001-2345-6789]

has three persons: "Ann-Mari van der Oke", "Bo Li" and "J. C. A. Santos".

A name ends at a comma, a semicolon, "and", a mark that points to an affiliation or a footnote, or
the end of a line that holds a whole name. Everything else (marks, degrees, ORCIDs, mail addresses,
text in brackets) is ignored. Names that only spaces separate ("Ann Oke Bo Li") cannot be split, and
are returned as one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

import fieldsmith

Span = tuple[int, int]

_NO_NAME = re.compile(
    r"\([^()\n]{0,200}\)|\[[^\[\]\n]{0,200}\]|\{[^{}\n]{0,200}\}"  # roles, ORCIDs, marks
    r"|\S{1,200}@\S{1,200}|https?://\S+|(?:www\.|orcid\.org/)\S+"
    r"|\d{4}[-\u2010-\u2015\u2212]\d{4}[-\u2010-\u2015\u2212]\d{4}[-\u2010-\u2015\u2212]\d{3}[\dXx]"
    r"|\b(?:ORCID|iD|ID)\b:?"
    r"|\bet\s+al\b\.?"
)
_HYPHENS = "-\u00ad\u2010\u2011\u2012\u2013\u2212"
_INSIDE_WORD = "'’ʼ`´·" + _HYPHENS
_BROKEN_WORD = re.compile(r"[^\S\n]*\n\s*(?=[^\W\d_])")  # the line break after a hyphen
_NEXT_WORD = re.compile(r"\s+[^\W\d_]")
_SEPARATORS = frozenset(",;|&•/،、，；")
_AND = frozenset("and und et och og with by и та і و ja".split())
_PARTICLES = frozenset(
    "af al ap auf av bin bint d da dal dalla das de degli dei del della der di do dos du e el "
    "ibn il in la las le les lo los mac of op ben 't ter ten tot ul van vom von y z zu zum zur "
    "'s v den do".split()
)
_JOINS_TWO_NAMES = frozenset("e i y".split())
_SUFFIXES = frozenset("jr sr ii iii iv".split())
_TITLES = frozenset("dr prof professor mr mrs sir dame dipl dipl-ing herr frau".split())
_DEGREES = frozenset(
    "acm ba bs bsc cbe cmfc dds dmd dphil drph dsc dvm edd facs fcmf fellow frcp frcpc frcs frs "
    "graduate ieee jd life ma mb mba mbbs mbchb mch md member mfa mhs mhsc mph mphil mrcp ms msc "
    "obe pharmd phd rn sc scd senior siam student".split()
)
_NEVER_A_NAME = frozenset(
    "bsc cmfc dphil dvm fcmf frcp frcpc frcs mba mbbs mbchb mhsc mph mphil mrcp msc pharmd phd "
    "scd".split()
)
_DEGREES_AFTER_A_NAME = ("MD", "M.D.", "RN")
_GLUED_ORCID = re.compile(r"(?<=[^\W\d_A-Z])i?ID$")


@dataclass(frozen=True)
class _Token:
    """A token of a by-line: a word of a name, a mark, a separator of names, or a line end."""

    kind: str  # "word", "mark", "separator", "line"
    text: str
    start: int
    end: int


def persons(byline: str) -> list[Span]:
    """Return the span of each person's name in a by-line, in order.

    A digit that follows a name without a space is inside its span, because spans end at word
    boundaries.

    >>> byline = "Bo Li1,*, J. van der Oke and Ann Mo"
    >>> [byline[start:end] for start, end in persons(byline)]
    ['Bo Li1', 'J. van der Oke', 'Ann Mo']
    """
    return [_span(name, byline) for name in _names(byline)]


def split(text: str) -> list[str]:
    """Return the persons in a by-line by clean names: no marks and degrees, single spaces.

    >>> split("VAN DEN OKE2, Jr. and Zoë  Mo-\\nreno †")
    ['VAN DEN OKE', 'Zoë Moreno']
    """
    return [_written(name) for name in _names(fieldsmith.normalise(text, ["dehyphenate"]))]


def key(name: str) -> str:
    """Return the letters of a clean name in lower case, to compare two spellings."""
    return "".join(c for c in name.casefold() if unicodedata.category(c)[0] in "LM")


def same_person(name: str, other: str) -> bool:
    """Return whether two clean names may be of one person: same surname, compatible first names.

    First names are compatible if one has initials of the other or leaves some out: "Stephen
    Fenner" and "S. A. Fenner", but not "Sue Fenner".
    """
    if key(name) == key(other):
        return True
    *first, last = name.split() or [""]
    *other_first, other_last = other.split() or [""]
    if key(last) != key(other_last) or not first or not other_first:
        return False
    pairs = zip(_first_names(first), _first_names(other_first), strict=False)
    return all(a.startswith(b) or b.startswith(a) for a, b in pairs)


def _first_names(words: list[str]) -> list[str]:
    """Return the keys of first names, one by one: "J.-P." is two."""
    parts = re.split(rf"[{_HYPHENS}.\s]+", " ".join(words))
    return [key(part) for part in parts if key(part)]


def is_family_name(text: str) -> bool:
    """Return whether a text can only be a family name: one word, maybe with particles before it."""
    *before, last = text.split() or [""]
    return bool(last) and all(word.lower() in _PARTICLES for word in before)


def are_initials(given: str) -> bool:
    """Return whether given names are initials, maybe with particles behind: "B. van der"."""
    words = given.split()
    while words and words[-1].lower() in _PARTICLES:
        words.pop()
    return bool(words) and all(is_initial(word) and not is_unspaced(word) for word in words)


def is_suffix(word: str) -> bool:
    """Return whether a word is a part of a name that has no place in a list: "Jr.", "III"."""
    return _bare(word) in _SUFFIXES


def _names(byline: str) -> list[list[_Token]]:
    """Return the words of each name."""
    found: list[list[_Token]] = []
    for run in _runs(_tokens(byline)):
        words = _without_degrees(run)
        if _is_initials(words) and found and len(found[-1]) == 1:
            found[-1] += words  # "Oke, A. B."
        elif words and not _is_initials(words):
            found.append(words)
    return found


def _runs(tokens: list[_Token]) -> Iterator[list[_Token]]:
    """Yield the words between two boundaries of names; a run may be empty."""
    run: list[_Token] = []
    for number, token in enumerate(tokens):
        if token.kind == "word":
            run.append(token)
        elif token.kind == "separator" or (
            # A mark or a line's end may also be inside of a name that continues.
            _is_whole(run) and (token.kind == "mark" or _is_whole(_line(tokens, number + 1)))
        ):
            yield run
            run = []
    yield run


def _line(tokens: list[_Token], first: int) -> list[_Token]:
    """Return the consecutive words from a token on."""
    last = first
    while last < len(tokens) and tokens[last].kind == "word":
        last += 1
    return tokens[first:last]


def _is_whole(words: list[_Token]) -> bool:
    """Return whether words can be a name: first name and surname, no particle at either end."""
    if len(words) < 2:
        return bool(words) and is_unspaced(words[0].text)
    inside = words[0].text not in _PARTICLES and words[-1].text not in _PARTICLES
    return inside and not is_initial(words[-1].text) and not _is_initials(words)


def is_unspaced(word: str) -> bool:
    """Return whether a word is in a script that writes names without spaces."""
    name = unicodedata.name(word[0], "")
    return len(word) > 1 and name.startswith(("CJK", "HANGUL", "HIRAGANA", "KATAKANA"))


def is_initial(word: str) -> bool:
    """Return whether a word is initials: "J." and "J.-P." are, "JP" is not."""
    letters = [c for c in word if unicodedata.category(c)[0] == "L"]
    return len(letters) == 1 or bool(re.fullmatch(r"(?:[^\W\d_]\.-?)+", word))


def _is_initials(words: list[_Token]) -> bool:
    return bool(words) and all(
        is_initial(word.text) and not is_unspaced(word.text) for word in words
    )


def _bare(word: str) -> str:
    return word.replace(".", "").lower()


def _without_degrees(run: list[_Token]) -> list[_Token]:
    """Return a name without titles and degrees; empty if there is nothing else."""
    words = list(run)
    if all(_bare(word.text) in _DEGREES | _SUFFIXES | _TITLES for word in words):
        # "Ma" and "Ba" are names as well as degrees; their spelling decides.
        return [] if any(is_degree(word.text) for word in words) or len(words) != 1 else words
    while words and (_bare(words[0].text) in _TITLES | _NEVER_A_NAME):
        words.pop(0)
    while len(words) > 1 and (
        _bare(words[-1].text) in _NEVER_A_NAME | _SUFFIXES
        or words[-1].text in _DEGREES_AFTER_A_NAME
    ):
        words.pop()
    while words and words[-1].text in _PARTICLES:
        words.pop()
    return [*words[:-1], _without_point(words[-1])] if words else []


def _without_point(word: _Token) -> _Token:
    """Return the last word of a name without the full stop of a sentence: "Ohta."."""
    if word.text.endswith(".") and len(word.text) > 3 and "." not in word.text[:-1]:
        return replace(word, text=word.text[:-1], end=word.end - 1)
    return word


def is_degree(word: str) -> bool:
    """Return whether a word is a degree or a title: "Ph.D.", "Prof"."""
    bare = _bare(word)
    long_enough = len(bare) > 2 or word.isupper() or "." in word or bare in _SUFFIXES | _TITLES
    return bare in _DEGREES | _SUFFIXES | _TITLES and long_enough


def _written(words: list[_Token]) -> str:
    """Return a name with first names first and single spaces."""
    texts = [_GLUED_ORCID.sub("", word.text) for word in words]
    if len(words) > 1 and not is_initial(texts[0]) and _is_initials(words[1:]):
        texts = [*texts[1:], texts[0]]  # "Oke, A. B." and "Oke A. B."
    return " ".join(text.rstrip("".join(_INSIDE_WORD)) for text in texts)


def _span(words: list[_Token], byline: str) -> Span:
    """Return the span of a name, with digits that follow it without a space."""
    start, end = words[0].start, words[-1].end
    while end < len(byline) and (byline[end].isalnum() or byline[end] == "_"):
        end += 1
    return start, end


def _tokens(byline: str) -> list[_Token]:
    hidden = _NO_NAME.sub(lambda found: re.sub(r"\S", "*", found[0]), byline)
    tokens: list[_Token] = []
    at = 0
    while at < len(hidden):
        end = _word_end(hidden, at)
        if end > at:
            tokens.append(_word(hidden, at, end, tokens))
            at = end
            continue
        character = hidden[at]
        if character in _SEPARATORS:
            tokens.append(_Token("separator", character, at, at + 1))
        elif character == "\n":
            tokens.append(_Token("line", character, at, at + 1))
        elif not character.isspace():
            tokens.append(_Token("mark", character, at, at + 1))
        at += 1
    return tokens


def _word_end(text: str, at: int) -> int:
    """Return the end of the word that begins at ``at``; ``at`` if no word begins there.

    A word is letters with combining marks, apostrophes and hyphens between, and full stops after
    them.
    """
    end = at
    while end < len(text):
        category = unicodedata.category(text[end])
        follows = end + 1 < len(text) and unicodedata.category(text[end + 1])[0] == "L"
        inside = end > at or text[end] in "'’"
        letter = category[0] == "L" and category != "Lm"
        joined = inside and (category[0] == "M" or (text[end] in _INSIDE_WORD and follows))
        point = text[end] == "." and end > at
        broken = _BROKEN_WORD.match(text, end + 1) if inside and text[end] in _HYPHENS else None
        if broken:
            end = broken.end()
        elif letter or joined or point:
            end += 1
        else:
            break
    return end


def _word(text: str, start: int, end: int, before: list[_Token]) -> _Token:
    """Return the token of a word: a word of a name, a mark ("a" in "Ann Oke a"), or "and"."""
    word = text[start:end]
    bare = word.rstrip(".").lower()
    if (bare in _AND and before and (word.islower() or word.isupper())) or (
        bare == "by" and not before
    ):
        return _Token("separator", word, start, end)
    if _is_letter_mark(word, _NEXT_WORD.match(text, end) is not None, before):
        return _Token("mark", word, start, end)
    return _Token("word", word, start, end)


def _is_letter_mark(word: str, word_follows: bool, before: list[_Token]) -> bool:
    """Return whether one or two small letters, or a Greek one, mark an affiliation."""
    if not word.islower() or len(word) > 2 or not before:
        return False
    if len(word) == 1 and unicodedata.name(word, "").startswith("GREEK"):
        return True
    if word in _JOINS_TWO_NAMES:
        return not word_follows or before[-1].kind != "word"
    return (word not in _PARTICLES or not word_follows) and word.isascii()
