"""Read tokens with BIO tags, one a line, as CoNLL has them.

::

    Lidocaine<TAB>B-Chemical
    -induced<TAB>O
    cardiac<TAB>B-Disease
    asystole<TAB>I-Disease

The first column is the token, the last one the tag; IOBES and BILOU are read too. A blank line ends
a sentence. A document begins at a line ``-DOCSTART-`` or ``# newdoc``, or, in a file without any,
at each sentence. The text is not in the file: it is the tokens with a blank between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fieldsmith import SourceFile, read_text

from .annotations import AnnotatedText, Annotation, Fault

_TAG = re.compile(r"O|[BIESLU](?:[-_](\S+))?")
_START = re.compile(r"-DOCSTART-.*|#\s*(?:newdoc|doc_?id|id|document)\b(?:\s+id)?\s*[:=]?\s*(.*)")
_FEWEST = 3
"""Tokens by which the format is recognised: a text may end with "vitamin B"."""


def is_tagged(file: SourceFile) -> bool:
    """Return whether the lines of a file are tokens with tags."""
    lines = file.head.decode("utf-8", "replace").split("\n")[:-1]
    lines = [line for line in lines if line.strip() and not _is_comment(line)]
    rows = [line.split() for line in lines if not line.startswith("-DOCSTART-")]
    if len(rows) < _FEWEST or not all(len(row) > 1 and _TAG.fullmatch(row[-1]) for row in rows):
        return False
    return any(row[-1] == "O" for row in rows) or all("\t" in line for line in lines)


def _is_comment(line: str) -> bool:
    return line.startswith("#") and not ("\t" in line and _TAG.fullmatch(line.split()[-1]))


@dataclass
class _Tokens:
    """The document that is being read: its text as far as it is known, and open mentions.

    Attributes:
        open: type, start and place of the mention that may go on.
    """

    id: str
    place: str
    text: str = ""
    annotations: list[Annotation] = field(default_factory=list)
    open: tuple[str, int, str] | None = None
    fault: Fault | None = None

    def add(self, token: str, tag: str, place: str) -> None:
        """Add a token: it ends the open mention, continues it, or begins one."""
        found = _TAG.fullmatch(tag)
        if found is None:
            self.fault = self.fault or Fault(place, f"{tag[:40]!r} is no tag (B-TYPE, I-TYPE, O)")
            tag = "O"
        elif tag != "O" and not found[1]:
            reason = f"the tag {tag!r} names no type; write {tag}-Chemical or {tag}-Disease"
            self.fault = self.fault or Fault(place, reason)
            tag = "O"
        kind = (found[1] if found else None) or ""
        goes_on = tag[0] in "IEL" and self.open is not None and self.open[0] == kind
        if not goes_on:
            self.close()
        self.text += f" {token}" if self.text else token
        if tag != "O" and not goes_on:
            self.open = (kind, len(self.text) - len(token), place)
        if tag[0] in "ESLU":
            self.close()

    def close(self) -> None:
        """End the open mention."""
        if self.open:
            kind, start, place = self.open
            self.annotations.append(Annotation(kind, ((start, len(self.text)),), None, (), place))
        self.open = None

    def finished(self) -> AnnotatedText:
        self.close()
        return AnnotatedText(
            self.id, self.text, tuple(self.annotations), (), self.place, self.fault
        )


def documents(file: SourceFile) -> Iterator[AnnotatedText]:
    """Yield the documents of a file.

    Raises:
        InputError: the file is not UTF-8.
    """
    lines = read_text(file.path).split("\n")
    has_starts = any(map(_START.fullmatch, lines))
    tokens: _Tokens | None = None
    for number, line, columns in _rows(lines):
        place = f"{file.path}:{number}"
        start = _START.fullmatch(line) if not columns or columns[0] == "-DOCSTART-" else None
        if (start or (not line.strip() and not has_starts)) and tokens:
            yield tokens.finished()
            tokens = None
        if start:
            name = (start[1] or "").strip() or f"{file.name}:{number}"
            tokens = _Tokens(name, place)
        elif columns:
            tokens = tokens or _Tokens(f"{file.name}:{number}", place)
            tokens.add(columns[0], columns[-1] if len(columns) > 1 else "", place)
        elif tokens:
            tokens.close()
    if tokens:
        yield tokens.finished()


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Yield each line with its number and its columns; a comment has none."""
    for number, line in enumerate(lines, start=1):
        separated = line.split("\t") if "\t" in line else line.split()
        columns = [column.strip() for column in separated if column.strip()]
        yield number, line, [] if _is_comment(line) else columns
