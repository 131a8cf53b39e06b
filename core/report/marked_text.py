"""Cut a document's text into pieces, each marked with the kinds of the values that cover it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from ..schema.navigation import field_schema, types_of
from .error_kinds import ERRORS
from .scored_run import DocumentResult, ScoredRun

TEXT_SHOWN = 20_000
"""Maximum characters of a document's text on the page."""

# Where values of several kinds overlap in a text, the first kind is shown.
_RANK: Mapping[str, int] = {kind: number for number, kind in enumerate((*ERRORS, "right"))}

_SIDES = {"g": "gold", "p": "predicted", "gp": "gold and predicted"}


@dataclass(frozen=True)
class Mark:
    """What a piece of text is in one field.

    Attributes:
        number: index of the field.
        kind: the error kind.
        side: "g" for gold, "p" for predicted, "gp" for both.
    """

    number: int
    field: str
    kind: str
    side: str

    @property
    def token(self) -> str:
        """The mark as the page's script reads it."""
        return f"{self.number}:{self.kind}:{self.side}"

    @property
    def title(self) -> str:
        """The mark in words."""
        return f"{self.field}: {self.kind} ({_SIDES[self.side]})"


def pieces(
    scored: ScoredRun, document: DocumentResult, fields: Sequence[str]
) -> Iterator[tuple[str, tuple[Mark, ...]]]:
    """Yield the pieces of a text with one mark per field, the one to show first.

    Args:
        scored: the run that the document is of.
        document: the document; without a text it has no pieces.
        fields: all fields of the report.
    """
    text = (document.text or "")[:TEXT_SHOWN]
    starting: dict[int, list[tuple[int, Mark]]] = defaultdict(list)  # start -> (end, mark)
    boundaries = {0, len(text)}
    for start, end, mark in marks_of(document, fields, len(text)):
        starting[start].append((end, mark))
        boundaries |= {start, end}
    last = object_fields(scored, fields)
    active: list[tuple[int, Mark]] = []
    cut: list[tuple[str, tuple[Mark, ...]]] = []
    for start, end in pairwise(sorted(boundaries)):
        active = [*((until, mark) for until, mark in active if until > start), *starting[start]]
        cut.append((text[start:end], one_per_field((mark for _, mark in active), last)))
    for marks, group in groupby(cut, key=lambda piece: piece[1]):
        yield "".join(part for part, _marks in group), marks


def leaves_of(pointer: str, pointers: Mapping[str, object]) -> list[str]:
    """Return the pointer itself if it is among ``pointers``, or else those of the leaves below."""
    if pointer in pointers:
        return [pointer]
    return [leaf for leaf in pointers if leaf.startswith(f"{pointer}/")]


def marks_of(
    document: DocumentResult, fields: Sequence[str], length: int
) -> Iterator[tuple[int, int, Mark]]:
    """Yield start, end and mark of each occurrence of a value.

    Args:
        document: the document.
        fields: all fields of the report.
        length: of the text that is shown, from its beginning.
    """
    for case in document.cases:
        sides = (
            ("g", case.gold, document.gold_spans),
            ("p", case.predicted, document.predicted_spans),
        )
        for side, pointers, spans in sides:
            mark = Mark(fields.index(case.field), case.field, case.kind, side)
            for leaf in (leaf for pointer in pointers for leaf in leaves_of(pointer, spans)):
                for start, end in spans[leaf]:
                    if start < length:
                        yield start, min(end, length), mark


def object_fields(scored: ScoredRun, fields: Sequence[str]) -> set[str]:
    """Return the fields whose values are objects, whose leaves are often values of other fields."""
    return {name for name in fields if _holds_objects(name, scored)}


def _holds_objects(field: str, scored: ScoredRun) -> bool:
    items = field_schema("/" + field, scored.plugin.schema).get("items")
    return isinstance(items, Mapping) and "object" in types_of(items)


def one_per_field(marks: Iterable[Mark], last: Collection[str]) -> tuple[Mark, ...]:
    """Return one mark per field, of its gravest kind and with all its sides.

    Args:
        marks: the marks of a piece of text, or of a box on a page.
        last: fields that are sorted after all others.
    """
    found: dict[int, Mark] = {}
    for mark in marks:
        known = found.get(mark.number, mark)
        kind = min(known.kind, mark.kind, key=_RANK.__getitem__)
        side = "".join(sorted({*known.side, *mark.side}))
        found[mark.number] = Mark(mark.number, mark.field, kind, side)
    return tuple(sorted(found.values(), key=lambda m: (m.field in last, _RANK[m.kind], m.number)))
