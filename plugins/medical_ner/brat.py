"""Read brat's standoff format: a text file and its annotations beside it.

::

    354896.txt    Lidocaine-induced cardiac asystole. ...
    354896.ann    T1<TAB>Chemical 0 9<TAB>Lidocaine
                  T2<TAB>Disease 18 34<TAB>cardiac asystole
                  N1<TAB>Reference T1 MESH:D008012<TAB>lidocaine
                  R1<TAB>CID Arg1:T1 Arg2:T2

A mention of several parts writes ``Disease 0 4;62 69``. Attributes and notes are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fieldsmith import InputError, Reject, SourceFile, identifier_of, read_text

from .annotations import AnnotatedText, Annotation, Fault, Relation, Span, concepts_of, number_of

TEXT, ANNOTATIONS = ".txt", ".ann"

_MENTION = re.compile(r"(\S+) ([0-9]+ [0-9]+(?:;[0-9]+ [0-9]+)*)")
_REFERENCE = re.compile(r"\S+ (T\S+) (\S.*)")
_RELATION = re.compile(r"(\S+) \S+?:(\S+) \S+?:(\S+)")
_EVENT = re.compile(r"(\S+?):\S+((?: \S+?:\S+)*)")
_OTHER = "*#AM"
"""Letters of lines that say more of annotations: equivalences, notes, attributes."""


def is_text(file: SourceFile) -> bool:
    """Return whether a file is a text with annotations beside it."""
    return file.path.suffix == TEXT and file.path.with_suffix(ANNOTATIONS).is_file()


def is_annotations(file: SourceFile) -> bool:
    """Return whether a file holds annotations of a text beside it."""
    return file.path.suffix == ANNOTATIONS


def documents(file: SourceFile) -> Iterator[AnnotatedText]:
    """Yield the document of a text file, or of the annotations beside it.

    Raises:
        InputError: the text or the annotations cannot be read.
    """
    path = file.path.with_suffix(TEXT)
    if not path.is_file():
        # In a folder, equal reasons are counted as one.
        wanted = path.name if file.is_alone else f"NAME{TEXT}"
        reason = f"annotations of brat without their text, which is wanted beside them as {wanted}"
        raise InputError(f"{file.path}: {reason}")
    # As it is: brat counts each character, CR included.
    text = read_text(path, as_is=True)
    lines = file.path.with_suffix(ANNOTATIONS)
    name = SourceFile(path, path if file.is_alone else file.source).name.removesuffix(TEXT)
    folder, slash, last = name.rpartition("/")
    name = folder + slash + identifier_of(last)
    try:
        annotations, relations = _annotations(lines)
    except Fault as fault:
        yield AnnotatedText(name, text, place=str(path), fault=fault)
    else:
        yield AnnotatedText(name, text, annotations, relations, str(path))


def _annotations(path: Path) -> tuple[tuple[Annotation, ...], tuple[Relation, ...]]:
    """Return the annotations and relations of a file.

    Raises:
        Fault: a line is none that brat writes.
        InputError: the file cannot be read.
    """
    mentions: list[tuple[str, str, tuple[Span, ...], str, str]] = []
    concepts: dict[str, str] = {}
    relations: list[Relation] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        place = f"{path}:{number}"
        name, _, rest = line.partition("\t")
        said, _, surface = rest.partition("\t")
        if not line.strip() or name[:1] in _OTHER:
            continue
        if name.startswith("T") and (found := _MENTION.fullmatch(said.strip())):
            mentions.append((name, found[1], _spans(found[2], place), surface, place))
        elif name.startswith("N") and (found := _REFERENCE.fullmatch(said.strip())):
            concepts[found[1]] = f"{concepts.get(found[1], '')}|{found[2]}"
        elif name.startswith("R") and (found := _RELATION.fullmatch(said.strip())):
            relations.append(Relation(found[1], (found[2], found[3]), place, True))
        elif name.startswith("E") and (found := _EVENT.fullmatch(said.strip())):
            ends = (end.partition(":")[2] for end in found[2].split())
            relations.append(Relation(found[1], tuple(ends), place, True))
        else:
            raise Fault(place, f"no annotation of brat: {line[:60]!r}; separate columns by tabs")
    annotations = (
        Annotation(kind, spans, surface, concepts_of(concepts.get(name, "")), place, name)
        for name, kind, spans, surface, place in mentions
    )
    return tuple(annotations), tuple(relations)


def _spans(written: str, place: str) -> tuple[Span, ...]:
    parts = (part.split(" ") for part in written.split(";"))
    return tuple((number_of(start, place), number_of(end, place)) for start, end in parts)


def nothing(file: SourceFile) -> Iterator[Reject]:
    """Yield nothing: the text beside the annotations is the document."""
    return iter(())
