"""A server that sends a byte now and then keeps no request waiting beyond its deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from fieldsmith.collecting.addresses import parse_address
from fieldsmith.collecting.connections import TransientError, ask
from fieldsmith.deadline import deadline
from fieldsmith.engines.server import Server

DRIP = 0.02
"""Seconds between two bytes, less than any timeout here."""

LONG = b"X" * 2000

HEADER = b"HTTP/1.1 200 OK\r\nX-Long: "
BODY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
ERROR = b"HTTP/1.1 500 No\r\nContent-Length: 2000\r\n\r\n"


@contextmanager
def dripping(beginning: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Serve answers that go on byte by byte; yield the address, and the answers sent whole."""
    whole: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(beginning)
            for byte in LONG:
                connection.sendall(bytes([byte]))
                time.sleep(DRIP)
            whole.append(beginning)

    def accept() -> None:
        with suppress(OSError):
            while True:
                one, _address = listening.accept()
                threading.Thread(target=answer, args=[one], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", whole
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def engine(address: str) -> None:
    Server(address, timeout=0.5).ask("/v1/chat/completions", {})


def fetch(address: str) -> None:
    ask(parse_address(f"{address}/x"), is_trusted=True, largest=10**6, timeout=0.1)  # 2 s in all


def fetch_by_proxy(address: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", address)
        patch.delenv("no_proxy", raising=False)
        ask(parse_address("http://vellin.example"), is_trusted=False, largest=10**6, timeout=0.1)


@pytest.mark.parametrize("beginning", [HEADER, BODY, ENDLESS, ERROR])
@pytest.mark.parametrize("request_", [engine, fetch, fetch_by_proxy])
def test_a_dripped_answer_ends_at_the_deadline(
    request_: Callable[[str], None], beginning: bytes
) -> None:
    threads = threading.active_count()
    with (
        dripping(beginning) as (address, whole),
        pytest.raises((TimeoutError, TransientError), match="not whole after"),
    ):
        request_(address)
    assert not whole, "it was cut while the server was still sending"
    assert threading.active_count() <= threads + 2  # of the server


def test_what_is_in_time_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        other, _address = listening.accept()
        with deadline(30) as watch:
            watch.watch(one)
        with one, other:
            other.sendall(b"x")
            assert one.recv(1) == b"x"


def read_after(address: tuple[str, int]) -> None:
    """Read from a connection that is opened after the deadline."""
    with deadline(0) as watch:
        while not watch.has_passed:
            time.sleep(0.001)
        with socket.create_connection(address) as one:
            watch.watch(one)
            assert one.recv(1) == b""


def test_what_is_opened_after_the_deadline_is_shut_at_once() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(TimeoutError, match="not whole after 0 seconds"),
    ):
        read_after(listening.getsockname())


def test_an_error_of_another_kind_is_not_hidden() -> None:
    with pytest.raises(LookupError), deadline(30):
        raise LookupError
