"""Speculative decoding without a second model: drafts that the model verifies in one forward pass.

A wrong draft costs time and changes nothing. It has two sources: n-grams of earlier answers in the
same JSON context, and the document, from where the value begun occurs in it (prompt lookup
decoding). A value may end at any word boundary, so a draft is a tree: a chain of tokens with
branches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .json_state import JsonState
from .llguidance_adapter import Vocabulary

MAX_DRAFT = 64
"""Tokens of a chain or a branch, at most."""

_MAX_VALUE = 32
"""Bytes of an open string up to which its contexts are remembered."""

_MAX_NODES = 1 << 16
"""Contexts that are remembered, at most; each takes some hundred bytes."""

_MAX_EDGES = 8
"""Different tokens after a context, at most, for a draft of several alternatives."""

_WORD_BYTES = 10
"""Bytes of a word and what separates it from the next, to estimate a draft's length."""

_QUOTE, _BACKSLASH = b'"', b"\\"

Branch = list[tuple[int, float]]
"""Tokens, each with the probability that the model generates it and all before it."""


class _Ending(NamedTuple):
    """Probabilities at a word boundary inside a value.

    Attributes:
        ends: that the value ends.
        continues: that it continues as the document does.
    """

    ends: float
    continues: float


@dataclass(frozen=True)
class _Priors:
    """Probabilities where no counts exist; rough estimates, which affect speed alone.

    Attributes:
        worthwhile: a token less probable than this is never drafted.
        ambiguous: that a word which begins like several of the document is the first of these. A
            word that begins like a single one is forced by the grammar.
        repeated: at the end of an earlier value of the same answer.
        inside_repeated: within the beginning of an earlier value of the same answer.
    """

    worthwhile: float = 0.02
    ambiguous: float = 0.6
    repeated: _Ending = field(default=_Ending(0.8, 0.1))
    inside_repeated: _Ending = field(default=_Ending(0.2, 0.7))


_PRIORS = _Priors()


@dataclass(frozen=True)
class Draft:
    """A token tree: a chain, and branches with the number of chain tokens in front of each."""

    chain: Branch
    branches: Sequence[tuple[int, Branch]] = ()

    def probabilities(self) -> list[float]:
        """Return the probabilities of all tokens in descending order."""
        parts = [self.chain, *(branch for _, branch in self.branches)]
        return sorted((p for part in parts for _, p in part), reverse=True)

    def best(self, count: int) -> Draft:
        """Return the subtree of the most probable tokens."""
        descending = self.probabilities()
        if count >= len(descending):
            return self
        least = descending[count - 1] if count else 2.0
        chain = [item for item in self.chain if item[1] >= least][:count]
        left = count - len(chain)
        branches = []
        for at, branch in self.branches:
            kept = [item for item in branch if item[1] >= least][:left]
            left -= len(kept)
            if kept and at <= len(chain):
                branches.append((at, kept))
        return Draft(chain, branches)


class NgramNode:
    """Which tokens followed a context, how often, and to which context each led.

    Attributes:
        field: whose value begins here, if one does.
        total: how many tokens were counted.
        best: the most frequent token; -1 if there is none.
        edges: count and next node of each token.
    """

    __slots__ = ("best", "edges", "field", "total")

    def __init__(self, field: FieldCounts | None = None) -> None:
        self.field = field
        self.total = 0
        self.best = -1
        self.edges: dict[int, tuple[int, NgramNode | None]] = {}

    def add(self, token: int, after: NgramNode | None) -> None:
        """Count a token."""
        count = self.edges.get(token, (0, None))[0] + 1
        self.edges[token] = count, after
        self.total += 1
        if self.best < 0 or count >= self.edges[self.best][0]:
            self.best = token

    def probability(self, token: int) -> float:
        """Return the probability of a token; half a count is taken off, for unseen tokens."""
        return (self.edges[token][0] - 0.5) / self.total


class FieldCounts:
    """How the values of one field ended and which they repeated.

    Attributes:
        boundaries: word boundaries inside or at the end of values.
        ends: at how many of these the value ended.
        copied: at how many it continued as the document does.
        closing: the tokens with which values ended.
        repeats: how often it repeated a value of another field of the same answer.
        values: complete values.
        predicted: how many of these were what ``Drafter`` would have predicted from ``repeats``.
    """

    def __init__(self) -> None:
        self.boundaries = 2
        self.ends = self.copied = 1
        self.closing = NgramNode()
        self.repeats: dict[FieldCounts, int] = {}
        self.values = 1
        self.predicted = 0


