"""Check keys, hosts, size and time of requests before anything else reads them."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
from collections.abc import Collection
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .requests import error_body

OPEN = frozenset({"/", "/page.css", "/page.js", "/health", "/ready", "/openapi.json"})
"""Paths that need no key: they contain nothing of a document, and answer none."""


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
        body_bytes: length of its body.
        body_seconds: until its body has arrived.
        requests: those that wait or are being answered at the same time.
        seconds: until it is answered; for a stream, until each next line.
        documents: of one request.
        document_tokens: of one document.
    """

    body_bytes: int = 10_000_000
    body_seconds: float = 30.0
    requests: int = 64
    seconds: float = 120.0
    documents: int = 1000
    document_tokens: int = 100_000


class _Refused(Exception):
    """A request is refused by a status and a message."""


@dataclass(frozen=True)
class Guard:
    """Lets through what is allowed, with its whole body, and counts all.

    Attributes:
        app: what answers.
        keys: one of them has to be sent as bearer token; none for no key.
        hosts: names that a request may be addressed to, and come from a page of; none for any.
            They keep pages of other sites from asking a server on the reader's own machine, also
            by a name that they have made to mean this machine (DNS rebinding).
        limits: of bodies.
        metrics: counts requests.
        routes: paths that are counted by their names; others are counted together.
    """

    app: ASGIApp
    keys: Collection[bytes]
    hosts: Collection[str]
    limits: Limits
    metrics: Metrics
    routes: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500
        route = scope["path"] if scope["path"] in self.routes else "other"

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._checked(scope, receive, counted)
        finally:
            self.metrics.requests.labels(route, status).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - begun)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        try:
            self._require_host(headers.get(b"host", b""))
            self._require_host(headers.get(b"origin", b"http://localhost").partition(b"://")[2])
            self._require_key(scope["path"], headers.get(b"authorization", b""))
            body = await self._body(headers, receive)
        except _Refused as refused:
            await _refuse(send, *refused.args)
            return
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def read() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, read, send)

    def _require_host(self, host: bytes) -> None:
        name = re.sub(r":\d*$", "", host.decode("latin-1")).lower()
        if self.hosts and name not in self.hosts:
            raise _Refused(403, "this server answers its own machine and its own page alone")

    def _require_key(self, path: str, sent: bytes) -> None:
        if not self.keys or path in OPEN:
            return
        scheme, _, key = sent.partition(b" ")
        # Each key is compared, and each by all of its bytes: the time says nothing of a key.
        equal = [hmac.compare_digest(key.strip(), known) for known in self.keys]
        if scheme.lower() != b"bearer" or not any(equal):
            raise _Refused(401, "send a key of this server as 'Authorization: Bearer KEY'")

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        most = self.limits.body_bytes
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise _Refused(413, f"the body is longer than {most} bytes")
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                return await _read(receive, most)
        except TimeoutError:
            raise _Refused(
                408, f"the body did not arrive within {self.limits.body_seconds:g} seconds"
            ) from None


async def _read(receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "the connection was closed within the body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _Refused(413, f"the body is longer than {most} bytes")
        if not message.get("more_body", False):
            return b"".join(parts)


async def _refuse(send: Send, status: int, message: str) -> None:
    body = json.dumps(error_body(status, message)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of the body is not read
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
