"""Keys and limits of the server hold, and a request beyond them harms no other."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from served import Serving, serving
from tiny_model import Trained

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from fastapi import HTTPException, Request

from fieldsmith.data import Document
from fieldsmith.errors import GrammarError
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.serving.answers import Answers, Service
from fieldsmith.serving.batching import BatchQueue
from fieldsmith.serving.guard import Guard, Limits
from fieldsmith.serving.metrics import Metrics

EXTRACT = "/v1/medical_ner/extract"
TEXT = "Aspirin and rash. Aspirin caused rash in 5 patients. "


KEY = "Bearer first-key"


@pytest.fixture(scope="module")
def server(trained: Trained) -> Iterator[Serving]:
    options = ("--max-mb", "0.1", "--max-tokens", "500", "--queue", "2")
    with serving(trained.run, key="first-key,second-key", options=options) as started:
        yield started


def test_a_key_is_wanted_where_one_is_set(server: Serving) -> None:
    body = {"text": TEXT}
    refused = [
        server.ask(EXTRACT, body),
        server.ask(EXTRACT, body, authorization="Bearer wrong"),
        server.ask(EXTRACT, body, authorization="Bearer first-key,second-key"),
        server.ask(EXTRACT, body, authorization="Basic first-key"),
        server.ask("/metrics"),
        server.ask("/v1/models"),
        server.ask("/v1/none"),
    ]
    assert {reply.status for reply in refused} == {401}
    assert "first" not in "".join(reply.fault for reply in refused)
    for key in ("first-key", "second-key"):
        assert server.ask(EXTRACT, body, authorization=f"Bearer {key}").status == 200
    assert {server.ask(path).status for path in ("/", "/health", "/ready")} == {200}


def test_long_requests_are_refused(server: Serving) -> None:
    long = server.ask(EXTRACT, {"text": "a" * 100_000}, authorization=KEY)
    assert (long.status, long.fault) == (413, "the body is longer than 100000 bytes")
    tokens = server.ask(EXTRACT, {"text": TEXT * 60}, authorization=KEY)
    assert (tokens.status, tokens.fault) == (413, "document 1 has more than 500 tokens")
    assert server.ask(EXTRACT, {"texts": ["a"] * 1001}, authorization=KEY).status == 413
    assert server.ask(EXTRACT, {"text": TEXT}, authorization=KEY).status == 200


def test_a_body_without_a_length_is_cut_at_the_limit(server: Serving) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sent:
        head = f"POST {EXTRACT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {KEY}\r\n"
        sent.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        with suppress(OSError):  # closed before all was sent
            for _ in range(100):
                sent.sendall(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
        assert sent.recv(4096).startswith(b"HTTP/1.1 413")
    assert server.ask(EXTRACT, {"text": TEXT}, authorization=KEY).status == 200


def test_too_many_requests_are_refused(server: Serving) -> None:
    many = {"texts": [TEXT] * 40}
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            server.ask(EXTRACT, many, authorization=KEY)

    asking = [threading.Thread(target=keep_asking) for _ in range(2)]
    for each in asking:
        each.start()
    replies = []
    for _ in range(1000):
        replies.append(server.ask(EXTRACT, {"text": TEXT}, authorization=KEY))
        if replies[-1].status == 429:
            break
    stop.set()
    assert replies[-1].status == 429
    assert replies[-1].headers["retry-after"] == "1"
    assert server.ask("/health").status == 200
    for each in asking:
        each.join()
    assert server.ask(EXTRACT, {"text": TEXT}, authorization=KEY).status == 200


def test_an_answer_that_takes_too_long_is_given_up(trained: Trained) -> None:
    answers, service = service_of(trained, Limits(seconds=0.05))
    long, short = Document("long", TEXT * 200), Document("short", TEXT)
    with pytest.raises(HTTPException) as refused:
        asyncio.run(answers.one(service, long, Waiting()))
    assert refused.value.status_code == 504
    assert "0.05 seconds" in refused.value.detail

    async def lines() -> list[Any]:
        return [line async for line in answers.lines(service, [long, short], Waiting())]

    said = [line.get("error", "") for line in asyncio.run(lines())]
    assert said[0] == "not answered within 0.05 seconds"
    answers.limits = Limits()
    assert asyncio.run(answers.one(service, short, Waiting())).record is not None
    service.queue.close(60)


def test_a_fault_of_one_document_is_its_own(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, service = service_of(trained, Limits())
    predict = Extractor.predict

    def failing(self: Extractor, documents: Any) -> Any:
        if any("Morphine" in document.text for document in documents):
            raise GrammarError("no grammar") if "fever" in documents[0].text else ValueError("bug")
        return predict(self, documents)

    monkeypatch.setattr(Extractor, "predict", failing)
    texts = (TEXT, "Morphine and fever.", "Morphine and rash.", TEXT)
    rows = [Document(str(number), text) for number, text in enumerate(texts)]

    async def lines() -> list[Any]:
        return [line async for line in answers.lines(service, rows, Waiting())]

    said = asyncio.run(lines())
    assert [line["id"] for line in said] == ["0", "1", "2", "3"]
    assert [line.get("error", "") for line in said] == [
        "",
        "no grammar",
        "a fault of the server; its log has the traceback",
        "",
    ]
    assert "ValueError: bug" in capsys.readouterr().err
    assert service.queue.is_running
    service.queue.close(60)


class Waiting(Request):
    """A request whose client is there."""

    def __init__(self) -> None:
        super().__init__({"type": "http"})

    async def is_disconnected(self) -> bool:
        return False


def service_of(trained: Trained, limits: Limits) -> tuple[Answers, Service]:
    """Return what answers for a run, in this process."""
    extractor = Extractor.load(trained.run)
    queue = BatchQueue(extractor, 1, lambda _size: None)
    return Answers(limits), Service("medical_ner", "run", extractor, queue)


def guarded(**limits: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Return a function that sends messages of a request to the guard of an application."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    guard = Guard(app, [], [], Limits(**limits), Metrics(lambda: 0.0), [])

    def ask(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answered: list[dict[str, Any]] = []
        waiting = list(messages)

        async def receive() -> Any:
            if not waiting:
                await asyncio.Event().wait()  # a client that sends nothing more
            return waiting.pop(0)

        async def send(message: Any) -> None:
            answered.append(message)

        scope: Any = {"type": "http", "path": "/", "headers": []}
        done: Awaitable[None] = guard(scope, receive, send)
        asyncio.run(asyncio.wait_for(done, 60))
        return answered

    return ask


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    part = {"type": "http.request", "body": b"{", "more_body": True}
    last = {"type": "http.request", "body": b"}", "more_body": False}
    ask = guarded(body_seconds=0.2)
    start, body = ask([part])
    assert start["status"] == 408
    assert json.loads(body["body"])["error"]["message"].startswith("the body did not arrive")
    start, body = ask([part, last])
    assert (start["status"], body["body"]) == (200, b"{}")
    start, _body = ask([part, {"type": "http.disconnect"}])
    assert start["status"] == 400


def test_a_connection_without_a_head_is_closed(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldsmith.serving import server as module

    monkeypatch.setattr(module, "_HEAD_SECONDS", 0.3)

    async def try_it() -> bytes:
        import uvicorn

        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            raise AssertionError("no request was complete")

        config = uvicorn.Config(app, http=module._Protocol, lifespan="off", log_level="error")
        config.load()
        state = uvicorn.server.ServerState()
        loop = asyncio.get_running_loop()
        protocol = lambda: config.http_protocol_class(config, state, {})  # type: ignore[call-arg] # noqa: E731
        listening = await loop.create_server(protocol, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
        try:
            return await asyncio.wait_for(reader.read(), 30)
        finally:
            writer.close()
            listening.close()

    assert asyncio.run(try_it()) == b""
