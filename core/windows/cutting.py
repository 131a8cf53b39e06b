"""What the model reads at once: documents cut into windows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..data import Document, Span
from ..model.prompts import PromptFormat
from ..settings import Settings
from ..text.boundaries import Borders, sentences, word_end, word_start


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
    and the ends of the windows rise. Under "tokens" a window ends where a section does, if one
    does in the second half of what it could hold, else where a paragraph or a sentence does in the
    last quarter, else at a word; the next one begins with a sentence, or else a word, of the last
    ``window_overlap`` tokens. Under "sentences" a sentence of more than ``window_size`` tokens is
    cut like a document under "tokens". Linear in the length of the document.
    """
    text = document.text
    spans = [(0, len(text))]
    if settings.window == "sentences":
        spans = sentences(text) or spans
    if settings.window != "document":
        spans = [part for span in spans for part in _token_spans(text, span, settings, prompts)]
    return [Window(Document(document.id, text[a:b], document.meta), a) for a, b in spans]


def share_read(text: str, windows: Iterable[Window]) -> float:
    """Return the share of a text's characters, white space left out, that stand in some windows."""
    read = reached = 0
    for start, end in sorted((window.start, window.end) for window in windows):
        read += _seen(text[max(reached, start) : end])
        reached = max(reached, end)
    return read / max(1, _seen(text))


def _seen(text: str) -> int:
    return sum(map(len, text.split()))


def _token_spans(text: str, span: Span, settings: Settings, prompts: PromptFormat) -> list[Span]:
    """Cut a span into runs of at most ``window_size`` tokens that overlap."""
    start, end = span
    size, overlap = settings.window_size, settings.window_overlap
    tokens = [(start + a, start + b) for a, b in prompts.offsets(text[start:end])]
    if len(tokens) <= size or not text[start:end].strip():
        return [span]
    borders = Borders.of(text, span)
    spans: list[Span] = []
    here = reached = _skip_space(text, start, end)
    while here < end:
        last = bisect_left(tokens, (here, 0)) + size
        guess = tokens[last - 1][1] if last < len(tokens) else end
        stop = _fitting(text, (here, guess), end, size, prompts)
        if stop <= reached:  # nothing but overlap: go on behind it
            here = _skip_space(text, reached, end)
            continue
        if stop < end:
            whole = borders.end(reached, stop)  # measured on what is new: windows stay few
            fits = whole is not None and prompts.count(text[here:whole]) <= size
            stop = whole if whole is not None and fits else stop
        spans.append((here, stop))
        reached = stop
        here = _shared(text, tokens, overlap, spans[-1], borders) or _skip_space(text, stop, end)
    return spans


def _shared(
    text: str, tokens: Sequence[Span], overlap: int, window: Span, borders: Borders
) -> int | None:
    """Return where the next window begins, inside of the one before; None where it does not.

    That is the first sentence's beginning that leaves half of the overlap or more, else a word's.
    """
    start, stop = window
    last = bisect_left(tokens, (stop, 0))
    if not overlap:
        return None
    shared, half = tokens[max(last - overlap, 0)][0], tokens[max(last - (overlap + 1) // 2, 0)][0]
    again = borders.start(max(shared, start + 1), half + 1)
    if again is None:
        again = word_start(text, shared, start)
    return again if start < again < stop else None


def _fitting(text: str, span: Span, end: int, size: int, prompts: PromptFormat) -> int:
    """Move the end of a span back to a word's end, and so far that it has ``size`` tokens at most.

    The tokens of a part of a text are not those of the whole: they have to be counted again. One
    character may be more tokens than ``size``; it stays.
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
