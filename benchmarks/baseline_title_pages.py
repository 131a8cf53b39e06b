"""Score a baseline for title pages: first lines, headings, regular expressions; no training.

    python -m benchmarks.baseline_title_pages --data PATH

PATH is whatever the plugin arxiv_metadata reads, with labels; without it the test documents of the
bundled sample. The title is the first lines up to a line that reads like names, the authors are
that line and those like it below, the abstract is what follows the word "Abstract" up to the next
heading or empty line, and id and DOI are the first that their patterns find.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fieldsmith import Example, Prediction, Record
from fieldsmith.plugins import load
from fieldsmith.scoring.metrics import Interval, score
from fieldsmith_arxiv_metadata import identifiers, names

MATCHINGS = ("strict", "soft", "levenshtein", "ratcliff")
FIELDS = ("id", "title", "authors", "abstract", "doi")

_ABSTRACT = re.compile(
    r"^[ \t]*(?:abstract|summary|a b s t r a c t)\b[ \t.:—–-]*", re.IGNORECASE | re.MULTILINE
)
_AFTER_ABSTRACT = re.compile(
    r"\n\s*\n|\n[ \t]*(?:key ?words?\b|index terms\b|(?:\d|I)?\.?[ \t]*introduction\b|©|received\b"
    r"|\*[ \t]|https?://|doi\b|arxiv:)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_NO_TITLE = re.compile(
    r"(?i).*(?:arxiv:|doi\b|https?://|www\.|©|copyright|\bissn\b|\bvol\b|journal|research article"
    r"|open access|received|preprint|\(\d{4}\)|^\W*\d+\W*$).*"
)
_INSTITUTE = re.compile(
    r"(?i)\b(?:universit|institut|department|laborator|school|cent(?:re|er)\b|college|hospital|@)"
)
_LINES = 12
"""How many lines of a page are looked at for title and authors."""


def predict(text: str) -> Record:
    """Return the record that the rules read from a title page."""
    title, authors = _title_and_authors(text)
    return {
        "id": _first(text, identifiers.ids(text)),
        "title": title,
        "authors": authors,
        "abstract": _abstract(text),
        "doi": _first(text, identifiers.dois(text)),
    }


def _first(text: str, spans: Iterable[tuple[int, int]]) -> str | None:
    return next((text[start:end] for start, end in spans), None)


def _title_and_authors(text: str) -> tuple[str | None, list[str]]:
    lines = [line.strip() for line in _ABSTRACT.split(text, maxsplit=1)[0].split("\n")]
    lines = lines[: 2 * _LINES]
    at = 0
    while at < len(lines) and (not lines[at] or _NO_TITLE.fullmatch(lines[at])):
        at += 1
    first = at
    while at < len(lines) and lines[at] and (at == first or not _is_byline(lines[at])):
        at += 1
    title = "\n".join(lines[first:at]) or None
    while at < len(lines) and not lines[at]:
        at += 1
    start = at
    while at < len(lines) and lines[at] and _is_byline(lines[at]):
        at += 1
    byline = "\n".join(lines[start:at])
    return title, [byline[start:end] for start, end in names.persons(byline)]


def _is_byline(line: str) -> bool:
    """Say whether a line reads like names: no institute, and nearly all words capitalised."""
    if _INSTITUTE.search(line) or not names.persons(line):
        return False
    words = [word for word in _WORD.findall(line) if word.lower() not in _SMALL_WORDS]
    capitalised = sum(not word[0].islower() for word in words)
    several = re.search(r",|;| and | & |\d|[*†‡§]|\b[A-Z]\.", line) is not None
    return bool(words) and capitalised == len(words) and (several or len(words) <= 3)


_SMALL_WORDS = frozenset("and van der den de la di da dos von el al ten le du".split())


def _abstract(text: str) -> str | None:
    heading = _ABSTRACT.search(text)
    if heading is None:
        return None
    rest = text[heading.end() :].lstrip()
    end = _AFTER_ABSTRACT.search(rest)
    return (rest[: end.start()] if end else rest).strip() or None


def scores(examples: Sequence[Example]) -> dict[str, Interval]:
    """Return the scores of the baseline by the metric of arxiv_metadata."""
    metric = load("arxiv_metadata").metric
    counts = [
        metric(example, Prediction(example.document, record=predict(example.document.text)))
        for example in examples
    ]
    return score(counts, [f"{field}_levenshtein" for field in FIELDS])


def _examples(data: Path | None) -> Iterator[Example]:
    for row in load("arxiv_metadata").load(data):
        if isinstance(row, Example) and row.record and (data or row.split == "test"):
            yield row


def main() -> None:
    """Print F1 by field and matching, and the score with its interval."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="what arxiv_metadata reads; else the sample")
    examples = list(_examples(parser.parse_args().data))
    found = scores(examples)
    print(f"{len(examples)} documents; F1\n{'':10}" + "".join(f"{name:>13}" for name in MATCHINGS))
    for field in FIELDS:
        values = [found.get(f"{field}_{matching}/f1") for matching in MATCHINGS]
        print(f"{field:10}" + "".join(f"{value.value if value else 0:13.3f}" for value in values))
    total = found["score"]
    print(f"score {total.value:.3f} ({total.low:.3f} to {total.high:.3f})")


if __name__ == "__main__":
    main()
