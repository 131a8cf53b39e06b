"""Annotations that stand apart from their text, as brat and PubTator write them, as rows of spans.

brat has a text and a file of annotations beside it::

    9.txt   Aspirin caused a rash.
    9.ann   T1<TAB>chemicals 0 7<TAB>Aspirin
            T2<TAB>diseases 17 21<TAB>rash
            N1<TAB>Reference T1 fieldsmith:concept-1<TAB>Aspirin
            R1<TAB>relations Arg1:T1 Arg2:T2

PubTator has the same below the title and the abstract of a document, in which blanks stand for line
breaks::

    9|t|Aspirin caused a rash.
    9|a|
    9<TAB>0<TAB>7<TAB>Aspirin<TAB>chemicals<TAB>concept-1
    9<TAB>17<TAB>21<TAB>rash<TAB>diseases<TAB>concept-2
    9<TAB>relations<TAB>concept-1<TAB>concept-2

Spans with one concept are mentions of one thing; a relation joins two of these. Offsets count
Unicode code points, in brat those of the text's file as it is.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from ..data import Span
from ..errors import InputError, shortened
from ..files import read_text
from .row_spans import LINKS, PASSED_OVER

BRAT, PUBTATOR = ".ann", ".pubtator"
"""Endings of the files of both."""

BRAT_TEXT, BRAT_TYPES = ".txt", "annotation.conf"
"""Ending of brat's texts, and the file that lists the types of a folder."""

LINE_BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Characters at which a tool may end a line."""

NO_CONCEPT = "-"
"""What PubTator has in place of a concept."""

_UNSAFE = re.compile(r"[^\w.,;:+@()=-]|^\.")
_SPAN = r"[0-9]{1,9} [0-9]{1,9}"
_MENTION = re.compile(rf"(\S+) ({_SPAN}(?:;{_SPAN})*)")
_REFERENCE = re.compile(r"\S+ (T\S+) (\S+)")
_RELATION = re.compile(r"(\S+) \S+?:(T\S+) \S+?:(T\S+)")
_OTHER = "*#AMEN"
"""Letters of brat's lines that say more of annotations: equivalences, notes, attributes, events."""

_TEXT_LINE = re.compile(r"([^\s|]+)\|([ta])\|(.*)", re.DOTALL)
_OFFSET = re.compile("[0-9]{1,9}")


class Fault(Exception):
    """Why annotations cannot be read, and in which line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class Mention(NamedTuple):
    """A span with a label, and the concepts that it is a mention of."""

    start: int
    end: int
    label: str
    concepts: tuple[str, ...]


@dataclass
class Annotated:
    """A text and its annotations.

    Attributes:
        id: of the document.
        text: the text.
        mentions: spans with labels.
        relations: a label, two concepts, and the line.
        passed_over: a kind for each annotation that is no run of text.
    """

    id: str
    text: str
    mentions: list[Mention] = field(default_factory=list)
    relations: list[tuple[str, str, str, int]] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return it as a row of spans; see ``row_spans``.

        Raises:
            Fault: a relation joins what has no mention.
        """
        spans = [
            {"start": each.start, "end": each.end, "label": each.label} for each in self.mentions
        ]
        places: dict[str, set[Span]] = {}
        for mention in self.mentions:
            for concept in mention.concepts:
                places.setdefault(concept, set()).add((mention.start, mention.end))
        links = [
            {"label": label, "ends": [_spans_of(each, places, line) for each in concepts]}
            for label, *concepts, line in self.relations
        ]
        row: dict[str, Any] = {"id": self.id, "text": self.text, "spans": spans, LINKS: links}
        return row | {PASSED_OVER: self.passed_over}


def _spans_of(
    concept: str, places: Mapping[str, Collection[Span]], line: int
) -> list[dict[str, int]]:
    if concept not in places:
        reason = f"the relation joins {shortened(concept)}, which no mention names"
        raise Fault(line, f"{reason}; annotate one, or take the relation out")
    return [{"start": start, "end": end} for start, end in sorted(places[concept])]


