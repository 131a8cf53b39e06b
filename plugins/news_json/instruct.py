"""Read the original instruct rows: a page's text, and a record written by Python's ``repr``.

::

    {"instruction": " No ferry to Vellin on Monday  Skip to content News Weather ...",
     "output": "{'Country': 'Ireland', 'Hit Sentence': '... waited at the quay ...', ...}"}

The output may also be the record itself, or JSON. A row with the record's keys and no page, as
``extract export --format original`` writes it, is read as a record without text.
"""

from __future__ import annotations

import ast
import json
import re
import warnings

from fieldsmith import Document, Example, Record, Reject, parse_json

from . import names
from .rows import Row
from .snippets import digest, one_line, uncut

KEYS = (
    "Country", "Headline", "Hit Sentence", "Influencer",
    "Language", "Opening Text", "Source", "URL",
)  # fmt: skip
CUT = ("Hit Sentence", "Opening Text")
"""The snippet fields, which the original cuts and marks with an ellipsis."""

_NAMED = {"Country": names.country, "Language": names.language}

_LONGEST_ANSWER = 100_000
"""Length limit of an answer in characters; usual answers have some hundreds."""

_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_FLAT = re.compile(r"\{(?:[\s:,]|None)*\}")


def is_row(row: Row) -> bool:
    """Return whether a row has this format."""
    return "instruction" in row or any(key in row for key in KEYS)


def example(row: Row, place: str, split: str | None) -> Example | Reject:
    """Return the example of a row, or a Reject that says what is wrong with it."""
    given = row.get("id")
    has_id = isinstance(given, str | int) and not isinstance(given, bool) and given != ""
    if "instruction" not in row:
        if not has_id:
            return Reject(place, "id", "a record without its page needs an id")
        return _example(str(given), "", row, place, split)
    page, output = row["instruction"], row.get("output")
    if not isinstance(page, str) or not page.strip():
        return Reject(place, "instruction", "the page's text is wanted, as a string")
    document_id = str(given) if has_id else f"page-{digest(page)[:12]}"
    if output is None:
        return Example(Document(document_id, page), None, {}, split, place)
    answer = _answer(output)
    if isinstance(answer, str):
        return Reject(place, "output", answer, document_id, Document(document_id, page))
    return _example(document_id, page, answer, place, split)


def addressed(text: str, url: str | None) -> str:
    """Return a page's text below a line with its address, for the model to copy."""
    return f"URL: {url}\n{text}" if url else text


def _example(
    document_id: str, page: str, answer: Row, place: str, split: str | None
) -> Example | Reject:
    record = _record(answer)
    if isinstance(record, tuple):
        document = Document(document_id, page) if page else None
        return Reject(place, *record, document_id, document)
    url = record.get("URL")
    text = addressed(page, url) if page else ""
    document = Document(document_id, text, {"url": url} if url else {})
    return Example(document, record, {}, split, place)


def _answer(output: object) -> Row | str:
    """Return the record of an answer, or the reason why it is invalid."""
    if isinstance(output, str):
        try:
            output = _read(output)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
            return f"neither JSON nor a Python literal: {one_line(str(error))[:100]}"
    return output if isinstance(output, dict) else f"an object is wanted, not {_kind(output)}"


def _read(answer: str) -> object:
    """Parse JSON, or the Python literal of a flat dict of strings. Nothing is evaluated.

    A deeply nested literal can crash Python's parser, so nested ones are refused before.
    """
    answer = answer.strip()
    if len(answer) > _LONGEST_ANSWER:
        raise ValueError(f"{len(answer)} characters; at most {_LONGEST_ANSWER} are read")
    try:
        return parse_json(answer)
    except json.JSONDecodeError:
        if not _FLAT.fullmatch(_STRING.sub("", answer)):
            raise ValueError("not a flat dict of strings and None") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid escapes, which the user cannot repair
        tree = ast.parse(answer, mode="eval").body
    if isinstance(tree, ast.Dict):
        keys = [ast.literal_eval(key) for key in tree.keys if key]
        if len(set(keys)) < len(keys):
            raise ValueError("a key is given twice; keep one")
    return ast.literal_eval(tree)


def _record(answer: Row) -> Record | tuple[str, str]:
    """Return the normalised record of an answer, or the invalid field and the reason."""
    record: Record = {}
    for key in KEYS:
        if key not in answer:
            continue
        value = answer[key]
        if not isinstance(value, str | None):
            return key, f"a string is wanted, not {_kind(value)}"
        plain = uncut(value or "") if key in CUT else (value or "").strip()
        named = _NAMED[key](plain) if key in _NAMED else plain
        if named is None and plain:
            return key, f"{plain[:60]!r} is no name or code that is known (names.json)"
        record[key] = named or None
    return record


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
