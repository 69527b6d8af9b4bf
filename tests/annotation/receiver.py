"""A real HTTP receiver on loopback: keeps what it is sent and answers what it is told to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DRIPPING = 1  # no status: an answer that begins and goes on for ever


@dataclass
class Receiver:
    """`answers` are statuses, given in turn; the last one for ever. 0 never answers."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [204])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def receiver(*answers: int) -> Iterator[Receiver]:
    taken = Receiver(answers=list(answers) or [204])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = taken.answers.pop(0) if len(taken.answers) > 1 else taken.answers[0]
            if not status:
                taken.hung_up.wait(30)
                return
            if status == DRIPPING:
                self._drip()
                return
            self.send_response(status)
            if status in {301, 302, 307, 308}:
                self.send_header("Location", f"{taken.url}elsewhere")
            self.send_header("Content-Length", "0" if status == 204 else "5")
            self.end_headers()
            if status != 204:
                self.wfile.write(b"hello")

        def _drip(self) -> None:
            """A byte now and then: no single read ever takes long."""
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not taken.hung_up.wait(0.02):
                    self.wfile.write(b".")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taken.url = f"http://127.0.0.1:{server.server_port}/hook/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        taken.hung_up.set()
        server.shutdown()
        server.server_close()
