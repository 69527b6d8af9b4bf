"""One POST to an address that somebody typed in: resolved once, checked, and sent to just that address.

The name is not resolved again for the connection, so that a name which changes its mind in between (DNS
rebinding) reaches nothing that was not checked. Redirects are answers, not orders.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 15.0  # from the first byte sent to the last byte read
EXCERPT = 500
UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is given out; `is_global` has more
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Unreachable(Exception):
    """No answer: refused, too slow, not to be found, or not to be asked. The words are for the log."""


class Answer(NamedTuple):
    status: int
    excerpt: str


def problem(url: str) -> str:
    """Why such an address is not taken; empty when it is fine so far as one can tell without resolving."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "This is not a URL."
    if parts.scheme not in ({"https", "http"} if settings.WEBHOOK_ALLOW_PRIVATE else {"https"}):
        return "The address must begin with “https:”."
    if not host or any(sign.isspace() or not sign.isprintable() for sign in url):
        return "This is not a URL."
    if parts.username or parts.password:
        return "No user name or password in the address: the signature says who sends."
    with suppress(ValueError):
        if not _may_reach(ipaddress.ip_address(host)):
            return "Private, loopback and link-local addresses are not allowed on this server."
    return ""


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send it. Raises Unreachable."""
    wrong = problem(url)
    if wrong:
        raise Unreachable(wrong)
    parts = urlsplit(url)
    connection = _Pinned(parts, _resolved(parts))
    watch = threading.Timer(WHOLE_SECONDS, connection.break_off)
    watch.daemon = True
    watch.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        excerpt = _printable(response.read(EXCERPT))
        if connection.broken_off:
            raise TimeoutError
        return Answer(response.status, excerpt)
    except (OSError, http.client.HTTPException, ValueError) as error:
        slow = connection.broken_off or (connection.wire and isinstance(error, TimeoutError))
        why = f"No answer within {WHOLE_SECONDS:.0f} s." if slow else _in_words(error)
        raise Unreachable(why) from error
    finally:
        watch.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to the checked address; the name still goes into `Host` and the certificate's check."""

    def __init__(self, parts: SplitResult, address: str) -> None:
        super().__init__(parts.hostname or "", _port(parts), timeout=CONNECT_SECONDS)
        self.address = address
        self.secure = parts.scheme == "https"
        self.default_port = 443 if self.secure else 80
        self.broken_off = False
        self.wire: socket.socket | None = None  # `sock` is given up as soon as an answer begins that ends it

    def connect(self) -> None:
        raw = socket.create_connection((self.address, self.port), timeout=CONNECT_SECONDS)
        raw.settimeout(WHOLE_SECONDS)
        self.sock = raw
        if self.secure:
            self.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=self.host)
        self.wire = self.sock

    def break_off(self) -> None:
        """Called from another thread: wakes the one that reads or writes."""
        self.broken_off = True
        wire = self.wire or self.sock
        with suppress(OSError, AttributeError):
            wire.shutdown(socket.SHUT_RDWR)


def _resolved(parts: SplitResult) -> str:
    """One address of the host; all of them must be allowed."""
    try:
        found = socket.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{parts.hostname} was not found.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(_may_reach(ipaddress.ip_address(a.split("%")[0])) for a in addresses):
        raise Unreachable(f"{parts.hostname} leads to an address this server may not ask.")
    return addresses[0]


def _may_reach(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return True
    if isinstance(address, ipaddress.IPv6Address):
        if inner := _inside(address):
            return inner.is_global and not inner.is_multicast
        if address not in UNICAST:
            return False
    return address.is_global and not address.is_multicast


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a gateway, or this machine, would send to instead."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _in_words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "The connection timed out."
    return f"{type(error).__name__}: {error}"[:EXCERPT]


def _printable(raw: bytes) -> str:
    return "".join(s if s.isprintable() else " " for s in raw.decode("utf-8", "replace")).strip()[:EXCERPT]
