"""A document's text as HTML with the values of a prediction marked in it, for notebooks."""

from __future__ import annotations

from html import escape

from ..data import Prediction, Span
from ..schema.pointers import parse_pointer, value_at

_WEAKEST, _STRONGEST = 0.15, 0.75
"""How strong the shade of a value is, by its confidence."""


def marked_html(prediction: Prediction) -> str:
    """Return the text of a prediction's document with its values shaded by their confidence.

    Of values that overlap, the first and longest is marked. The others, and those that the text
    does not contain, follow the text. The text is never read as markup.

    Args:
        prediction: what a model extracted; without a record its error is shown.
    """
    if prediction.record is None:
        return f"<p>{escape(prediction.error or 'no record')}</p>"
    text, at, parts, marked = prediction.document.text, 0, [], set()
    for pointer, (start, end) in sorted(prediction.spans.items(), key=lambda item: _order(item[1])):
        if start >= at:
            parts += [escape(text[at:start]), _mark(prediction, pointer, text[start:end])]
            at = end
            marked.add(pointer)
    parts.append(escape(text[at:]))
    others = [
        _mark(prediction, pointer, str(value_at(pointer, prediction.record)))
        for pointer in prediction.confidence
        if pointer not in marked
    ]
    return (
        f'<div style="white-space: pre-wrap; line-height: 2">{"".join(parts)}</div>'
        f"<div>{' '.join(others)}</div>"
    )


def _order(span: Span) -> tuple[int, int]:
    start, end = span
    return start, -end


def _mark(prediction: Prediction, pointer: str, value: str) -> str:
    """Return a value with its field and its confidence below."""
    field = "/".join(part for part in parse_pointer(pointer) if not part.isdigit())
    confidence = prediction.confidence.get(pointer)
    label = field if confidence is None else f"{field} {confidence:.2f}"
    strength = _WEAKEST + (_STRONGEST - _WEAKEST) * (confidence or 0)
    return (
        f'<mark style="color: inherit; background: rgba(255, 160, 0, {strength:.2f})" '
        f'title="{escape(pointer)}">{escape(value)}<sub>{escape(label)}</sub></mark>'
    )
