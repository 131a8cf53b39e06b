"""Check the values that a plugin's hooks return, and copy them to plain types.

Everything that a plugin gives to the core passes through here once, so that no other code has to
doubt it: ids and texts are strings, records are JSON, counts are numbers that can be summed.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ..data import SPLITS, Counts, Document, Example, Message, PageWord, Reject, Span, Teacher
from ..errors import did_you_mean
from ..files import readable
from .calls import WrongValueError

ROLES = ("system", "user", "assistant")

_DEEPEST = 64
"""Deepest nesting of a record, as ``files.parse_json`` has it."""

_MOST_VALUES = 1_000_000
"""Most values in a record: one that contains itself in several places has no end."""

_MOST_COUNTED = 10**12
"""Largest count of a document: the sum over many documents stays exact."""

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = _REPR.maxset = 4
_REPR.maxlevel = 3


def shown(value: object) -> str:
    """Return the type and a short ``repr`` of any value, whatever its own ``__repr__`` does."""
    try:
        text = _REPR.repr(value)
    except BaseException:  # its __repr__ is code of the plugin, too
        text = "(its repr cannot be read)"
    return f"{type(value).__name__} {text[:200]}"


def checked_row(row: object) -> Example | Reject:
    """Return a row of a loader in plain types; a reject where an example cannot be written as JSON.

    Raises:
        WrongValueError: it is no Example or Reject, or a part of it is of another type.
    """
    if isinstance(row, Reject):
        return _reject(row)
    if not isinstance(row, Example):
        raise WrongValueError(f"yielded {shown(row)}; it has to be Example and Reject alone")
    document = _document(row.document, "an Example whose document")
    place = readable(_text(row.place, "an Example whose place"))
    mentions, passed_over = _mentions(row.mentions), _passed_over(row.passed_over)
    given: object = row.record
    if not isinstance(given, Mapping | None):
        wanted = "a dict, or None for an unlabelled document"
        raise _wrong("an Example whose record", given, wanted)
    sound: Document | None = None
    try:
        _check_encodable(document)
        sound = document
        record = None if given is None else plain(given)
    except ValueError as error:
        id_ = readable(document.id)
        return Reject(place or id_, "", str(error), id_, sound)
    split, teacher = _split(row.split), _teacher(row.teacher)
    is_proposed = row.is_proposed is True
    return Example(document, record, mentions, split, place, passed_over, teacher, is_proposed)


def _reject(row: Reject) -> Reject:
    place, field, reason, id_ = (
        readable(_text(getattr(row, name), f"a Reject whose {name}"))
        for name in ("place", "field", "reason", "id")
    )
    document = row.document
    if document is not None:
        document = _document(document, "a Reject whose document")
        try:
            _check_encodable(document)
        except ValueError:
            document = None
    return Reject(place, field, reason, id_, document)


def _teacher(given: object) -> Teacher | None:
    if given is None:
        return None
    if not isinstance(given, Teacher):
        raise _wrong("an Example whose teacher", given, "a Teacher, or None")
    what = "an Example whose teacher"
    return Teacher(_text(given.model, f"{what}.model"), _text(given.licence, f"{what}.licence"))


def _check_encodable(document: Document) -> None:
    for text in (document.id, document.text, *document.meta, *document.meta.values()):
        _encodable(text)


def _passed_over(kinds: object) -> tuple[str, ...]:
    if not isinstance(kinds, Sequence) or isinstance(kinds, str):
        raise _wrong("an Example whose passed_over", kinds, "a list of strings")
    return tuple(readable(_text(kind, "an Example with a passed_over that")) for kind in kinds)


def _document(document: object, what: str) -> Document:
    if not isinstance(document, Document):
        raise _wrong(what, document, "a fieldsmith.Document")
    id_, text = _text(document.id, f"{what}.id"), _text(document.text, f"{what}.text")
    meta = document.meta
    if not isinstance(meta, Mapping):
        raise _wrong(f"{what}.meta", meta, "a dict of strings")
    known = {
        _text(key, f"{what}.meta with a key that"): _text(value, f"{what}.meta[{_REPR.repr(key)}]")
        for key, value in meta.items()
    }
    return Document(id_, text, known, _words(document.words, text, what))


def _words(words: object, text: str, what: str) -> tuple[PageWord, ...]:
    if not isinstance(words, Sequence) or not all(isinstance(word, PageWord) for word in words):
        raise _wrong(f"{what}.words", words, "a list of fieldsmith.PageWord")
    end = 0
    for word in words:
        are_numbers = all(type(each) in (int, float) and math.isfinite(each) for each in word)
        are_whole = all(type(each) is int for each in word[:3])
        if not (are_numbers and are_whole and end <= word.start < word.end <= len(text)):
            raise _wrong(f"{what}.words", word, "words of its text, in their order")
        end = word.end
    return tuple(words)


def _split(split: object) -> str | None:
    if split is None:
        return None
    name = _text(split, "an Example whose split")
    if name not in SPLITS:
        hint = did_you_mean(name, SPLITS)
        raise WrongValueError(f"yielded an Example of the unknown split {_REPR.repr(name)}; {hint}")
    return name


def _mentions(mentions: object) -> dict[str, list[Span]]:
    if not isinstance(mentions, Mapping):
        raise _wrong("an Example whose mentions", mentions, "a dict of JSON Pointers to spans")
    return {
        readable(_text(pointer, "an Example with a mention of what")): [
            _span(span, pointer) for span in _spans(spans, pointer)
        ]
        for pointer, spans in mentions.items()
    }


def _spans(spans: object, pointer: str) -> Sequence[object]:
    if not isinstance(spans, Sequence) or isinstance(spans, str | bytes):
        wanted = "a list of (start, end)"
        raise _wrong(f"an Example whose mentions[{_REPR.repr(pointer)}]", spans, wanted)
    return spans


def _span(span: object, pointer: str) -> Span:
    if not isinstance(span, Sequence) or len(span) != 2 or not all(map(_is_offset, span)):
        wanted = "a pair of whole numbers, (start, end)"
        raise _wrong(f"an Example with a mention of {_REPR.repr(pointer)} that", span, wanted)
    return int(span[0]), int(span[1])


def checked_messages(messages: object, text: str) -> list[Message]:
    """Return the messages of a prompt in plain types.

    Args:
        messages: what the hook returned.
        text: that of the document; what cannot be encoded in it is not the plugin's fault.

    Raises:
        WrongValueError: it is no list of messages with a role and a text.
    """
    if not isinstance(messages, list | tuple) or not messages:
        raise WrongValueError(_returned(messages, "a list of fieldsmith.Message"))
    made = []
    for message in messages:
        if not isinstance(message, Message) or not isinstance(message.content, str):
            raise WrongValueError(_returned(message, "messages with a text as content"))
        if message.role not in ROLES:
            raise WrongValueError(_returned(message.role, f"a role of {', '.join(ROLES)}"))
        content = str.__str__(message.content)
        if not _is_encodable(content) and _is_encodable(text):
            raise WrongValueError("returned a message with half a surrogate pair, which is no text")
        made.append(Message(str.__str__(message.role), content))
    return made


def checked_counts(counts: object) -> dict[str, Counts]:
    """Return the counts of a document by name.

    Raises:
        WrongValueError: it is no dict of names to three numbers that can be counts.
    """
    wanted = "a dict of names to (matched, predicted, gold)"
    if not isinstance(counts, Mapping):
        raise WrongValueError(_returned(counts, wanted))
    made = {}
    for name, triple in counts.items():
        if not isinstance(name, str) or not isinstance(triple, Sequence) or len(triple) != 3:
            raise WrongValueError(_returned({name: triple}, wanted))
        if not all(map(_is_count, triple)):
            raise WrongValueError(
                _returned({name: triple}, f"{wanted}, each from 0 to {_MOST_COUNTED:.0e}")
            )
        made[_text(name, "a count whose name", "returned")] = Counts(*map(float, triple))
    return made


def checked_settings(settings: object) -> dict[str, object]:
    """Return settings by name; whether they are known, and fit, is checked with all others.

    Raises:
        WrongValueError: it is no dict of plain values by name.
    """
    if settings is None:
        return {}
    wanted = "a dict of settings by name"
    if not isinstance(settings, Mapping):
        raise WrongValueError(_returned(settings, wanted))
    try:
        return plain(settings)
    except ValueError as error:
        raise WrongValueError(f"{_returned(settings, wanted)} ({error})") from None


def checked_text(text: object) -> str:
    """Return the text of an export.

    Raises:
        WrongValueError: it is no text that can be written as UTF-8.
    """
    if not isinstance(text, str):
        raise WrongValueError(_returned(text, "the text of a file"))
    if not _is_encodable(text):
        raise WrongValueError("returned a text with half a surrogate pair, which no file can hold")
    return str.__str__(text)


def _encodable(text: str) -> str:
    """Return a text that can be written as UTF-8; ValueError if it cannot."""
    if not _is_encodable(text):
        raise ValueError("a text contains half a surrogate pair")
    return str.__str__(text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain(
    value: Mapping[Any, Any], deepest: int = _DEEPEST, most: int = _MOST_VALUES
) -> dict[str, Any]:
    """Return a copy of a JSON object in Python's plain types.

    Args:
        value: the object.
        deepest: the deepest nesting of its values.
        most: how many values it may have.

    Raises:
        ValueError: a part of it is not JSON, is nested too deeply, or has no end.
    """
    copy = _Copier(deepest, most).copy(value, 0, "")
    assert isinstance(copy, dict)
    return copy


@dataclass
class _Copier:
    """Copies JSON, as deep and as much of it as the limits allow."""

    deepest: int
    most: int
    values: int = 0

    def copy(self, value: Any, depth: int, name: str) -> Any:
        self.values += 1
        if depth > self.deepest:
            raise ValueError(f"nested deeper than {self.deepest} levels")
        if self.values > self.most:
            raise ValueError(f"more than {self.most:,} values in one")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return _encodable(value)
        if isinstance(value, Mapping):
            return {
                self._key(key, name): self.copy(inner, depth + 1, str(key))
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.copy(inner, depth + 1, name) for inner in value]
        return self._number(value, name)

    def _key(self, key: object, name: str) -> str:
        if not isinstance(key, str):
            inside = f" in {name!r}" if name else ""
            raise ValueError(f"a key{inside} is {shown(key)}, and not a text")
        return _encodable(key)

    def _number(self, value: object, name: str) -> int | float:
        if isinstance(value, int) and abs(value) < 10**300:
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        raise ValueError(f"{name!r} is {shown(value)}, which is not JSON compliant")


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63


def _is_count(value: Any) -> bool:
    is_number = isinstance(value, Real)  # as those of numpy are
    return is_number and bool(0 <= value <= _MOST_COUNTED)


def _text(value: object, what: str, verb: str = "yielded") -> str:
    if not isinstance(value, str):
        raise _wrong(what, value, "a string", verb)
    return str.__str__(value)


def _wrong(what: str, value: object, wanted: str, verb: str = "yielded") -> WrongValueError:
    return WrongValueError(f"{verb} {what} is {shown(value)}; it has to be {wanted}")


def _returned(value: object, wanted: str) -> str:
    return f"returned {shown(value)}; it has to be {wanted}"
