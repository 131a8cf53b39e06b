"""Contents of an answer of OpenAI's route for chats, whatever its shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..engines.server import message_of
from .teacher import REFUSAL


@dataclass(frozen=True)
class ChatAnswer:
    """What a server answered.

    Attributes:
        text: what the model wrote; the whole answer where that cannot be found in it.
        problem: why that cannot be found; "" where it can.
        finished: whether the model came to its end.
        form: ``REFUSAL`` where the text says why there is no record; "" otherwise.
        usage: tokens read and written; None where the server does not say.
    """

    text: str
    problem: str = ""
    finished: bool = True
    form: str = ""
    usage: tuple[int, int] | None = None


def read_chat(answer: Any) -> ChatAnswer:
    """Read an answer; one of another shape has a problem, and may have been paid for as well.

    >>> read_chat({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})
    ChatAnswer(text='{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}', \
problem='the answer has no choice', finished=True, form='', usage=(3, 1))
    """
    usage = _usage(answer)
    try:
        problem = _problem(answer)
        if problem:
            return ChatAnswer(_whole(answer), problem, usage=usage)
        (choice,) = answer["choices"]
        message, ending = choice["message"], choice.get("finish_reason")
        text, form = _text_of(message.get("content")), ""
        if refusal := message.get("refusal"):
            text, form = message_of(refusal), REFUSAL
        elif ending == "content_filter":
            text, form = text or "its content filter has stopped the answer", REFUSAL
        return ChatAnswer(text, "", ending != "length", form, usage)
    except RecursionError:
        return ChatAnswer(_whole(answer), "the answer is nested too deeply", usage=usage)


def _whole(answer: Any) -> str:
    """Return an answer as JSON; "" where it is nested too deeply to be written."""
    try:
        return json.dumps(answer, ensure_ascii=False)
    except RecursionError:
        return ""


def _problem(answer: Any) -> str:
    """Return why an answer holds no message of a model; "" if it holds one."""
    if not isinstance(answer, dict):
        return "the answer is no JSON object, which an answer of a chat is"
    choices = answer.get("choices")
    if answer.get("error") and not choices:
        return f"the server answers with an error: {message_of(answer)}"
    if not choices or not isinstance(choices, list):
        return "the answer has no choice"
    if len(choices) > 1:
        return f"the answer has {len(choices)} choices, where one was asked for"
    if not isinstance(choices[0], dict) or not isinstance(choices[0].get("message"), dict):
        return "the choice of the answer has no message"
    return ""


def _usage(answer: Any) -> tuple[int, int] | None:
    said = answer.get("usage") if isinstance(answer, dict) else None
    counts = said if isinstance(said, dict) else {}
    read, written = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if type(read) is int and type(written) is int and read >= 0 and written >= 0:
        return read, written
    return None


def _text_of(content: Any) -> str:
    """Return the text of a message, which may be in parts; what was thought is none of it."""
    if isinstance(content, list):
        texts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(str(part.get("text") or "") for part in texts)
    return content if isinstance(content, str) else "" if content is None else json.dumps(content)
