"""Export records in the original format: one JSON object per line, snippets with ellipses."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fieldsmith import Record, UnknownFormatError

from .instruct import CUT, KEYS

_OPENING = 140
"""Length in characters at which the original cuts an opening, at the end of a word."""

_FULL_STOPS = tuple(".!?。！？؟।;")
_QUOTES = "\"'”’»«“)]」』"


def exported(records: Mapping[str, Record], form: str) -> str:
    """Return records as the text of a file in the original format.

    Args:
        records: the records, by document id.
        form: name of the format; only "original" is known.

    Raises:
        UnknownFormatError: ``form`` is something else.
    """
    if form != "original":
        raise UnknownFormatError(f"unknown format {form!r}; known is original")
    return "".join(
        json.dumps({"id": name, **_original(record)}, ensure_ascii=False) + "\n"
        for name, record in records.items()
    )


def _original(record: Record) -> Record:
    whole = {key: record.get(key) for key in KEYS}
    return whole | {key: _snippet(record, key) for key in CUT}


def _snippet(record: Record, key: str) -> str | None:
    """Return a snippet with "..." at the ends where it is cut.

    A snippet counts as cut at its end unless a sentence ends there, and a hit as cut at its
    beginning unless the opening begins with it. An opening of more than ``_OPENING`` characters is
    cut here.
    """
    text: str | None = record.get(key)
    if not text:
        return None
    opening = record.get("Opening Text") or ""
    before = "" if key == "Opening Text" or opening.startswith(text) else "... "
    shown = _shortened(text) if key == "Opening Text" else text
    is_whole = shown == text and text.rstrip(_QUOTES).endswith(_FULL_STOPS)
    return f"{before}{shown}{'' if is_whole else ' ...'}"


def _shortened(text: str) -> str:
    if len(text) <= _OPENING:
        return text
    words, _space, _cut = text[: _OPENING + 1].rpartition(" ")
    return words or text[:_OPENING]
