"""A command that serves, in a process of its own, and requests to it."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from forked_command import ForkedProcess, start_forked

_START = 120
"""Seconds in which a server has to be up; other work may run beside the tests."""


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def fault(self) -> str:
        """Why there is no other answer; every refusal has this form."""
        message: str = self.json["error"]["message"]
        assert self.json["error"]["code"] == self.status
        return message


@dataclass(frozen=True)
class Serving:
    """A server that runs."""

    process: ForkedProcess
    port: int
    said: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "",
        **headers: str,
    ) -> Reply:
        """Send a request; a body that is not bytes is sent as JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_START)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("content-type", "application/json")
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), dict(answer.headers.items()))
        finally:
            connection.close()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_START)


@contextmanager
def serving(*runs: Path, key: str = "", options: tuple[str, ...] = ()) -> Iterator[Serving]:
    """Serve runs at a free port for as long as the context lasts."""
    with started("serve", *runs, *options, FIELDSMITH_SERVER_KEY=key) as server:
        yield server


@contextmanager
def started(*arguments: object, **environment: str) -> Iterator[Serving]:
    """Run a command that serves, at a free port, for as long as the context lasts."""
    reading, writing = os.pipe()
    stderr, said = os.fdopen(reading, encoding="utf-8", errors="replace"), list[str]()
    with open(os.devnull, "r+b") as nothing, os.fdopen(writing, "wb") as written:
        files = nothing, nothing, written
        process = start_forked((*arguments, "--port", "0"), files, environment=environment)
    port, ended = [0], threading.Event()

    def listen() -> None:
        for line in stderr:
            said.append(line)
            if found := re.match(r"(?:serv|review)ing at http://127\.0\.0\.1:(\d+)", line):
                port[0] = int(found[1])
                ended.set()
        ended.set()

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        assert ended.wait(_START), said
        assert port[0], "".join(said)
        yield Serving(process, port[0], said)
    finally:
        process.kill()
        process.wait(_START)
        listening.join()
        stderr.close()
