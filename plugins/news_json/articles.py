"""Read article rows: paragraphs and the metadata of the article.

::

    {"title": "Storm over Vellin", "authors": ["Jane Roe"], "publisher": "VellinPost",
     "site_name": "The Vellin Post", "country": "Ireland", "lang": "en-IE",
     "url": "https://vellin.example/storm", "summary": ["Roofs are off."],
     "paragraphs": ["A storm came over the bay on Monday.", "Nobody was hurt."]}

The paragraphs contain neither title nor author, so the row is converted to a page (``layout``). A
missing key, or an empty language or country, is not annotated; ``null`` and an empty list of
authors mean that there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fieldsmith import Document, Example, Record, Reject, renamed

from . import layout, names
from .opening import first_sentences
from .rows import Row
from .snippets import digest, one_line, uncut

KEYS = {
    "Country": "country",
    "Headline": "title",
    "Hit Sentence": "hit_sentence",
    "Influencer": "authors",
    "Language": "lang",
    "Source": "site_name",
    "URL": "url",
}
"""Keys of a row, by the fields of the record that they stand for."""


class _Fault(ValueError):
    """An invalid value of a row; its arguments are the key and the reason."""


def is_row(row: Row) -> bool:
    """Return whether a row has this format."""
    return "paragraphs" in row


def with_own_keys(row: Row, names: Mapping[str, str]) -> Row:
    """Return a row in which a key that stands for a field has the name of this format for it."""
    own = {key: KEYS.get(names[key], names[key]) for key in row if key in names}
    return renamed(row, own)


def example(row: Row, place: str, split: str | None) -> Example | Reject:
    """Return the example of a row, or a Reject that says what is wrong with it."""
    document_id = ""
    try:
        document_id = _id(row)
        record = _record(row)
        text = layout.page(_article(row, record, document_id))
    except _Fault as fault:
        key, reason = fault.args
        return Reject(place, key, reason, document_id)
    meta = {"url": record["URL"]} if record["URL"] else {}
    return Example(Document(document_id, text, meta), record, {}, split, place)


def _id(row: Row) -> str:
    """Return the row's own id, or a hash of its address and text."""
    given = row.get("id")
    if isinstance(given, str | int) and not isinstance(given, bool) and given != "":
        return str(given)
    known = [_text(row, "url") or "", _text(row, "title") or "", *_texts(row, "paragraphs")]
    return f"article-{digest(chr(10).join(known))[:12]}"


def _record(row: Row) -> Record:
    language = _name(row, names.language, "lang", "language")
    authors = _texts(row, "authors")
    found: Record = {
        "Country": _name(row, names.country, "country", "country_code"),
        "Headline": _text(row, "title"),
        "Hit Sentence": uncut(_text(row, "hit_sentence") or "") or None,
        "Influencer": layout.joined(authors, language) if authors else None,
        "Language": language,
        "Opening Text": _text(row, "Opening Text") or first_sentences(_paragraphs(row)[0]),
        "Source": _text(row, "site_name") or _text(row, "publisher"),
        "URL": _text(row, "url"),
    }
    annotated = {
        "Country": bool(found["Country"]),
        "Headline": "title" in row,
        "Hit Sentence": "hit_sentence" in row,
        "Influencer": "authors" in row,
        "Language": bool(language),
        "Source": "site_name" in row or "publisher" in row,
    }
    return {key: value for key, value in found.items() if annotated.get(key, True)}


def _article(row: Row, record: Record, document_id: str) -> layout.Article:
    topics = _texts(row, "topics")
    return layout.Article(
        document_id,
        record.get("Headline"),
        _paragraphs(row),
        record.get("Influencer"),
        record.get("Source"),
        record["URL"],
        record.get("Language"),
        topics[0] if topics else None,
        (_text(row, "publishing_date") or "")[:10] or None,
    )


def _paragraphs(row: Row) -> list[str]:
    """Return the standfirst, if there is one, and the paragraphs.

    Raises:
        _Fault: there is no text.
    """
    found = [*_texts(row, "summary")[:1], *_texts(row, "paragraphs")]
    if not found:
        raise _Fault("paragraphs", "no text in it; give a list of strings")
    return found


def _name(row: Row, named: Callable[[str], str | None], *keys: str) -> str | None:
    """Return the canonical name for the first non-empty key; None if all are empty."""
    given = next(((key, text) for key in keys if (text := _text(row, key))), None)
    if given is None:
        return None
    found = named(given[1])
    if found is None:
        reason = f"{given[1][:60]!r} is no name or code that is known (names.json)"
        raise _Fault(given[0], reason)
    return found


def _text(row: Row, key: str) -> str | None:
    value = row.get(key)
    if not isinstance(value, str | None):
        raise _Fault(key, f"a string is wanted, not {type(value).__name__}")
    return one_line(value or "") or None


def _texts(row: Row, key: str) -> list[str]:
    value: Any = row.get(key) or []
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise _Fault(key, "a list of strings is wanted")
    return [line for item in items if (line := one_line(item))]
