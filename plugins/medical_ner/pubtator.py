"""Read PubTator: title and abstract lines, then tab-separated mentions and relations.

::

    354896|t|Lidocaine-induced cardiac asystole.
    354896|a|Intravenous administration of a single 50-mg bolus of lidocaine ...
    354896<TAB>0<TAB>9<TAB>Lidocaine<TAB>Chemical<TAB>D008012
    354896<TAB>18<TAB>34<TAB>cardiac asystole<TAB>Disease<TAB>D006323
    354896<TAB>CID<TAB>D008012<TAB>D006323

A mention of several concepts joins their ids with ``|``, ``+``, ``;`` or ``,`` and may name its
parts in a seventh column, which is not read because the parts are not contiguous text. An id has no
blank, bar or slash; ``extract review --export`` writes %20 and so on for them.

Files in circulation are looser than that. Blanks in place of tabs, wrapped texts and lines that
begin with ``#`` are read where only one reading is possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fieldsmith import InputError, Reject, SourceFile, identifier_of

from .annotations import AnnotatedText, Annotation, Fault, Relation, concepts_of, plain, shown

# An id has no blank, so a line of a table that happens to contain "|t|" is not a title.
_TEXT_LINE = re.compile(r"([^\s|]+)\|([ta])\|(.*)", re.DOTALL)
_OFFSET = re.compile(r"[0-9]{1,9}")
_KIND = re.compile(r"[A-Za-z][\w .-]*")
_SPACED_MENTION = re.compile(r"(\S+)\s+([0-9]{1,9})\s+([0-9]{1,9})\s+(\S.*)")
_CONCEPT = r"(?:(?i:MESH|OMIM):\S+|[A-Za-z]*\d\S*|-|-1)"
_SPACED_RELATION = re.compile(rf"(\S+)\s+([A-Za-z]\w*)\s+({_CONCEPT})\s+({_CONCEPT})(?:\s+\w+)?")
_STARTS = re.compile(rb"(?:#[^\n]*\n\s*)*[^\s|]+\|[ta]\|")
_HOLDS = re.compile(rb"^([^\s|]+)\|t\|[^\n]*\n(?:[^\n]*\n){0,9}?\1\|a\|", re.MULTILINE)
_BARE = re.compile(rb"(\S+)\t[0-9]{1,9}\t[0-9]{1,9}\t[^\t\n]+\t[^\t\n]+")
_NUMBERS = re.compile(r"\W+[0-9]+\W+[0-9]+\W")
"""Two offsets behind an id, whatever separates them."""


def is_pubtator(file: SourceFile) -> bool:
    """Return whether a file begins with a document, or holds one below something else."""
    return bool(_STARTS.match(file.head) or _HOLDS.search(file.head))


def is_annotations(file: SourceFile) -> bool:
    """Return whether the first line of a file is an annotation: it has no texts."""
    return bool(_BARE.match(file.head))


def no_text(file: SourceFile) -> Iterator[Reject]:
    """Refuse a file of annotations without texts.

    Raises:
        InputError: always.
    """
    found = _BARE.match(file.head)
    name = found[1].decode("utf-8", "replace") if found else "ID"
    raise InputError(
        f"{file.path}: annotations of PubTator without their texts, which are wanted above those "
        f"of each document, as {name}|t|TITLE and {name}|a|ABSTRACT"
    )


@dataclass
class _Block:
    """The document that is being read.

    Attributes:
        lines: its annotations and relations, each with its place.
        wraps: whether the next line may go on with its text.
    """

    id: str
    title: str
    place: str
    abstract: str | None = None
    lines: list[tuple[str, str]] = field(default_factory=list)
    fault: Fault | None = None
    wraps: bool = True

    @property
    def text(self) -> str:
        return f"{self.title} {self.abstract}" if self.abstract else self.title

    def fail(self, place: str, reason: str) -> None:
        self.fault = self.fault or Fault(place, reason)


def documents(file: SourceFile) -> Iterator[AnnotatedText | Reject]:
    """Yield the documents of a PubTator file.

    Raises:
        InputError: the file is not UTF-8; names the line.
    """
    block: _Block | None = None
    is_lost = False
    for number, line in enumerate(_lines(file.path), start=1):
        place = f"{file.path}:{number}"
        found = _TEXT_LINE.fullmatch(line)
        if line.startswith("#"):
            continue
        if found and (found[2] == "t" or block is None):
            if block:
                yield _finished(block)
            block = _new_block(found, place)
        elif block:
            _add_line(block, line, found, place)
        elif line.strip() and not is_lost:
            is_lost = True  # said once, and not of each line above the first document
            yield Reject(place, "", "above the first document; begin with a title line, ID|t|TITLE")
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


def _new_block(found: re.Match[str], place: str) -> _Block:
    if found[2] == "t":
        return _Block(found[1], found[3], place)
    block = _Block(found[1], "", place, found[3])
    block.fail(place, f"document {found[1]} has no title line ({found[1]}|t|TITLE)")
    return block


def _add_line(block: _Block, line: str, text_line: re.Match[str] | None, place: str) -> None:
    """Add a line to a document: its abstract, more of its text, or an annotation of it."""
    if text_line:
        _add_abstract(block, text_line, place)
    elif not line.strip():
        block.wraps = False
    elif _is_annotation(block, line):
        block.wraps = False
        block.lines.append((line, place))
    elif block.wraps:
        _wrap(block, line)
    else:
        block.fail(
            place,
            f"neither a mention (ID, start, end, text, type, concept) nor a relation "
            f"(ID, kind, concept, concept): {shown(line)}; separate the columns by tabs",
        )


def _add_abstract(block: _Block, found: re.Match[str], place: str) -> None:
    identifier, abstract = found[1], found[3]
    if identifier != block.id:
        block.fail(place, _misplaced(identifier, block))
    elif block.abstract is not None:
        block.fail(place, f"document {block.id} has a second abstract line; keep one")
    elif block.lines:
        block.fail(place, f"annotations must come after the abstract line ({block.id}|a|)")
    if block.abstract is None:
        block.abstract = abstract
        block.wraps = True


def _is_annotation(block: _Block, line: str) -> bool:
    """Return whether a line can be nothing but an annotation, of whatever document."""
    if "\t" in line:
        return True
    line = line.strip()
    spaced = _SPACED_MENTION.fullmatch(line) or _SPACED_RELATION.fullmatch(line)
    # A text may go on with three numbers; one that begins with an id would be a strange text.
    if spaced and (spaced[1] == block.id or spaced[1].isdigit()):
        return True
    return _is_numbered(block, line)


def _is_numbered(block: _Block, line: str) -> bool:
    """Return whether a line is the document's id and two numbers, whatever separates them."""
    line = line.strip()
    return line.startswith(block.id) and bool(_NUMBERS.match(line, len(block.id)))


