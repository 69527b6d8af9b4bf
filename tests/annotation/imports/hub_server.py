"""A stand-in for the Hugging Face Hub on this machine: the few answers that streaming a data set asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "a" * 40
DATE = "2024-01-01T00:00:00.000Z"


@contextmanager
def serving(dataset: str, files: dict[str, bytes]) -> Iterator[str]:
    """The address of a Hub that has one data set."""
    handler = type("Handler", (_Handler,), {"dataset": dataset, "files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    dataset: str
    files: dict[str, bytes]

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        api = f"/api/datasets/{self.dataset}"
        if path == api or path.startswith(f"{api}/revision/"):
            return self.answer(self.about())
        if path.startswith(f"{api}/tree/"):
            return self.answer(self.tree("/".join(path.split("/")[7:])))
        file = re.fullmatch(f"/datasets/{self.dataset}/resolve/[^/]+/(.*)", path)
        if file and file[1] in self.files:
            return self.part(self.files[file[1]])
        missing = "EntryNotFound" if file else "RepoNotFound"
        return self.answer(None, 404, {"X-Error-Code": missing, "X-Repo-Commit": COMMIT})

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

    def about(self) -> dict[str, Any]:
        names = [{"rfilename": name} for name in self.files]
        flags = {"private": False, "gated": False, "disabled": False, "tags": [], "downloads": 0, "likes": 0}
        return {
            "id": self.dataset,
            "sha": COMMIT,
            "siblings": names,
            "lastModified": DATE,
            "createdAt": DATE,
            **flags,
        }

    def tree(self, folder: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [
            {"type": "file", "oid": "b" * 40, "size": len(data), "path": name}
            for name, data in self.files.items()
            if name.rpartition("/")[0] == folder
        ]
        folders = {name.split("/")[0] for name in self.files if "/" in name} if not folder else set()
        return found + [{"type": "directory", "oid": "c" * 40, "size": 0, "path": name} for name in folders]

    def part(self, data: bytes) -> None:
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not span:
            return self.answer(data, 200, {"ETag": f'"{"b" * 40}"', "X-Repo-Commit": COMMIT})
        first, last = int(span[1]), min(int(span[2] or len(data)), len(data) - 1)
        return self.answer(
            data[first : last + 1], 206, {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        )

    def answer(self, body: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""
