"""Guesses at how an answer goes on, which the model verifies many at a time.

A wrong guess costs time and changes nothing. Two sources: what earlier answers wrote at the same
place, and the document, where a value has begun as something in it does. A value may end at each
border of a word, so a draft is a chain of tokens with runs that branch off it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .grammar import Vocabulary
from .json_state import Outline

LONGEST = 64
"""Tokens of a chain or a run at most."""

_LONG = 32
"""Bytes of a value that is being written from which on its place is not remembered."""

_MOST = 1 << 16
"""Places that are remembered, some hundred bytes each."""

_UNLIKELY = 0.02
"""A probability under which a token is never worth a guess."""

_FEW = 8
"""So many tokens at most stand at a place where it is worth it to guess at more than one."""

_AMBIGUOUS = 0.6
"""The probability that a word that was begun like several of the text goes on like the first.

Of a word that was begun like a single one the rest is forced.
"""

_AGAIN = 0.8, 0.1
"""The probabilities that a value ends where an earlier one ended, and that it goes on."""

_WORD = 10
"""Bytes of a word and what follows it, for the length of a draft."""

_QUOTE, _BACKSLASH = b'"', b"\\"

Run = list[tuple[int, float]]
"""Tokens, each with the probability that the model writes it and all before it."""


@dataclass(frozen=True)
class Draft:
    """A chain of tokens, and runs that branch off behind so many tokens of it."""

    chain: Run
    runs: Sequence[tuple[int, Run]] = ()

    def probabilities(self) -> list[float]:
        """Return those of all tokens, falling."""
        every = [p for _, p in self.chain]
        for _, run in self.runs:
            every += [p for _, p in run]
        return sorted(every, reverse=True)

    def best(self, count: int) -> Draft:
        """Return the part of the most probable tokens; a token comes with all before it."""
        falling = self.probabilities()
        if count >= len(falling):
            return self
        least = falling[count - 1] if count else 2.0
        chain = [item for item in self.chain if item[1] >= least][:count]
        left = count - len(chain)
        runs = []
        for at, run in self.runs:
            kept = [item for item in run if item[1] >= least][:left]
            left -= len(kept)
            if kept and at <= len(chain):
                runs.append((at, kept))
        return Draft(chain, runs)


class Place:
    """What answers wrote at one place: which token, how often, and where that led.

    field: whose value begins here, if one does.
    """

    __slots__ = ("best", "edges", "field", "total")

    def __init__(self, field: Field | None = None) -> None:
        self.field = field
        self.total = 0
        self.best = -1
        self.edges: dict[int, tuple[int, Place | None]] = {}

    def learn(self, token: int, after: Place | None) -> None:
        """Note that a token was written."""
        count = self.edges.get(token, (0, None))[0] + 1
        self.edges[token] = count, after
        self.total += 1
        if self.best < 0 or count >= self.edges[self.best][0]:
            self.best = token

    def share(self, token: int) -> float:
        """Return the probability of a token; that of what was written once is low."""
        return (self.edges[token][0] - 0.5) / self.total


class Field:
    """How the values of one field went on.

    ends, copied: at how many of all ``borders`` of words they ended, and went on as the text does.
    closing: the tokens with which they ended.
    repeats: of which other fields they repeated values of the same answer, and how often.
    foreseen: how many of all ``values`` were the first of the field that they repeat most.
    """

    def __init__(self) -> None:
        self.borders = 2
        self.ends = self.copied = 1
        self.closing = Place()
        self.repeats: dict[Field, int] = {}
        self.values = 1
        self.foreseen = 0


class Habits:
    """What the answers of one call wrote so far; it lives no longer, so that equal calls agree."""

    def __init__(self) -> None:
        self._places: dict[bytes, Place] = {}
        self._fields: dict[bytes, Field] = {}

    def place(self, outline: Outline) -> Place | None:
        """Return where an answer stands; None where it is not remembered."""
        if outline.string is not None and len(outline.text) - outline.string > _LONG:
            return None
        name = outline.place
        if name not in self._places and len(self._places) < _MOST:
            begins = outline.is_value and outline.string == len(outline.text)
            self._places[name] = Place(self.field(outline) if begins else None)
        return self._places.get(name)

    def field(self, outline: Outline) -> Field:
        """Return the field of the last value that was begun."""
        return self._fields.setdefault(outline.field, Field())


class Drafter:
    """Drafts for one answer."""

    def __init__(self, outline: Outline, text: str, vocabulary: Vocabulary, habits: Habits) -> None:
        """Begin with an empty answer.

        outline: follows the answer.
        text: what it copies from.
        """
        self._outline = outline
        self._text = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        self._vocabulary = vocabulary
        self._habits = habits
        self._place = habits.place(outline)
        self._reached = 0  # in the text: behind the last value
        self._values: dict[bytes, Field] = {}  # of the answer, each with its first field
        # The value that is being written: where it began, in which tokens it is written, and what
        # these write in front of it.
        self._value: int | None = None
        self._field = Field()
        self._tokens: list[int] = []
        self._lead = b""

    def guess(self) -> Draft:
        """Return how the answer may go on."""
        return max(self._usual(), self._copy(), key=lambda draft: sum(draft.probabilities()))

    def wrote(self, token: int, data: bytes) -> None:
        """Learn what was written, after the outline has followed it."""
        outline, habits = self._outline, self._habits
        before, self._place = self._place, habits.place(outline)
        if before is not None:
            before.learn(token, self._place)
        if self._value is not None:
            field = self._field
            if self._value == outline.string:
                begun = bytes(outline.text[self._value : -len(data)])
                if _may_end(begun, data):
                    at = self._find(begun)
                    field.borders += 1
                    field.copied += at >= 0 and self._text.startswith(data, at + len(begun))
                self._tokens.append(token)
                return
            field.borders += 1
            field.ends += 1
            if data.startswith(_QUOTE):
                field.closing.learn(token, self._place)
            self._learn_value(outline.value, field)
        self._value = outline.string if outline.is_value else None
        if self._value is not None:
            self._field = habits.field(outline)
            self._tokens = [token]
            self._lead = data[: len(data) - (len(outline.text) - self._value)]

    def _learn_value(self, value: bytes, field: Field) -> None:
        """Note a value that is complete."""
        at = self._find(value)
        self._reached = at + len(value) if at >= 0 else self._reached
        field.values += 1
        field.foreseen += value == self._foreseen(field)
        if value in self._values:
            source = self._values[value]
            field.repeats[source] = field.repeats.get(source, 0) + 1
        else:
            self._values[value] = field

    def _foreseen(self, field: Field) -> bytes | None:
        """Return the value of this answer that a field is most likely to repeat."""
        source = max(field.repeats, key=lambda source: field.repeats[source], default=None)
        return next((value for value, known in self._values.items() if known is source), None)

    def _usual(self) -> Draft:
        """Return what usually follows, and what does so at times."""
        chain: Run = []
        runs = []
        before = 1.0
        for token, sure, place in self._likely(self._place, 1.0):
            if place is not None:
                others = self._runs(place, before)
                runs += [(len(chain), run) for run in others if run[0][0] != token]
            chain.append((token, sure))
            before = sure
        return Draft(chain, runs)

    def _runs(self, place: Place, sure: float) -> list[Run]:
        """Return what follows a place at times, each with what usually follows behind it."""
        if len(place.edges) > _FEW:
            return []
        runs = []
        for token, (_, after) in place.edges.items():
            p = sure * place.share(token)
            if p >= _UNLIKELY:
                runs.append([(token, p), *((t, q) for t, q, _ in self._likely(after, p))])
        return runs

    def _likely(
        self, place: Place | None, sure: float
    ) -> Iterator[tuple[int, float, Place | None]]:
        """Yield the likeliest tokens from a place on, each with its probability and its place.

        sure: the probability of what leads to the place.
        """
        for _ in range(LONGEST):
            if place is None:
                return
            field = place.field
            value = self._foreseen(field) if field else None
            if field and value:
                sure *= field.foreseen / field.values
                if sure < _UNLIKELY:
                    return
                for token in self._vocabulary.tokenize(value):
                    yield token, sure, None
                sure *= _AGAIN[0]
                place = field.closing
            elif place.total:
                sure *= place.share(place.best)
                if sure < _UNLIKELY:
                    return
                yield place.best, sure, place
                place = place.edges[place.best][1]
            else:
                return

    def _copy(self) -> Draft:
        """Return how the text goes on after what it has in common with the value begun."""
        begun = b"" if self._value is None else bytes(self._outline.text[self._value :])
        at = self._find(begun)
        if at < 0:
            return Draft([])
        field = self._field
        end = at + len(begun)
        words = min(4 * field.borders // field.ends, LONGEST)
        rest = self._text[end : end + _WORD * words]
        tokens = self._vocabulary.tokenize(self._lead + begun + rest)
        written = len(self._tokens)
        if tokens[:written] == self._tokens:
            tokens = tokens[written:]
        else:  # it was not begun as the tokenizer would
            tokens = self._vocabulary.tokenize(rest)
        sure = 1.0
        chain: Run = []
        runs = []
        for token in tokens[:LONGEST]:
            data = self._vocabulary.bytes_of(token)
            if _may_end(begun, data):
                ends, goes_on = self._chances(begun)
                runs += [(len(chain), run) for run in self._runs(field.closing, sure * ends)]
                sure *= goes_on
            elif not chain:
                sure *= _AMBIGUOUS
            if sure < _UNLIKELY:
                break
            chain.append((token, sure))
            begun += data
        return Draft(chain, runs)

    def _chances(self, value: bytes) -> tuple[float, float]:
        """Return the probabilities that a value ends here, and that it goes on as the text does.

        One that begins like an earlier one of the same answer is likely to be that again.
        """
        if value in self._values:
            return _AGAIN
        if any(known.startswith(value) for known in self._values):
            return 0.2, 0.7
        field = self._field
        return field.ends / field.borders, field.copied / field.borders

    def _find(self, value: bytes) -> int:
        """Return where the text has a value: behind the last one, or else where it has it first.

        -1 where it has it nowhere, or there is no value yet.
        """
        if not value:
            return -1
        at = self._from(value, self._reached)
        return at if at >= 0 else self._from(value, 0)

    def _from(self, value: bytes, start: int) -> int:
        at = self._text.find(value, start)
        while at > 0 and _inside_word(self._text[max(0, at - 2) : at], value):
            at = self._text.find(value, at + 1)
        return at


def _inside_word(before: bytes, behind: bytes) -> bool:
    """Say whether two pieces of text meet within a word, a character or an escape."""
    if 0x80 <= behind[0] < 0xC0 or before[-1:] == _BACKSLASH:
        return True
    escape = before[-2:-1] == _BACKSLASH  # "\n" is no letter
    return not escape and before[-1:].isalnum() and behind[:1].isalnum()


def _may_end(value: bytes, rest: bytes) -> bool:
    """Say whether a value may end before the rest of the text."""
    if not value or not rest or value[-1:].isspace() or value[-2:-1] == _BACKSLASH:
        return False
    return not _inside_word(value, rest)