class NgramTable:
    """Counts over all answers of one call of ``generate``.

    It lives no longer, so that equal calls give equal results.
    """

    def __init__(self) -> None:
        self._nodes: dict[bytes, NgramNode] = {}
        self._fields: dict[bytes, FieldCounts] = {}

    def node(self, state: JsonState) -> NgramNode | None:
        """Return the node of an answer's context; None if it is not remembered."""
        if state.string is not None and len(state.text) - state.string > _MAX_VALUE:
            return None
        context = state.context
        if context not in self._nodes and len(self._nodes) < _MAX_NODES:
            begins = state.is_value and state.string == len(state.text)
            self._nodes[context] = NgramNode(self.field(state) if begins else None)
        return self._nodes.get(context)

    def field(self, state: JsonState) -> FieldCounts:
        """Return the counts of the field whose value began last."""
        return self._fields.setdefault(state.field, FieldCounts())


class Drafter:
    """Makes drafts for one answer."""

    def __init__(
        self, state: JsonState, text: str, vocabulary: Vocabulary, ngrams: NgramTable
    ) -> None:
        """Begin with an empty answer.

        Args:
            state: parser state of the answer; the caller advances it.
            text: the document's text, from which values are copied.
            vocabulary: of the answer's tokens.
            ngrams: counts over all answers.
        """
        self._state = state
        self._text = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        self._vocabulary = vocabulary
        self._ngrams = ngrams
        self._node = ngrams.node(state)
        self._last_end = 0  # in the text: where the last value ends
        self._values: dict[bytes, FieldCounts] = {}  # of the answer, each with its first field
        # The open value: where it begins, its tokens, and what these write in front of it.
        self._value: int | None = None
        self._field = FieldCounts()
        self._tokens: list[int] = []
        self._lead = b""

    def draft(self) -> Draft:
        """Return the better of both drafts."""
        drafts = self._from_ngrams(), self._from_text()
        return max(drafts, key=lambda draft: sum(draft.probabilities()))

    def add(self, token: int, data: bytes) -> None:
        """Count a token of the answer, after the state has advanced by it."""
        state, field = self._state, self._field
        before, self._node = self._node, self._ngrams.node(state)
        if before is not None:
            before.add(token, self._node)
        if self._value is not None:
            if self._value == state.string:
                begun = bytes(state.text[self._value : -len(data)])
                if _may_end(begun, data):
                    at = self._find(begun)
                    field.boundaries += 1
                    field.copied += at >= 0 and self._text.startswith(data, at + len(begun))
                self._tokens.append(token)
                return
            field.boundaries += 1
            field.ends += 1
            if data.startswith(_QUOTE):
                field.closing.add(token, self._node)
            self._add_value(state.value, field)
        self._value = state.string if state.is_value else None
        if self._value is not None:
            self._field = self._ngrams.field(state)
            self._tokens = [token]
            self._lead = data[: len(data) - (len(state.text) - self._value)]

    def _add_value(self, value: bytes, field: FieldCounts) -> None:
        """Count a complete value."""
        at = self._find(value)
        self._last_end = at + len(value) if at >= 0 else self._last_end
        field.values += 1
        field.predicted += value == self._repeated(field)
        if value in self._values:
            source = self._values[value]
            field.repeats[source] = field.repeats.get(source, 0) + 1
        else:
            self._values[value] = field

    def _repeated(self, field: FieldCounts) -> bytes | None:
        """Return the value of this answer that a field is most likely to repeat."""
        source = max(field.repeats, key=lambda source: field.repeats[source], default=None)
        return next((value for value, known in self._values.items() if known is source), None)

    def _from_ngrams(self) -> Draft:
        """Return the most frequent continuation, with frequent alternatives as branches."""
        chain: Branch = []
        branches = []
        before = 1.0
        for token, p, node in self._most_frequent(self._node, 1.0):
            if node is not None:
                others = self._alternatives(node, before)
                branches += [(len(chain), branch) for branch in others if branch[0][0] != token]
            chain.append((token, p))
            before = p
        return Draft(chain, branches)

    def _alternatives(self, node: NgramNode, before: float) -> list[Branch]:
        """Return a branch for each token that may follow a node.

        Args:
            node: a context.
            before: the probability of reaching it.
        """
        if len(node.edges) > _MAX_EDGES:
            return []
        branches = []
        for token, (_, after) in node.edges.items():
            p = before * node.probability(token)
            if p >= _PRIORS.worthwhile:
                rest = [(t, q) for t, q, _ in self._most_frequent(after, p)]
                branches.append([(token, p), *rest])
        return branches

    def _most_frequent(
        self, node: NgramNode | None, p: float
    ) -> Iterator[tuple[int, float, NgramNode | None]]:
        """Yield the most frequent tokens from a node on, each with its probability and its node.

        Args:
            node: a context.
            p: the probability of reaching it.
        """
        for _ in range(MAX_DRAFT):
            if node is None:
                return
            field = node.field
            value = self._repeated(field) if field else None
            if field and value:
                p *= field.predicted / field.values
                if p < _PRIORS.worthwhile:
                    return
                for token in self._vocabulary.tokenize(value):
                    yield token, p, None
                p *= _PRIORS.repeated.ends
                node = field.closing
            elif node.total:
                p *= node.probability(node.best)
                if p < _PRIORS.worthwhile:
                    return
                yield node.best, p, node
                node = node.edges[node.best][1]
            else:
                return

    def _from_text(self) -> Draft:
        """Return the continuation of the open value in the document, which may end in between."""
        begun = b"" if self._value is None else bytes(self._state.text[self._value :])
        at = self._find(begun)
        if at < 0:
            return Draft([])
        field = self._field
        end = at + len(begun)
        words = min(4 * field.boundaries // field.ends, MAX_DRAFT)
        rest = self._text[end : end + _WORD_BYTES * words]
        tokens = self._vocabulary.tokenize(self._lead + begun + rest)
        written = len(self._tokens)
        if tokens[:written] == self._tokens:
            tokens = tokens[written:]
        else:  # the model began the value with other tokens than the tokenizer would
            tokens = self._vocabulary.tokenize(rest)
        p = 1.0
        chain: Branch = []
        branches = []
        for token in tokens[:MAX_DRAFT]:
            data = self._vocabulary.bytes_of(token)
            if _may_end(begun, data):
                ending = self._ending(begun)
                closing = self._alternatives(field.closing, p * ending.ends)
                branches += [(len(chain), branch) for branch in closing]
                p *= ending.continues
            elif not chain:
                p *= _PRIORS.ambiguous
            if p < _PRIORS.worthwhile:
                break
            chain.append((token, p))
            begun += data
        return Draft(chain, branches)

    def _ending(self, value: bytes) -> _Ending:
        """Return the probabilities that the open value ends here or continues.

        One that begins like an earlier value of the same answer is likely to repeat it.
        """
        if value in self._values:
            return _PRIORS.repeated
        if any(known.startswith(value) for known in self._values):
            return _PRIORS.inside_repeated
        field = self._field
        return _Ending(field.ends / field.boundaries, field.copied / field.boundaries)

    def _find(self, value: bytes) -> int:
        """Return the offset of a value in the text, or -1 without one.

        That is the first occurrence after the last value, or else the first one of all.
        """
        if not value:
            return -1
        at = self._find_from(value, self._last_end)
        return at if at >= 0 else self._find_from(value, 0)

    def _find_from(self, value: bytes, start: int) -> int:
        at = self._text.find(value, start)
        while at > 0 and _inside_word(self._text[max(0, at - 2) : at], value):
            at = self._text.find(value, at + 1)
        return at


def _inside_word(before: bytes, after: bytes) -> bool:
    """Say whether two adjacent pieces of text meet within a word, a character or an escape."""
    if 0x80 <= after[0] < 0xC0 or before[-1:] == _BACKSLASH:
        return True
    escape = before[-2:-1] == _BACKSLASH  # the n of "\n" is no letter
    return not escape and before[-1:].isalnum() and after[:1].isalnum()


def _may_end(value: bytes, rest: bytes) -> bool:
    """Say whether a value may end in front of the rest of the text."""
    if not value or not rest or value[-1:].isspace() or value[-2:-1] == _BACKSLASH:
        return False
    return not _inside_word(value, rest)
