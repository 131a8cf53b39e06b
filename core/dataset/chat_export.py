"""Chat export: the windows of a training as conversations for other tools, or as decoded text."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from ..data import SPLITS, Message
from ..files import open_atomically, write_lines
from ..files.special import is_special
from ..model.prompts import PromptFormat
from ..windows.rows import DocumentWindows, WindowExample

FORMATS = ("jsonl", "json")
"""Formats of the files in a folder."""

_SLASHES = tuple(filter(None, (os.sep, os.altsep)))


def stale_files(folder: Path, written: Collection[Path]) -> list[Path]:
    """Return the files of an earlier export that are none of those which are written now.

    Their documents may be in another split by now, and a folder is read as a whole.
    """
    known = (folder / f"{split}.{suffix}" for split in SPLITS for suffix in FORMATS)
    return [file for file in known if file not in written and file.is_file()]


def chat_rows(document: DocumentWindows) -> Iterator[dict[str, Any]]:
    """Yield each trained window of a document as ``id, window, messages``, the answer last."""
    for number in sorted(document.trained):
        window = document.windows[number]
        messages = [*window.messages, Message("assistant", window.text)]
        yield {
            "id": document.example.document.id,
            "window": number + 1,
            "messages": [asdict(message) for message in messages],
        }


def is_folder(name: str) -> bool:
    """Say whether an export is a folder with a file for each split.

    It is one, is named with a slash at the end, or has no suffix.
    """
    path = Path(name)
    return path.is_dir() or name.endswith(_SLASHES) or not (path.suffix or is_special(path))


@contextmanager
def open_chat(file: Path) -> Iterator[Callable[[DocumentWindows], None]]:
    """Open a file of conversations, and give a function that writes those of a document.

    It gets its name once all are written.

    Args:
        file: one whose name ends in ``.json`` is a JSON list; another has one conversation a line.

    Raises:
        OutputError: it cannot be written.
    """
    with open_atomically(file) as stream:
        if file.suffix != ".json":
            yield lambda document: write_lines(stream, chat_rows(document))
            return
        between = "["

        def add(document: DocumentWindows) -> None:
            nonlocal between
            for row in chat_rows(document):
                stream.write(f"{between}\n{json.dumps(row, ensure_ascii=False)}")
                between = ","

        yield add
        stream.write("[]\n" if between == "[" else "\n]\n")


def text_runs(window: WindowExample, prompts: PromptFormat) -> list[tuple[str, str]]:
    """Return the tokens of a window as text: runs of (text, "prompt", "answer" or "control").

    Document text that is spelt like a control token is "prompt", as the model reads it.
    """
    control, runs = control_ids(prompts), []
    for kind, ids in (("prompt", window.prompt), ("answer", window.answer)):
        for is_control, run in groupby(ids, control.__contains__):
            text = prompts.tokenizer.decode(
                list(run), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            runs.append((str(text), "control" if is_control else kind))
    return runs


def control_ids(prompts: PromptFormat) -> set[int]:
    """Return the ids of the tokenizer's control tokens."""
    return {*prompts.tokenizer.all_special_ids, *prompts.tokenizer.get_added_vocab().values()}
