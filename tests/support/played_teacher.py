"""A server on this machine that plays a large model behind OpenAI's route for chats."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 100, "completion_tokens": 20}

MODEL = "big"


@dataclass(frozen=True)
class Played:
    """What is answered to a request.

    Attributes:
        content: of the message.
        finish: the reason why it ends.
        state: of HTTP; another one than 200 is an error with the content as its message.
        headers: further ones.
        usage: tokens; None leaves them out.
        body: is sent in place of an answer.
        cut: the connection is closed after half of the answer.
        message: further keys of the message.
    """

    content: str | None = ""
    finish: str = "stop"
    state: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, int] | None = field(default_factory=lambda: USAGE)
    body: bytes | None = None
    cut: bool = False
    message: Mapping[str, Any] = field(default_factory=dict)

    def as_bytes(self) -> bytes:
        """Return the body of the answer."""
        if self.body is not None:
            return self.body
        if self.state != 200:
            return json.dumps({"error": {"message": self.content}}).encode()
        message = {"role": "assistant", "content": self.content, **self.message}
        answer: dict[str, Any] = {
            "model": "big-2026-11",
            "system_fingerprint": "fp_7",
            "choices": [{"message": message, "finish_reason": self.finish}],
        }
        return json.dumps(answer | ({"usage": self.usage} if self.usage else {})).encode()


Play = Callable[[dict[str, Any]], Played | None]
"""Takes the body of a request; returns what is answered, or None for nothing at all."""


@dataclass
class Teacher:
    """A server that plays a teacher.

    Attributes:
        address: of the server.
        asked: bodies of all requests, in order.
        keys: the header ``Authorization`` of each.
        most_at_once: requests that it had at the same time, at most.
    """

    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    most_at_once: int = 0

    def texts(self) -> list[str]:
        """Return the last message of each request, in order."""
        return [text_of(body) for body in self.asked]


def text_of(body: Mapping[str, Any]) -> str:
    """Return the last message of a request."""
    return str(body["messages"][-1]["content"])


def record(**fields: Any) -> Played:
    """Return an answer of the domain of chemicals and diseases; what is not named is empty."""
    whole = {"chemicals": [], "diseases": [], "relations": [], **fields}
    return Played(json.dumps(whole))


@contextmanager
def teaching(play: Play) -> Iterator[Teacher]:
    """Serve a teacher for as long as the context lasts."""
    teacher, lock, now = Teacher(), threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                teacher.asked.append(body)
                teacher.keys.append(self.headers["Authorization"])
                now[0] += 1
                teacher.most_at_once = max(teacher.most_at_once, now[0])
            played = play(body) if self.path == "/v1/chat/completions" else Played(state=404)
            with lock:
                now[0] -= 1
            if played is None:
                self.close_connection = True
                return
            data = played.as_bytes()
            self.send_response(played.state)
            for name, value in {"Content-Length": str(len(data)), **played.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if played.cut else data)

        def do_GET(self) -> None:
            teacher.keys.append(self.headers["Authorization"])
            self.send_error(405)

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    teacher.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield teacher
    finally:
        server.shutdown()
        server.server_close()
