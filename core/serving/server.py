"""The socket that requests come in by, the signals that end the server, and its end."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from ipaddress import ip_address

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import SettingsError
from ..extraction.extractor import Extractor
from ..progress import say
from .answers import Answers, Service
from .app import Access, make_app
from .batching import BatchQueue
from .guard import Limits

_BATCHES_OF_SERVERS = 4
"""Batches at the same time where other servers answer: they form batches of their own."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names that a server on a loopback address may be addressed by."""

_CONNECTIONS = 512
_HEAD_SECONDS = 15.0
_END_SECONDS = 10.0
"""Seconds that a batch, whose clients are gone, may take at the end."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        SettingsError: the address is taken, not allowed, or none of this machine.
    """
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as stack:
            opened = stack.enter_context(socket.socket(family, kind, protocol))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(1024)
            stack.pop_all()
    except OSError as error:
        raise SettingsError(
            f"--host {host} --port {port}: {error.strerror or error}; choose another address"
        ) from error
    return opened


def serve(
    extractors: Mapping[str, Extractor],
    opened: socket.socket,
    limits: Limits,
    keys: Sequence[str],
) -> None:
    """Answer requests until SIGTERM or Ctrl-C, then those that have begun.

    Args:
        extractors: by the run's name as the user gave it; each of another plugin.
        opened: a socket that listens.
        limits: of requests.
        keys: one of them has to be sent with each request; none for no key.
    """
    answers = Answers(limits)
    services, locks = {}, dict[int, AbstractContextManager[object]]()
    for run, extractor in extractors.items():
        service = _service(run, extractor, answers, locks)
        services[service.name] = service
    queues = [service.queue for service in services.values()]

    def is_ready() -> bool:
        return not server.should_exit and all(queue.is_running for queue in queues)

    access = _access(opened, keys)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(services, answers, access, is_ready),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=int(limits.seconds) + 1,
        )
    )
    _say_address(opened, services.values(), access)
    with signals_end_the_server_alone():
        server.run(sockets=[opened])
    for queue in queues:
        queue.close(_END_SECONDS)


def _service(
    run: str,
    extractor: Extractor,
    answers: Answers,
    locks: dict[int, AbstractContextManager[object]],
) -> Service:
    """Return the service of a run.

    Args:
        run: its name.
        extractor: answers; several may have one model.
        answers: counts.
        locks: of the models of this process, each of which answers one batch at a time.
    """
    name = extractor.task.plugin.name
    sizes = answers.metrics.batches.labels(name)
    if extractor.engine.name != "transformers":
        queue = BatchQueue(extractor, _BATCHES_OF_SERVERS, sizes.observe)
    else:
        lock = locks.setdefault(id(extractor.model), threading.Lock())
        queue = BatchQueue(extractor, 1, sizes.observe, lock)
    return Service(name, run, extractor, queue)


def _access(opened: socket.socket, keys: Sequence[str]) -> Access:
    """Return who may ask: whoever has a key, or whoever is on this machine."""
    if keys or not ip_address(opened.getsockname()[0]).is_loopback:
        return Access(frozenset(key.encode() for key in keys))
    return Access(hosts=LOOPBACK_NAMES)


def _say_address(opened: socket.socket, services: Iterable[Service], access: Access) -> None:
    host, port, *_rest = opened.getsockname()
    shown = f"[{host}]" if ":" in host else host
    for service in services:
        say(f"{service.run}: http://{shown}:{port}/v1/{service.name}/extract")
    if not access.keys and not access.hosts:
        say("anyone who reaches this address may ask; set FIELDSMITH_SERVER_KEY to want a key")
    say(f"serving at http://{shown}:{port}; Ctrl-C ends it")


@contextmanager
def signals_end_the_server_alone() -> Iterator[None]:
    """Keep uvicorn from ending the process by the signal that ended the server."""
    handled = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(each, lambda *_: None) for each in handled]
    try:
        yield
    finally:
        for each, handler in zip(handled, before, strict=True):
            signal.signal(each, handler)


class _Protocol(H11Protocol):
    """HTTP by h11 that closes a connection whose request has no head within some seconds."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is None and self.conn.their_state is h11.IDLE:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head is not None:
            self._head.cancel()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._head = self.loop.call_later(_HEAD_SECONDS, self._close_without_head)

    def _close_without_head(self) -> None:
        self._head = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()