def _wrap(block: _Block, line: str) -> None:
    """Go on with a text that is broken into lines: the break counts as the blank that it was."""
    if block.abstract is None:
        block.title += f" {line}"
    else:
        block.abstract += f" {line}"


def _finished(block: _Block) -> AnnotatedText:
    if block.abstract is None:
        block.fail(
            block.place,
            f"document {block.id} has no abstract line ({block.id}|a|ABSTRACT, "
            f"which may be empty after the second bar)",
        )
    annotations: list[Annotation] = []
    relations: list[Relation] = []
    try:
        if block.fault:
            raise block.fault
        for line, place in block.lines:
            found = _annotation(block, line, place)
            if isinstance(found, Annotation):
                annotations.append(found)
            else:
                relations.append(found)
    except Fault as fault:
        return AnnotatedText(identifier_of(block.id), block.text, place=block.place, fault=fault)
    return AnnotatedText(
        identifier_of(block.id), block.text, tuple(annotations), tuple(relations), block.place
    )


def _annotation(block: _Block, line: str, place: str) -> Annotation | Relation:
    """Read an annotation or a relation, with tabs or, if it has not enough of them, blanks.

    Raises:
        Fault: it is neither, or is one of another document.
    """
    columns = line.split("\t")
    name = " ".join(columns[0].split()[:1])
    if name != block.id and not _is_numbered(block, line):
        raise Fault(place, _misplaced(name, block))
    spaced = _SPACED_MENTION.fullmatch(line.strip())
    if len(columns) >= 5 and all(map(_OFFSET.fullmatch, columns[1:3])):
        surface = block.text[int(columns[1]) : int(columns[2])]
        if spaced and plain(surface) != plain(columns[3]) and _begins(surface, spaced[4]):
            return _mention([spaced[2], spaced[3], *_split_by_text(block, spaced, place)], place)
        return _mention(columns[1:], place)
    if len(columns) >= 4 and _KIND.fullmatch(columns[1]):
        return Relation(columns[1].strip(), (columns[2], columns[3]), place)
    if found := _SPACED_RELATION.fullmatch(line.strip()):
        return Relation(found[2], (found[3], found[4]), place)
    if spaced:
        return _mention([spaced[2], spaced[3], *_split_by_text(block, spaced, place)], place)
    raise Fault(
        place,
        f"{len(columns)} columns that are neither a mention (ID, start, end, text, type, concept) "
        f"nor a relation (ID, kind, concept, concept); separate them by tabs",
    )


def _mention(columns: list[str], place: str) -> Annotation:
    """Return the mention of start, end, text, type and, if there is one, concept."""
    start, end, surface, kind, *more = columns
    concepts = concepts_of(more[0]) if more else ()
    return Annotation(kind.strip(), ((int(start), int(end)),), surface, concepts, place)


def _split_by_text(block: _Block, found: re.Match[str], place: str) -> list[str]:
    """Split text, type and concept, which blanks separate, behind what the text has there.

    Raises:
        Fault: what follows the offsets does not begin with that text, so it cannot be split.
    """
    surface, rest = plain(block.text[int(found[2]) : int(found[3])]), plain(found[4])
    if rest == surface:
        raise Fault(place, "a mention without a type (ID, start, end, text, type, concept)")
    kind, _, concept = rest.removeprefix(f"{surface} ").partition(" ")
    if not _begins(surface, rest) or not kind:
        raise Fault(
            place,
            f"the text at {found[2]}-{found[3]} is {shown(surface)}, which {shown(rest)} does not "
            f"begin with; check the offsets, and separate the columns by tabs",
        )
    return [surface, kind, concept]


def _begins(surface: str, rest: str) -> bool:
    """Return whether columns that blanks separate begin with a text, and go on behind it."""
    return bool(surface.strip()) and plain(rest).startswith(f"{plain(surface)} ")


def _misplaced(identifier: str, block: _Block) -> str:
    return (
        f"a line of document {identifier[:40]!r} is below document {block.id}; "
        f"put it below its own title line"
    )
