"""A stand-in for the Hub that takes pushes: repositories are made, commits kept, and read again."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.annotation.imports.hub_server import COMMIT, _Handler


@dataclass
class Hub:
    """What was sent. `token` is the one that may write; others get 403."""

    token: str
    url: str = ""
    made: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)


@contextmanager
def taking(dataset: str, token: str) -> Iterator[Hub]:
    """A Hub whose one writable repository is `dataset`."""
    hub = Hub(token)
    handler = type("Handler", (_Taking,), {"dataset": dataset, "files": hub.files, "hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Taking(_Handler):
    hub: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.hub.tokens.add(token)
        if token != self.hub.token:
            return self.answer({"error": "Forbidden"}, 403)
        path = self.path.split("?")[0]
        if path == "/api/repos/create":
            self.hub.made.append(json.loads(body))
            return self.answer({"url": f"{self.hub.url}/datasets/{self.dataset}", "id": self.dataset})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path == f"/api/datasets/{self.dataset}/preupload/main":
            names = [one["path"] for one in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return self.answer({"files": modes})
        if path == f"/api/datasets/{self.dataset}/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            url = f"{self.hub.url}/datasets/{self.dataset}/commit/{COMMIT}"
            return self.answer({"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})
        return self.answer(None, 404)
