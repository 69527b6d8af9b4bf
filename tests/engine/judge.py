"""A judge that speaks the protocol of OpenAI's chat completions over HTTP, and fails when it is told to."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What tests give as a prompt: the judge finds the texts between characters that are in none of them.
PROMPT = "{instruction}\x1e{output_1}\x1e{output_2}"


@dataclass(frozen=True)
class Answer:
    """A status, headers and a body, parts of one as they come; None: the connection ends without a word.

    `raw`: bytes as they come, in the place of all of that.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: Iterator[bytes] | None = None


Says = Callable[[int, dict[str, Any]], Answer | None]


@dataclass
class Judge:
    """Everything it was asked, with the headers; `url` is what POP_JUDGE_URL takes."""

    url: str
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def texts(body: Mapping[str, Any]) -> tuple[str, str]:
    """The two outputs of a question by `PROMPT`, in the order asked."""
    _, first, second = body["messages"][-1]["content"].split("\x1e")
    return first, second


def probability(first: str, second: str) -> float:
    """Of the first, by a judge that looks at the texts only: it likes length, and e more than the rest."""
    liked = [0.1 * len(one) + 0.5 * one.count("e") for one in (first, second)]
    return 1 / (1 + math.exp(max(-30.0, min(30.0, liked[1] - liked[0]))))


def completion(share: float | None, text: str = "") -> dict[str, Any]:
    """A chat completion that gives `m` this probability; None: no log-probabilities, only `text`."""
    given: dict[str, Any] | None = None
    if share is not None:
        text = text or ("m" if share >= 0.5 else "M")
        # The two names share what the others leave, as with a real model.
        rest = [("m", 0.9 * share), ("M", 0.9 * (1 - share)), ("The", 0.1)]
        top = [{"token": token, "logprob": math.log(one)} for token, one in rest if one > 0]
        given = {"content": [{"token": text, "logprob": -0.1, "top_logprobs": top}]}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": given}
    return {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 1}}


def fair(_number: int, body: dict[str, Any]) -> Answer:
    """What a judge says that never fails and looks at nothing but the texts."""
    return Answer(body=completion(probability(*texts(body))))


@contextmanager
def judge(says: Says = fair) -> Iterator[Judge]:
    """A judge on a port of this machine; `says` is given the number of the request, from 0, and its body."""
    alone = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with alone:
                number = len(here.asked)
                here.asked.append(body)
                here.headers.append({name.lower(): value for name, value in self.headers.items()})
            said = Answer(404) if self.path != "/v1/chat/completions" else says(number, body)
            if said is None:
                self.close_connection = True
                return
            parts = said.raw
            if isinstance(said.body, Iterator):
                self.send_response(said.status)
                self.end_headers()
                parts = said.body
            if parts is not None:
                self.close_connection = True
                for part in parts:
                    self.wfile.write(part)
                return
            content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {**said.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever was timed out on has gone."""

    server = Server(("127.0.0.1", 0), Handler)
    here = Judge(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
