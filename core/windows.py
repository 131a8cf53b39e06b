"""What the model reads at once: documents cut into windows."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import sentencex

from .data import Document, Span
from .prompts import PromptFormat
from .settings import Settings


@dataclass(frozen=True)
class Window:
    """A part of a document that the model reads at once.

    document: the window as a document of its own, for the prompt; id and meta are the whole's.
    start: offset of its first character in the whole document, in code points.
    """

    document: Document
    start: int

    @property
    def end(self) -> int:
        """Offset after its last character in the whole document."""
        return self.start + len(self.document.text)


def cut(document: Document, settings: Settings, prompts: PromptFormat) -> list[Window]:
    """Cut a document into the windows that ``settings.window`` asks for; at least one.

    Every character that is not white space stands in at least one window, and both the starts
    and the ends of the windows rise. Under "sentences" a sentence of more than ``window_size``
    tokens is cut like a document under "tokens".
    """
    text = document.text
    spans = [(0, len(text))]
    if settings.window == "sentences":
        spans = _sentences(text) or spans
    if settings.window != "document":
        spans = [part for span in spans for part in _token_spans(text, span, settings, prompts)]
    return [Window(Document(document.id, text[a:b], document.meta), a) for a, b in spans]


def _sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, white space around them left out."""
    spans, at = [], 0
    for sentence in sentencex.segment("en", text):
        inside = sentence.strip()
        if inside:
            start = text.index(inside, at)
            at = start + len(inside)
            spans.append((start, at))
    return spans


def _token_spans(text: str, span: Span, settings: Settings, prompts: PromptFormat) -> list[Span]:
    """Cut a span into runs of at most ``window_size`` tokens that overlap, at word borders."""
    start, end = span
    size, overlap = settings.window_size, settings.window_overlap
    tokens = [(start + a, start + b) for a, b in prompts.offsets(text[start:end])]
    if len(tokens) <= size or not text[start:end].strip():
        return [span]
    spans: list[Span] = []
    here = reached = _skip_space(text, start, end)
    while here < end:
        last = bisect_left(tokens, (here, 0)) + size
        guess = tokens[last - 1][1] if last < len(tokens) else end
        stop = _fitting(text, (here, guess), end, size, prompts)
        if stop <= reached:  # nothing but overlap: go on behind it
            here = _skip_space(text, reached, end)
            continue
        spans.append((here, stop))
        reached = stop
        first = max(bisect_left(tokens, (stop, 0)) - overlap, 0)
        again = _word_start(text, tokens[first][0], here) if overlap else stop
        here = again if here < again < stop else _skip_space(text, stop, end)
    return spans


def _fitting(text: str, span: Span, end: int, size: int, prompts: PromptFormat) -> int:
    """Move the end of a span back to a word's end, and so far that it has ``size`` tokens at most.

    The tokens of a part of a text are not those of the whole: they have to be counted again. One
    character may be more tokens than ``size``; it stays.
    """
    start, stop = span
    while True:
        stop = _word_end(text, stop, start, end)
        offsets = prompts.offsets(text[start:stop])
        if len(offsets) <= size or stop == start + 1:
            return stop
        stop = max(start + 1, min(stop - 1, start + offsets[size - 1][1]))


_LONGEST_WORD = 64
"""Characters that a border is moved to spare a word; text without white space is cut anywhere."""


def _skip_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at


def _word_start(text: str, at: int, lowest: int) -> int:
    """Move an offset over white space, or back to where its word begins."""
    here = at = _skip_space(text, at, len(text))
    while here > max(lowest, at - _LONGEST_WORD) and not text[here - 1].isspace():
        here -= 1
    return here if here == lowest or text[here - 1].isspace() else at


def _word_end(text: str, at: int, lowest: int, end: int) -> int:
    """Move an offset back to where a word ends; above ``lowest``, whatever stands there."""
    here = at
    while here > max(lowest + 1, at - _LONGEST_WORD) and here < end and not text[here].isspace():
        here -= 1
    here = here if here == end or text[here].isspace() else at
    while here > lowest + 1 and text[here - 1].isspace():
        here -= 1
    return here
