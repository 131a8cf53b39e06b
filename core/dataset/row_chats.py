"""Rows that hold a prompt and its answer: conversations and triples, as trainers have them.

The document is what a row has where the plugin's prompt has the text of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..data import Document
from ..files import parse_json
from ..plugins import Plugin
from .row_spans import known_keys

_MARK = "\u2060the document\u2060"
"""Stands for the text of a document in a prompt, to find what is around it."""

_ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "system": "",
    "developer": "",
}
"""Roles by the names that OpenAI's messages and ShareGPT give them; "" for what is passed over."""


_INSTRUCTION = 24
"""Characters that the prompts of a file share at their beginning or end to be called fixed."""


class Turn(NamedTuple):
    """What a conversation has in one turn.

    Attributes:
        role: as the row names it.
        content: its text.
    """

    role: str
    content: str


def turns_of(row: Mapping[str, Any]) -> list[Turn]:
    """Return the turns of a conversation; [] if a row is none.

    Conversations are ``messages`` (or ``conversations``) of ``role`` and ``content``, ShareGPT's
    ``conversations`` of ``from`` and ``value``, and TRL's ``prompt`` and ``completion``, which are
    texts or messages.
    """
    if "record" in row:
        return []
    if "prompt" in row and "completion" in row and "text" not in row:
        asked = _turns(row["prompt"], "user")
        answer = _turns(row["completion"], "assistant")
        return [*asked, *answer] if asked and answer else []
    return _turns(row.get("messages") or row.get("conversations"), "")


def _turns(value: Any, role_of_text: str) -> list[Turn]:
    if isinstance(value, str) and role_of_text:
        return [Turn(role_of_text, value)]
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    found = [turn for each in value if isinstance(each, dict) for turn in _turn(each)]
    return found if len(found) == len(value) else []


def _turn(message: Mapping[str, Any]) -> Iterator[Turn]:
    """Yield the turn of a message; none if it has another form."""
    role = message.get("role", message.get("from"))
    content = message.get("content", message.get("value"))
    if isinstance(content, list):  # parts, as of a model that is shown pictures, too
        texts = [each["text"] for each in content if _is_text(each)]
        content = "".join(texts) if len(texts) == len(content) else None
    if isinstance(role, str) and isinstance(content, str):
        yield Turn(role, content)


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def of_conversation(row: Mapping[str, Any], plugin: Plugin | None) -> dict[str, Any]:
    """Return a conversation in the form of the core's rows.

    Args:
        row: with turns (``turns_of``).
        plugin: its prompt says what of the last user's turn is the document; None: the whole of it.

    Raises:
        ValueError: a turn is by somebody unknown, there is no user's turn, or there are several
            answers, or one that is not JSON.
    """
    asked, answers = _exchange(row)
    known = known_keys(row)
    if "window" in row and "id" in known:  # several windows of a document, as they are exported
        known["id"] = f"{known['id']}-{row['window']}"
    found = known | {"text": _document_in(asked, plugin)}
    return found | ({"record": from_json(answers[0], "the answer")} if answers else {})


def _exchange(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the last turn of the user before the answer, and the answer, if there is one.

    Raises:
        ValueError: see ``of_conversation``.
    """
    asked, answers = list[str](), list[str]()
    for role, content in turns_of(row):
        if role not in _ROLES:
            raise ValueError(
                f"a turn of {role!r}; those of user and assistant, or human and gpt, are read"
            )
        if _ROLES[role] == "assistant":
            answers.append(content)
        elif _ROLES[role] == "user" and not answers:
            asked.append(content)
    if not asked or len(answers) > 1:
        raise ValueError("a user's turn and one answer after it are wanted")
    return asked[-1], answers


def is_own_triple(row: Mapping[str, Any]) -> bool:
    """Say whether a row is a triple that ``extract label`` has written: plugins read others."""
    return is_triple(row) and "teacher" in row


def is_triple(row: Mapping[str, Any]) -> bool:
    """Say whether a row has an instruction, an output and perhaps an input."""
    parts = [row.get("instruction"), row.get("output"), row.get("input") or ""]
    return "text" not in row and all(isinstance(part, str) for part in parts)


def of_triple(row: Mapping[str, Any], plugin: Plugin | None) -> dict[str, Any]:
    """Return a triple in the form of the core's rows; see ``of_conversation``.

    Raises:
        ValueError: its output is not JSON.
    """
    asked = row.get("input") or row["instruction"]
    answer = from_json(row["output"], "output") if row["output"].strip() else None
    return known_keys(row) | {"text": _document_in(asked, plugin), "record": answer}


class FixedWords:
    """Words with which all prompts of a file begin or end, which a plugin's prompt lacks.

    They are an instruction more likely than a part of each document.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._begin, self._end = "", ""

    def add(self, row: Mapping[str, Any], text: str) -> None:
        """Take notice of a row, and of what was read of it as its document."""
        if turns_of(row):
            asked, _answers = _exchange(row)
        elif is_triple(row):
            asked = row.get("input") or row["instruction"]
        else:
            return
        if asked != text:
            return
        self._begin = _shared(self._begin, text) if self._rows else text
        self._end = _shared(self._end, text[::-1]) if self._rows else text[::-1]
        self._rows += 1

    def warning(self, file: object) -> str:
        """Return a line on the words of a file; "" if there are none."""
        for where, words in (("begin", self._begin), ("end", self._end[::-1])):
            if self._rows > 1 and len(words.strip()) >= _INSTRUCTION:
                return (
                    f"{file}: all {self._rows} prompts {where} with {words.strip()[:60]!r}, which "
                    f"is read as a part of the documents; if it is an instruction, write it into "
                    f"the plugin's prompt, or take it out of the rows"
                )
        return ""


def _shared(one: str, other: str) -> str:
    """Return the characters with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return one[: next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))]


def from_json(text: str, name: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is none; says so of ``name``.
    """
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"{name}: {text[:40]!r} is no JSON: {error}") from error


def _document_in(content: str, plugin: Plugin | None) -> str:
    """Return the document's text of a user's turn: what the plugin's prompt has in its place."""
    for prompt in (plugin.brief_prompt, plugin.prompt) if plugin else ():
        for message in prompt(Document("", _MARK)):
            before, mark, after = message.content.partition(_MARK)
            fits = content.startswith(before) and content.endswith(after)
            if mark and (before or after) and fits and len(content) >= len(before + after):
                return content[len(before) : len(content) - len(after)]
    return content
