"""Addresses that may be fetched: http and https, on public hosts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from ..errors import FetchError, shortened, without_password

_PORTS = {"http": 80, "https": 443}
_KEPT = "%/:=&?~#+!$,;'@()*[]"
"""Characters of an address that are not encoded, beside letters and digits."""


@dataclass(frozen=True)
class Address:
    """An address in its parts.

    Attributes:
        host: in lower case; an international name in its ASCII form.
        target: path and query.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """The address of the host, without a path."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{name}{port}"

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse_address(text: str) -> Address:
    """Return an address in its parts, without a fragment.

    Raises:
        FetchError: it is not one of http or https, or holds a password.
    """
    try:
        parts = urlsplit(text.strip())
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
        host = host.encode("idna").decode() if not host.isascii() else host
    except ValueError:  # UnicodeError is one; what it says may hold a part of a password
        raise FetchError(f"{shortened(without_password(text))}: is no address") from None
    if scheme not in _PORTS or not host or " " in host:
        shown = shortened(without_password(text))
        raise FetchError(f"{shown}: is no address that begins with http:// or https://")
    if "@" in parts.netloc:
        raise FetchError(f"{scheme}://{host}: is given with a name or password; leave these out")
    query = f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""
    path = quote(parts.path, safe=_KEPT) or "/"
    return Address(scheme, host.lower(), port or _PORTS[scheme], path + query)


def redirected(address: Address, location: str) -> Address:
    """Return where a redirect leads.

    Raises:
        FetchError: to another scheme, or from https to http.
    """
    target = parse_address(urljoin(str(address), location))
    if address.scheme == "https" and target.scheme == "http":
        raise FetchError(f"{address}: redirects from https to http ({target})")
    return target


def is_public(host: str) -> bool:
    """Return whether a host may be public: a name, or an IP address that is routed globally."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_global and not found.is_multicast
