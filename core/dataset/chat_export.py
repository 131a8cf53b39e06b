"""The conversations that training reads: as a file for other tools, and as the model sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from ..data import Message
from ..model.prompts import PromptFormat
from ..windows.rows import DocumentRows, Reading


def conversations(made: DocumentRows) -> Iterator[dict[str, Any]]:
    """Yield each trained window of a document as ``id, window, messages``, the answer last."""
    for number in sorted(made.trained):
        reading = made.readings[number]
        messages = [*reading.messages, Message("assistant", reading.text)]
        yield {
            "id": made.example.document.id,
            "window": number + 1,
            "messages": [asdict(message) for message in messages],
        }


def pieces(reading: Reading, prompts: PromptFormat) -> list[tuple[str, str]]:
    """Return (text, "prompt" or "answer" or "control") of a window's tokens, in order.

    What a document writes like a control token is text here too, and told from a real one.
    """
    return [
        *_decoded(reading.prompt, "prompt", prompts),
        *_decoded(reading.answer, "answer", prompts),
    ]


def _decoded(ids: Sequence[int], kind: str, prompts: PromptFormat) -> Iterator[tuple[str, str]]:
    tokenizer = prompts.tokenizer
    control = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    for is_control, run in groupby(ids, control.__contains__):
        text = tokenizer.decode(
            list(run), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        yield str(text), "control" if is_control else kind
