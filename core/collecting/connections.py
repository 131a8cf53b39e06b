"""One request: its connection, the limits of time and size, what goes wrong on the way."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, SSLError

from ..deadline import Deadline, Watched, deadline
from ..errors import FetchError
from .addresses import Address, is_public

PRODUCT = "fieldsmith"
"""The name by which a robots.txt may address this program."""

USER_AGENT = (
    f"{PRODUCT}/{metadata.version('fieldsmith')} (+https://github.com/fieldsmith/fieldsmith)"
)
"""The header User-Agent of each request."""

_CHUNK = 1 << 16

_WHOLE = 20
"""An answer may take so many times as long as a part of it."""


class TransientError(Exception):
    """There is no answer now; there may be one later.

    Attributes:
        host: the host that did not answer.
        wait: seconds that it asks to wait.
    """

    def __init__(self, address: Address, reason: str, wait: float = 0.0) -> None:
        super().__init__(f"{address}: {reason}")
        self.host, self.wait = address.host, wait


@dataclass(frozen=True)
class Answer:
    """What a server answered to one request; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connection(Watched, HTTPConnection):
    """A connection that a deadline watches."""


class _SecureConnection(Watched, HTTPSConnection):
    """The same for https."""


class _PublicConnection(_Connection):
    """A connection that is closed before anything is sent if it leads into a private network."""

    def connect(self) -> None:
        super().connect()
        _require_public(self)


class _PublicSecureConnection(_SecureConnection):
    """The same for https."""

    def connect(self) -> None:
        super().connect()
        _require_public(self)


def _require_public(connection: HTTPConnection) -> None:
    peer = connection.sock.getpeername()[0]
    if not is_public(peer):
        connection.close()
        raise _private(f"{connection.host} ({peer})")


def _private(host: str) -> FetchError:
    return FetchError(f"{host} is in a private network; to fetch from there, name it by --service")


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _PublicPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicSecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicSecureConnection


def ask(address: Address, *, is_trusted: bool, largest: int, timeout: float) -> Answer:
    """Send one request and return the answer; redirects are not followed.

    Args:
        address: what to ask for.
        is_trusted: whether the host may be in a private network.
        largest: the size limit of the content in bytes.
        timeout: seconds within which each part of the answer has to come; the whole of it, from
            the connection to the last byte, may take ``_WHOLE`` times as long.

    Raises:
        TransientError: there is no answer now, or it is cut.
        FetchError: the answer is too large, or the host is private or not who it says it is.
    """
    if not is_trusted and not is_public(address.host):
        raise _private(address.host)
    try:
        with (
            deadline(_WHOLE * timeout) as watch,
            closing(_pool(address, timeout, watch, is_trusted)) as pool,
        ):
            response = pool.request(
                "GET",
                str(address) if isinstance(pool, urllib3.ProxyManager) else address.target,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", "Accept": "*/*"},
                redirect=False,
                preload_content=False,
            )
            with closing(response):
                body = _body(response, address, largest)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, headers, body)
    except SSLError as error:
        raise FetchError(f"{address}: its certificate is refused ({_reason(error)})") from error
    except TimeoutError as error:
        raise TransientError(address, str(error)) from error
    except (HTTPError, OSError) as error:
        raise TransientError(address, f"no whole answer ({_reason(error)})") from error


class _Proxy(urllib3.ProxyManager):
    """A manager of proxied requests that is closed as a pool is."""

    def __init__(self, proxy: str, limits: urllib3.Timeout, watch: Deadline) -> None:
        super().__init__(proxy, timeout=limits, retries=False)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        self._watch = watch

    def connection_from_host(self, *given: Any, **named: Any) -> urllib3.HTTPConnectionPool:
        """Return a pool whose connections the deadline watches."""
        pool = super().connection_from_host(*given, **named)
        pool.conn_kw["watch"] = self._watch
        return pool

    def close(self) -> None:
        self.clear()


def _pool(
    address: Address, timeout: float, watch: Deadline, is_trusted: bool
) -> urllib3.HTTPConnectionPool | _Proxy:
    """Return what opens the connection: through the proxy that the environment names, if any."""
    limits = urllib3.Timeout(connect=timeout, read=timeout)
    proxy = None if proxy_bypass(address.host) else getproxies().get(address.scheme)
    if proxy and is_public(address.host):
        return _Proxy(proxy, limits, watch)
    kinds: Mapping[tuple[str, bool], type[urllib3.HTTPConnectionPool]] = {
        ("http", False): _PublicPool,
        ("http", True): _Pool,
        ("https", False): _PublicSecurePool,
        ("https", True): _SecurePool,
    }
    kind = kinds[address.scheme, is_trusted]
    return kind(address.host, address.port, timeout=limits, retries=False, watch=watch)


def _body(response: urllib3.BaseHTTPResponse, address: Address, largest: int) -> bytes:
    """Read the content as it comes, so that a server cannot flood."""
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > largest:
            raise FetchError(f"{address}: has more than {largest:,} bytes")
    return bytes(body)


def _reason(error: Exception) -> str:
    """Return a short line about an error of a connection."""
    cause = error.__cause__ or error.__context__
    text = " ".join(str(cause or error).split())[:120]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def seconds_to_wait(header: str) -> float:
    """Return what a ``Retry-After`` asks for, which may be a number of seconds or a date.

    >>> seconds_to_wait("7"), seconds_to_wait("soon")
    (7.0, 0.0)
    """
    text = header.strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
