"""A web server on this machine whose answers are scripted: cut, slow, later, or elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        cut: so many bytes of the body are sent before the connection is closed; None for all.
        pause: seconds before the answer.
        drip: seconds between two bytes of the body.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    pause: float = 0.0
    drip: float = 0.0


def html(text: str, **options: Any) -> Reply:
    return Reply(body=text.encode(), headers={"Content-Type": "text/html"}, **options)


def moved(target: str, status: int = 302) -> Reply:
    return Reply(status, headers={"Location": target})


Answers = Reply | list[Reply] | Callable[[str], Reply]
"""One answer, some in turn of which the last is repeated, or what makes one of the path."""


@dataclass
class WebSite:
    """A site: what it answers by path, a path with its query first.

    Attributes:
        answers: a path -> its answer.
        asked: each request so far.
        agents: the user agents of these.
        times: when they came.
        address: of the site, while it is served.
    """

    answers: dict[str, Answers] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    address: str = ""

    @property
    def host(self) -> str:
        return self.address.removeprefix("http://")

    def reply(self, path: str) -> Reply:
        """Return the answer to a request; 404 where there is none."""
        self.asked.append(path)
        self.times.append(time.monotonic())
        found = self.answers.get(path) or self.answers.get(path.partition("?")[0])
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        if callable(found):
            return found(path)
        return found or Reply(404, b"There is no such page.")

    def count(self, beginning: str) -> int:
        """Return how many requests there were for paths that begin so."""
        return sum(path.startswith(beginning) for path in self.asked)


@contextmanager
def serving(site: WebSite) -> Iterator[WebSite]:
    """Serve a site for as long as the context lasts."""
    leaving = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            reply = site.reply(self.path)
            site.agents.append(self.headers["User-Agent"])
            leaving.wait(reply.pause)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            body = reply.body if reply.cut is None else reply.body[: reply.cut]
            if reply.drip:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    leaving.wait(reply.drip)
            else:
                self.wfile.write(body)
            self.close_connection |= reply.cut is not None

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that left is no error."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        leaving.set()
        server.shutdown()
        thread.join()
        server.server_close()
