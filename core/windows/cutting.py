"""Cut documents into windows: the parts that the model reads one at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..data import Document, Span
from ..model.prompts import PromptFormat
from ..settings import Settings
from ..text.boundaries import Boundaries, sentences, word_end, word_start


@dataclass(frozen=True)
class Window:
    """A part of a document that the model reads at once.

    Attributes:
        document: the window as a document of its own, with id and meta of the whole document.
        start: offset of its first character in the whole document, in code points.
    """

    document: Document
    start: int

    @property
    def end(self) -> int:
        """Offset after its last character in the whole document."""
        return self.start + len(self.document.text)


def cut(document: Document, settings: Settings, prompts: PromptFormat) -> list[Window]:
    """Cut a document into windows as ``settings.window`` says; returns at least one.

    Every character that is not white space is in at least one window, and both the starts and the
    ends of the windows rise. With ``read_characters`` these are the characters of the words that
    end within so many from the beginning. Linear in the length of the document.

    - "document": one window.
    - "sentences": a window each; one of more than ``window_size`` tokens is cut as "tokens" are.
    - "tokens": windows of at most ``window_size`` tokens. A window ends at the end of a section, if
      there is one in the second half of what it can hold, else of a paragraph or a sentence in the
      last quarter, else of a word. The next one starts with a sentence, or else a word, in the
      last ``window_overlap`` tokens of the one before.
    """
    text = document.text
    if 0 < settings.read_characters < len(text):
        text = text[: word_end(text, settings.read_characters, 0, len(text))]
    spans = [(0, len(text))]
    if settings.window == "sentences":
        spans = sentences(text) or spans
    if settings.window != "document":
        spans = [part for span in spans for part in _token_spans(text, span, settings, prompts)]
    return [Window(Document(document.id, text[a:b], document.meta), a) for a, b in spans]


def share_read(text: str, windows: Iterable[Window]) -> float:
    """Return the share of a text's characters, without white space, that windows cover."""
    covered = reached = 0
    for start, end in sorted((window.start, window.end) for window in windows):
        covered += _visible(text[max(reached, start) : end])
        reached = max(reached, end)
    return covered / max(1, _visible(text))


def _visible(text: str) -> int:
    """Count the characters that are not white space."""
    return sum(map(len, text.split()))


def _token_spans(text: str, span: Span, settings: Settings, prompts: PromptFormat) -> list[Span]:
    """Cut a span into overlapping spans of at most ``window_size`` tokens."""
    start, end = span
    size, overlap = settings.window_size, settings.window_overlap
    tokens = [(start + a, start + b) for a, b in prompts.offsets(text[start:end])]
    if len(tokens) <= size or not text[start:end].strip():
        return [span]
    boundaries = Boundaries.find(text, span)
    spans: list[Span] = []
    here = covered = _skip_space(text, start, end)
    while here < end:
        last = bisect_left(tokens, (here, 0)) + size
        guess = tokens[last - 1][1] if last < len(tokens) else end
        stop = _shorten(text, (here, guess), end, size, prompts)
        if stop <= covered:  # the window is all overlap: start after it
            here = _skip_space(text, covered, end)
            continue
        if stop < end:
            # Measured on the new part of the window alone, so that windows stay few.
            better = boundaries.best_end(covered, stop)
            if better is not None and prompts.count(text[here:better]) <= size:
                stop = better
        spans.append((here, stop))
        covered = stop
        next_start = _start_in_overlap(text, tokens, overlap, spans[-1], boundaries)
        here = next_start or _skip_space(text, stop, end)
    return spans


def _start_in_overlap(
    text: str, tokens: Sequence[Span], overlap: int, window: Span, boundaries: Boundaries
) -> int | None:
    """Return where the next window starts within the last one; None if it does not.

    That is the first sentence start that leaves at least half of the overlap, else a word start.
    """
    start, stop = window
    last = bisect_left(tokens, (stop, 0))
    if not overlap:
        return None
    lowest, half = tokens[max(last - overlap, 0)][0], tokens[max(last - (overlap + 1) // 2, 0)][0]
    found = boundaries.first_start(max(lowest, start + 1), half + 1)
    if found is None:
        found = word_start(text, lowest, start)
    return found if start < found < stop else None


def _shorten(text: str, span: Span, end: int, size: int, prompts: PromptFormat) -> int:
    """Return a word end up to which the span has at most ``size`` tokens.

    The tokens of a part of a text are not those of the whole text, so they are counted again. A
    single character may be more than ``size`` tokens; it is kept whole.
    """
    start, stop = span
    while True:
        stop = word_end(text, stop, start, end)
        offsets = prompts.offsets(text[start:stop])
        if len(offsets) <= size or stop == start + 1:
            return stop
        stop = max(start + 1, min(stop - 1, start + offsets[size - 1][1]))


def _skip_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at
