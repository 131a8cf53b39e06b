"""OpenAI's routes, for clients that know only those.

The last message of the user is the document, or the plugin's own prompt around it, which is what
`extract label` sends; the answer is its record as JSON. Prompt, schema and decoding are those of
the run: nothing in a request changes them.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from ..data import Document, Message
from ..errors import did_you_mean
from ..plugins import Plugin
from .answers import Answers, Service
from .requests import ChatBody

_MARK = "⟦document⟧"


def add_chat_routes(app: FastAPI, services: Mapping[str, Service], answers: Answers) -> None:
    """Add ``/v1/models`` and ``/v1/chat/completions``."""
    begun = int(time.time())

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """List the plugins that are served; each is a model."""
        data = [
            {"id": name, "object": "model", "created": begun, "owned_by": "fieldsmith"}
            for name in services
        ]
        return {"object": "list", "data": data}

    @app.post("/v1/chat/completions")
    async def complete(body: ChatBody, request: Request) -> Response:
        """Answer the last message of the user with its record."""
        service = _service(services, body.model)
        _require_plain(body)
        document = Document("chat", _text_of(_last_of_user(body), service.extractor.task.plugin))
        with answers.admitted():
            await answers.check(service, [document])
            prediction = await answers.one(service, document, request)
        content = json.dumps(prediction.record, ensure_ascii=False)
        reason = "length" if prediction.truncated else "stop"
        head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": body.model,
        }
        if body.stream:
            return StreamingResponse(_events(head, content, reason), media_type="text/event-stream")
        message = {"role": "assistant", "content": content, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice]})


def _service(services: Mapping[str, Service], model: str) -> Service:
    """Return the service of a plugin, or of a run or model by the name that the user gave it."""
    named = {service.run: service for service in services.values()} | dict(services)
    if model not in named:
        raise HTTPException(404, f"no model {model!r}; {did_you_mean(model, services)}")
    return named[model]


def _text_of(message: str, plugin: Plugin) -> str:
    """Return the text of a document in a message, which may be the plugin's prompt around it."""
    for prompt in (plugin.prompt, plugin.brief_prompt):
        before, _mark, after = _asked(prompt(Document("chat", _MARK))).partition(_MARK)
        if message.startswith(before) and message.endswith(after):
            text = message[len(before) : len(message) - len(after)]
            if text.strip() and _asked(prompt(Document("chat", text))) == message:
                return text
    return message


def _asked(messages: Sequence[Message]) -> str:
    return messages[-1].content


def _require_plain(body: ChatBody) -> None:
    """Refuse what would be answered in another way than it was asked for."""
    if body.n not in (None, 1):
        raise HTTPException(400, "n: there is one answer to a document")
    for name in ("tools", "functions", "logprobs"):
        if getattr(body, name):
            raise HTTPException(400, f"{name}: not supported; the answer is the document's record")


def _last_of_user(body: ChatBody) -> str:
    for message in reversed(body.messages):
        if message.role == "user":
            return message.text()
    raise HTTPException(400, "messages: none is of the role user")


def _events(head: Mapping[str, Any], content: str, reason: str) -> Iterator[str]:
    """Yield an answer as a stream of events; a record is whole or none, so it comes in one."""
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": content}, None),
        ({}, reason),
    ]
    for delta, finish in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {**head, "object": "chat.completion.chunk", "choices": [choice]}
        yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"
