"""The conversations that training reads: as a file for other tools, and as the model sees them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from .data import Message
from .errors import OutputError
from .prompts import PromptFormat
from .rows import DocumentRows, Reading


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


@contextmanager
def jsonl_writer(path: Path) -> Iterator[TextIO]:
    """Open a file that takes its name once all is written; until then it has another beside it.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            temporary.unlink()  # gone already where all went well


def write_lines(stream: TextIO, rows: Iterable[object]) -> None:
    """Write one compact JSON value a line."""
    for row in rows:
        stream.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


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
