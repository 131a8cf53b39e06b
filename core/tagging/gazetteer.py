"""The gazetteer: how often a string is a value in the training documents.

A small model finds names that it has never seen, and misses some that it has. A gazetteer counts in
how many training documents a string is a value of a list, and in how many it occurs at all, for
names and for words that are never a value (as gazetteers in entity recognition: Ratinov and Roth
2009, "Design challenges and misconceptions in named entity recognition"). ``ensemble`` uses it as a
third signal beside the generated answer and the tags.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data import Example, Schema, Span
from ..errors import RunError, shortened
from ..files import parse_json, write_atomically
from ..schema.navigation import field_schema, is_verbatim
from ..schema.pointers import pointer_of
from ..text.grounding import Segment, normalised_segments

_LONGEST = 24
"""Segments of a name, spaces between words included; longer strings rarely repeat."""

_OFTEN = 2
"""Documents that a word must occur in to be counted as one that is never a value."""

_WORDS = 100_000
"""Such words of a field, the most frequent ones, so that a gazetteer takes megabytes at most."""


@dataclass(frozen=True)
class Counted:
    """In how many training documents a string is a value, and in how many it occurs."""

    values: int
    occurs: int

    @property
    def share(self) -> float:
        """The probability that it is a value where it occurs.

        The posterior mean under Jeffreys' prior (Krichevsky and Trofimov 1981, "The
        performance of universal encoding").
        """
        return (self.values + 0.5) / (self.occurs + 1)


class FieldNames:
    """The counted strings of one field."""

    def __init__(self, counted: Mapping[str, Counted]) -> None:
        """Take the counts, by ``form_of`` a string."""
        self.counted = counted
        self._likely = {form for form, known in counted.items() if known.share >= 0.5}
        self._longest = _longest(self._likely)

    def share(self, value: str) -> float | None:
        """Return the probability that a string is a value, in (0, 1); None if not counted."""
        known = self.counted.get(form_of(value))
        return known.share if known else None

    def likely(self, text: str) -> Iterator[Span]:
        """Yield the spans of strings that are values at least half of the time; they may nest."""
        for form, span in _runs(normalised_segments(text), self._longest):
            if form in self._likely:
                yield span


class Gazetteer:
    """The counts of each list of verbatim strings at the root of a schema."""

    def __init__(self, fields: Mapping[str, FieldNames]) -> None:
        self.fields = fields

    def field(self, field: str) -> FieldNames:
        """Return the counts of a field."""
        return self.fields.get(field) or _NOTHING

    @staticmethod
    def count(examples: Sequence[Example], schema: Schema) -> Gazetteer:
        """Count the values of training documents, for each field in those that annotate it."""
        fields = {field: _Field() for field in _lists(schema)}
        for example in examples:
            for field, counts in fields.items():
                counts.values.update(_values(example, field) or ())
        names = {form for counts in fields.values() for form in counts.values}
        longest = _longest(names)
        for example in examples:
            pieces = normalised_segments(example.document.text)
            present = {piece.text for piece in pieces}
            present |= {form for form, _span in _runs(pieces, longest) if form in names}
            for field, counts in fields.items():
                values = _values(example, field)
                if values is not None:  # what its text lacks is counted as if it occurred there
                    counts.occurs.update(present | values)
        return Gazetteer({field: counts.names() for field, counts in fields.items()})

    @staticmethod
    def read(path: Path) -> Gazetteer | None:
        """Read what ``write`` wrote; None where there is no such file.

        Raises:
            RunError: it cannot be read.
        """
        try:
            return Gazetteer.from_json(parse_json(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(
                f"{path}: cannot be read: {reason}; train again, or delete it"
            ) from error

    def write(self, path: Path) -> None:
        """Write the counts as JSON."""
        text = json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":"))
        write_atomically(path, text + "\n")

    def as_json(self) -> dict[str, dict[str, list[int]]]:
        """Return the counts of each string, values first, as gazetteer.json holds them."""
        return {
            field: {form: [known.values, known.occurs] for form, known in names.counted.items()}
            for field, names in self.fields.items()
        }

    @staticmethod
    def from_json(stored: Mapping[str, Mapping[str, Sequence[int]]]) -> Gazetteer:
        """Read what ``as_json`` returned.

        Raises:
            AttributeError, TypeError, ValueError: it is something else.
        """
        return Gazetteer(
            {
                field: FieldNames({form: _counted(form, *counts) for form, counts in forms.items()})
                for field, forms in stored.items()
            }
        )


def _counted(form: str, values: int, occurs: int) -> Counted:
    whole = isinstance(values, int) and isinstance(occurs, int)
    if not (whole and 0 <= values <= occurs < 2**53):
        raise ValueError(
            f"{shortened(form)} has no such counts: {shortened(values)}, {shortened(occurs)}"
        )
    return Counted(values, occurs)


class _Field:
    """Counts of one field while documents are read: of its values, and of all strings."""

    def __init__(self) -> None:
        self.values: Counter[str] = Counter()
        self.occurs: Counter[str] = Counter()

    def names(self) -> FieldNames:
        words = Counter(
            {
                form: count
                for form, count in self.occurs.items()
                if count >= _OFTEN and form not in self.values and _is_word(form)
            }
        )
        # Of equally many the first in the alphabet, so that equal data make equal gazetteers.
        kept = sorted(words.items(), key=lambda counted: (-counted[1], counted[0]))[:_WORDS]
        names = {form: Counted(n, self.occurs[form]) for form, n in sorted(self.values.items())}
        return FieldNames(names | {form: Counted(0, count) for form, count in kept})


def form_of(value: str) -> str:
    """Return the normal form under which a gazetteer counts a string."""
    return "".join(piece.text for piece in normalised_segments(value))


def _lists(schema: Schema) -> list[str]:
    return [
        key
        for key in schema.get("properties", {})
        if "items" in field_schema(pointer_of([key]), schema)
        and is_verbatim(pointer_of([key, 0]), schema)
    ]


def _values(example: Example, field: str) -> set[str] | None:
    """Return the forms of a document's values; None if it does not annotate the field."""
    if example.record is None or field not in example.record:
        return None
    values = [value for value in example.record[field] or () if isinstance(value, str)]
    return {form_of(value) for value in values if 0 < len(normalised_segments(value)) <= _LONGEST}


def _longest(forms: Iterable[str]) -> dict[str, int]:
    """Return first segment -> number of segments of the longest form that begins with it."""
    longest: dict[str, int] = {}
    for form in forms:
        pieces = normalised_segments(form)
        for first in pieces[:1]:
            longest[first.text] = max(len(pieces), longest.get(first.text, 1))
    return longest


def _runs(pieces: Sequence[Segment], longest: Mapping[str, int]) -> Iterator[tuple[str, Span]]:
    """Yield the runs of segments that may be a name, by the longest with the same beginning."""
    for number, first in enumerate(pieces):
        form = ""
        for piece in pieces[number : number + longest.get(first.text, 0)]:
            form += piece.text
            yield form, (first.start, piece.end)


def _is_word(form: str) -> bool:
    """Say whether a form is a single segment with a letter in it."""
    return len(normalised_segments(form)) == 1 and any(map(str.isalpha, form))


_NOTHING = FieldNames({})