def file_name(identifier: str) -> str:
    """Return an id without what files, or PubTator, cannot have in a name.

    >>> file_name("a/1 b"), identifier_of(file_name("a/1 b"))
    ('a%2F1%20b', 'a/1 b')
    """
    return _UNSAFE.sub(lambda found: quote(found[0], safe="").replace(".", "%2E"), identifier)


def identifier_of(name: str) -> str:
    """Return the id that ``extract review --export`` wrote as a name of a file, or in PubTator.

    Any other name is an id as it is, whatever per cent signs it has.

    >>> identifier_of("a%2F1%20b"), identifier_of("95%fa")
    ('a/1 b', '95%fa')

    Args:
        name: without folders, and without the ending of the file.
    """
    identifier = unquote(name)
    return identifier if file_name(identifier) == name else name


def is_standoff(file: Path) -> bool:
    """Say whether a file is named as one of annotations of brat, or one of PubTator."""
    return file.suffix in (BRAT, PUBTATOR)


def standoff_rows(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the documents of a file: its line, and the row or why it cannot be read.

    Raises:
        InputError: the file, or the text of its annotations, cannot be read.
    """
    found = [(1, _brat(file))] if file.suffix == BRAT else _pubtator(file)
    for line, read in found:
        try:
            yield line, read().row()
        except Fault as fault:
            yield fault.line, str(fault)


def configured_labels(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield the types that brat is configured for in a folder, and whether each is of relations.

    Raises:
        InputError: the file that lists them cannot be read.
    """
    path = folder / BRAT_TYPES
    section = ""
    for line in read_text(path).split("\n") if path.is_file() else ():
        named = re.match(r"\s*!?([^\s#<>\[\]!-][^\s]*)", line)
        if header := re.match(r"\[(\w+)\]", line):
            section = header[1]
        elif named and section in ("entities", "relations"):
            yield named[1], section == "relations"


# brat


def _brat(path: Path) -> Callable[[], Annotated]:
    text_file = path.with_suffix(BRAT_TEXT)
    if not text_file.is_file():
        raise InputError(
            f"{path}: annotations of brat without their text, which is wanted beside them as "
            f"{text_file.name}"
        )
    # As it is: brat counts each character, CR included.
    text = read_text(text_file, as_is=True)
    lines = read_text(path, as_is=True).split("\n")
    return lambda: _of_brat(identifier_of(path.stem), text, lines)


def _of_brat(identifier: str, text: str, lines: Iterable[str]) -> Annotated:
    found = Annotated(identifier, text)
    spans: dict[str, tuple[str, Span | None]] = {}
    concepts: dict[str, list[str]] = {}
    relations: list[tuple[int, str, str, str]] = []
    for number, line in enumerate(lines, start=1):
        name, _, rest = line.rstrip("\r").partition("\t")
        said, _, surface = rest.partition("\t")
        if name[:1] == "T" and (mention := _MENTION.fullmatch(said.strip())):
            spans[name] = mention[1], _span_of(mention[2], surface, text, number)
        elif name[:1] == "N" and (reference := _REFERENCE.fullmatch(said.strip())):
            concepts.setdefault(reference[1], []).append(reference[2])
        elif name[:1] == "R" and (relation := _RELATION.fullmatch(said.strip())):
            relations.append((number, relation[1], relation[2], relation[3]))
        elif line.strip() and name[:1] not in _OTHER:
            reason = "no annotation of brat, such as T1, type start end, text, separated by tabs"
            raise Fault(number, f"{shortened(line)}: {reason}")
        elif name[:1] == "E":
            found.passed_over.append("event")
    for name, (label, span) in spans.items():
        if span is None:
            found.passed_over.append(f"span {label} that is discontinuous")
        else:
            # Mentions of a text that say no concept are of the same one.
            of_text = f"{label} {text[slice(*span)]}"
            named = concepts.get(name, [of_text])
            found.mentions.append(Mention(*span, label, tuple(named)))
            concepts[name] = named
    for number, label, *ends in relations:
        if missing := next((end for end in ends if end not in spans), None):
            raise Fault(number, f"the relation joins {missing}, which is not in the file")
        if any(spans[end][1] is None for end in ends):
            found.passed_over.append(f"link {label} of a discontinuous span")
            continue
        found.relations += [
            (label, one, other, number) for one in concepts[ends[0]] for other in concepts[ends[1]]
        ]
    return found


def _span_of(written: str, surface: str, text: str, line: int) -> Span | None:
    """Return the run of text that an annotation marks; None if it is discontinuous.

    Parts with white space alone between them are one: brat divides what goes over a line break.
    """
    parts = [(int(start), int(end)) for start, end in _pairs(written)]
    if any(not start < end <= len(text) for start, end in parts):
        reason = f"{written} is no span of the text, which has {len(text)} characters"
        raise Fault(line, reason)
    marked = " ".join(text[start:end] for start, end in parts)
    if surface and surface.split() != marked.split():
        reason = f"the annotation is of {shortened(surface)}, but at {written} stands"
        raise Fault(line, f"{reason} {shortened(marked)}; check the offsets")
    parts.sort()
    between = (text[one[1] : other[0]] for one, other in itertools.pairwise(parts))
    return None if any(each.strip() for each in between) else (parts[0][0], parts[-1][1])


def _pairs(written: str) -> Iterator[list[str]]:
    return (part.split(" ") for part in written.split(";"))


# PubTator


def _pubtator(path: Path) -> Iterator[tuple[int, Callable[[], Annotated]]]:
    block: list[tuple[int, str]] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if _begins(line) and block:
            yield block[0][0], functools.partial(_of_pubtator, block)
            block = []
        if line.strip():
            block.append((number, line))
    if block:
        yield block[0][0], functools.partial(_of_pubtator, block)


def _begins(line: str) -> bool:
    found = _TEXT_LINE.fullmatch(line)
    return found is not None and found[2] == "t"


def _of_pubtator(block: Sequence[tuple[int, str]]) -> Annotated:
    (first, line), *rest = block
    found = _TEXT_LINE.fullmatch(line)
    if found is None or found[2] != "t":
        raise Fault(first, "above the first document; a document begins with ID|t|TITLE")
    name, text = found[1], found[3]
    abstract = _TEXT_LINE.fullmatch(rest[0][1]) if rest else None
    if abstract is None or abstract[1] != name:
        raise Fault(
            first, f"the document {shortened(name)} has no abstract line, {name}|a|ABSTRACT"
        )
    if abstract[3]:
        text = f"{text} {abstract[3]}"
    document = Annotated(identifier_of(name), text)
    for number, line in rest[1:]:
        columns = line.split("\t")
        if columns[0] != name:
            raise Fault(number, f"a line of {shortened(columns[0])} is below document {name}")
        if len(columns) >= 5 and all(map(_OFFSET.fullmatch, columns[1:3])):
            span = _span_of(f"{columns[1]} {columns[2]}", columns[3], text, number)
            assert span is not None
            concepts = _concepts(columns[5]) if len(columns) > 5 else ()
            of_text = f"{columns[4]} {text[slice(*span)]}"
            document.mentions.append(Mention(*span, columns[4], concepts or (of_text,)))
        elif len(columns) >= 4:
            document.relations.append((columns[1], columns[2], columns[3], number))
        else:
            reason = "neither a mention (ID, start, end, text, type, concept) nor a relation"
            raise Fault(number, f"{reason} (ID, type, concept, concept), separated by tabs")
    return document


def _concepts(column: str) -> tuple[str, ...]:
    return tuple(part for part in re.split("[|,;]", column) if part not in ("", NO_CONCEPT))
