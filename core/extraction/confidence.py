"""Confidence of generated values: the probability that the model gave to each leaf's tokens."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Sequence

from ..data import Span
from ..decoding.partial_json import DECODER, skip_space
from ..schema.pointers import pointer_of


def leaf_spans(text: str) -> dict[str, Span]:
    """Return JSON Pointer -> span of every leaf in a JSON text, the quotes left out.

    Raises:
        ValueError: the text is no JSON.
    """
    json.loads(text)  # the scanner below relies on a text that parses
    spans: dict[str, Span] = {}
    _scan(text, skip_space(text, 0), (), spans)
    return spans


def _scan(text: str, at: int, path: tuple[str | int, ...], spans: dict[str, Span]) -> int:
    """Record the leaves of the value at ``at``; return the offset after it."""
    if text[at] in "[{":
        return _scan_container(text, at, path, spans)
    _value, end = DECODER.raw_decode(text, at)
    quote = 1 if text[at] == '"' else 0
    spans[pointer_of(path)] = (at + quote, end - quote)
    return end


def _scan_container(text: str, at: int, path: tuple[str | int, ...], spans: dict[str, Span]) -> int:
    is_object, closing = text[at] == "{", "}" if text[at] == "{" else "]"
    at, number = skip_space(text, at + 1), 0
    while text[at] != closing:
        step: str | int = number
        if is_object:
            step, after_key = DECODER.raw_decode(text, at)
            at = skip_space(text, skip_space(text, after_key) + 1)
        at = skip_space(text, _scan(text, at, (*path, step), spans))
        if text[at] == ",":
            at = skip_space(text, at + 1)
        number += 1
    return at + 1


def leaf_confidence(text: str, ends: Sequence[int], logprobs: Sequence[float]) -> dict[str, float]:
    """Return JSON Pointer -> probability that the model gave the leaf, in (0, 1].

    The probability of a leaf is the product of those of the tokens that overlap it, the token
    that holds its closing quote included: where a value ends is part of the value.

    Args:
        text: the answer, which is JSON.
        ends: for each token, the offset in ``text`` after it, in code points; never falling.
        logprobs: for each token, the natural logarithm of its probability.
    """
    confidence = {}
    starts = [0, *ends[:-1]]
    for pointer, (start, end) in leaf_spans(text).items():
        total = sum(logprobs[bisect_right(ends, start) : bisect_right(starts, end)])
        confidence[pointer] = max(round(math.exp(min(0.0, total)), 6), 1e-6)
    return confidence
