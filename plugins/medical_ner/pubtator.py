"""Read PubTator: title and abstract lines, then tab-separated mentions and relations.

::

    354896|t|Lidocaine-induced cardiac asystole.
    354896|a|Intravenous administration of a single 50-mg bolus of lidocaine ...
    354896<TAB>0<TAB>9<TAB>Lidocaine<TAB>Chemical<TAB>D008012
    354896<TAB>18<TAB>34<TAB>cardiac asystole<TAB>Disease<TAB>D006323
    354896<TAB>CID<TAB>D008012<TAB>D006323

A mention of several concepts joins their ids with ``|`` (some copies with ``+``) and may name its
parts in a seventh column, which is not read because the parts are not contiguous text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fieldsmith import InputError

from .corpus import Annotated, Mention, Relation, check_span, check_type, concepts_of

# An id has no blank, so a line of a table that happens to contain "|t|" is not a title.
_TEXT_LINE = re.compile(r"([^\s|]+)\|([ta])\|(.*)", re.DOTALL)
_OFFSET = re.compile(r"[0-9]{1,9}")


@dataclass
class _Block:
    """The document that is being read."""

    id: str
    title: str
    place: str
    abstract: str | None = None
    mentions: list[Mention] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)

    @property
    def text(self) -> str:
        return f"{self.title} {self.abstract}"


def documents(path: Path) -> Iterator[Annotated]:
    """Yield the documents of a PubTator file.

    Raises:
        InputError: a line breaks the rules of the format; names the file and the line.
    """
    block: _Block | None = None
    for number, line in enumerate(_lines(path), start=1):
        place = f"{path}:{number}"
        text_line = _TEXT_LINE.fullmatch(line)
        if text_line and text_line[2] == "t":
            if block:
                yield _finished(block)
            block = _Block(text_line[1], text_line[3], place)
        elif line.strip():
            if block is None:
                raise InputError(f"{place}: the file must begin with a title line, ID|t|TITLE")
            if text_line:
                _add_abstract(block, text_line[1], text_line[3], place)
            else:
                _add_annotation(block, line, place)
    if block:
        yield _finished(block)


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file one by one, without line ends: it may hold millions of documents.

    Raises:
        InputError: the file cannot be opened, or a line is not UTF-8 or holds NUL.
    """
    try:
        stream = path.open("rb")  # an abstract may hold U+2028 and its like, which end no line here
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    with stream:
        for number, line in enumerate(stream, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}:{number}: byte {error.start} is not UTF-8; convert the file "
                    f"(iconv -f latin1 -t utf-8)"
                ) from error
            if "\0" in text:
                raise InputError(
                    f"{path}:{number}: holds NUL, so this is no text; give it as UTF-8"
                )
            yield text.replace("\r\n", "\n").removesuffix("\n")


def _finished(block: _Block) -> Annotated:
    if block.abstract is None:
        raise InputError(
            f"{block.place}: document {block.id} has no abstract line ({block.id}|a|ABSTRACT, "
            f"which may be empty after the second bar)"
        )
    mentions, relations = tuple(block.mentions), tuple(block.relations)
    return Annotated(block.id, block.text, mentions, relations, block.place)


def _add_abstract(block: _Block, identifier: str, abstract: str, place: str) -> None:
    _check_document(block, identifier, place)
    if block.abstract is not None:
        raise InputError(f"{place}: document {block.id} has a second abstract line; keep one")
    block.abstract = abstract


def _add_annotation(block: _Block, line: str, place: str) -> None:
    columns = line.split("\t")
    _check_document(block, columns[0].strip(), place)
    if block.abstract is None:
        raise InputError(f"{place}: annotations must come after the abstract line ({block.id}|a|)")
    if len(columns) == 4 and columns[1] == "CID":
        chemical, disease = (_one_concept(column, place) for column in columns[2:])
        block.relations.append(Relation(chemical, disease, place))
    elif len(columns) >= 6 and all(_OFFSET.fullmatch(column) for column in columns[1:3]):
        _add_mention(block, columns, place)
    else:
        raise InputError(
            f"{place}: {len(columns)} columns that are neither a mention (ID, start, end, text, "
            f"type, concept) nor a relation (ID, CID, chemical, disease); separate them by tabs"
        )


def _add_mention(block: _Block, columns: list[str], place: str) -> None:
    start, end = int(columns[1]), int(columns[2])
    check_span(block.text, (start, end), columns[3], place)
    kind = columns[4].strip()
    if check_type(kind, place):
        block.mentions.append(Mention(start, end, kind, concepts_of(columns[5])))


def _one_concept(column: str, place: str) -> str:
    concepts = concepts_of(column)
    if len(concepts) != 1:
        raise InputError(f"{place}: a relation joins one chemical and one disease by their ids")
    return concepts[0]


def _check_document(block: _Block, identifier: str, place: str) -> None:
    if identifier != block.id:
        raise InputError(
            f"{place}: a line of document {identifier[:40]!r} is below document {block.id}; "
            f"put it below its own title line"
        )
