"""A thread's connection to a server, cut when an answer takes too long. No torch here.

A client's own timeout is for each silence: a server that sends a byte now and then, of headers or of a body,
is never silent. httpx2 reads headers before anybody sees the answer, so that only its connection can be cut.
Nor does a client bound what it reads, or what that unpacks to.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import httpx2

MOST_BYTES = (
    8 * 1024 * 1024
)  # of an answer, unpacked: one of a token with its log-probabilities has two thousand
PACKED = ("gzip", "x-gzip", "deflate")


class TooLarge(httpx2.RequestError):
    """An answer that is not read to its end; the message is a sentence's end."""


class Line:
    """One connection at a time, for one thread."""

    def __init__(self, **options: Any) -> None:
        """`options`: of `httpx2.Client`."""
        self._http = httpx2.Client(limits=httpx2.Limits(max_connections=1), **options)
        self._stream: Any = None
        self._late = False

    def close(self) -> None:
        self._http.close()

    def post(self, url: str, body: Any, within: float) -> httpx2.Response:
        """The whole answer, unpacked.

        Args:
            within: seconds from now to the last byte.

        Raises:
            RequestError: a ReadTimeout where it is late, TooLarge where it has more than `MOST_BYTES`.
        """
        traced, plain = {"trace": self._hear}, {"Accept-Encoding": "identity"}
        with (
            self._cut_after(within),
            self._http.stream("POST", url, json=body, headers=plain, extensions=traced) as answer,
        ):
            content = _read(answer)
        headers = answer.headers.copy()
        if (packed := headers.pop("content-encoding", "identity").strip().lower()) != "identity":
            content = _unpacked(content, packed)
        return httpx2.Response(answer.status_code, headers=headers, content=content)

    @contextlib.contextmanager
    def _cut_after(self, seconds: float) -> Iterator[None]:
        self._late = False
        watch = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._cut)
        watch.daemon = True
        watch.start()
        try:
            yield
        except httpx2.RequestError as error:
            if self._late:
                raise httpx2.ReadTimeout("the answer has not ended") from error
            raise
        finally:
            watch.cancel()
            watch.join()  # the next request has the same connection
        if self._late:  # an answer without a length ends as its connection does
            raise httpx2.ReadTimeout("the answer has not ended")

    def _cut(self) -> None:
        self._late = True
        opened = self._stream.get_extra_info("socket") if self._stream is not None else None
        if opened is not None:
            with contextlib.suppress(OSError):  # closed already
                # Not TLS's own method, which takes from its reader what it reads with.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def _hear(self, _event: str, about: dict[str, Any]) -> None:
        """Remember each connection that is made, and TLS over it."""
        made = about.get("return_value")
        if hasattr(made, "get_extra_info"):
            self._stream = made
            if self._late:
                self._cut()


def _read(answer: httpx2.Response) -> bytes:
    content = bytearray()
    for part in answer.iter_raw():
        content += part
        if len(content) > MOST_BYTES:
            raise _too_large()
    return bytes(content)


def _unpacked(content: bytes, packed: str) -> bytes:
    """What a server packed that was asked not to."""
    if packed not in PACKED:
        raise httpx2.DecodingError(f"the answer is packed as {packed}, which was not asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # of gzip or of zlib
    try:
        found = unpacker.decompress(content, MOST_BYTES + 1)
    except zlib.error as error:
        raise httpx2.DecodingError(str(error)) from error
    if len(found) > MOST_BYTES:
        raise _too_large()
    if not unpacker.eof:
        raise httpx2.DecodingError("the answer is packed and not whole")
    return found


def _too_large() -> TooLarge:
    return TooLarge(f"an answer of more than {MOST_BYTES // 1024**2} MB, which is not read")
