"""A thread's connection to a server, cut when an answer takes too long. No torch here.

A client's own timeout is for each silence: a server that sends a byte now and then, of headers or of a body,
is never silent. httpx2 reads headers before anybody sees the answer, so that only its connection can be cut.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx2


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
        """The whole answer, its content as it came. Raises RequestError, a ReadTimeout where it is late.

        Args:
            within: seconds from now to the last byte.
        """
        traced = {"trace": self._hear}
        with (
            self._cut_after(within),
            self._http.stream("POST", url, json=body, extensions=traced) as answer,
        ):
            content = b"".join(answer.iter_raw())
        return httpx2.Response(answer.status_code, headers=answer.headers, content=content)

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
