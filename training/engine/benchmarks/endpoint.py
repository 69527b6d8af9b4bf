"""An OpenAI-compatible endpoint, asked with patience. No torch here.

Its key is in the header of requests and nowhere else: a server's words are cleared of it before they show.
"""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx2

from training.engine.benchmarks.lines import Line, TooLarge
from training.engine.errors import JudgeFailed, JudgeRefused, SpecError

WORDS = 200  # characters of what a server says that are shown
AGAIN = (408, 425, 429)  # beside 5xx
OF_QUESTION = (400, 413, 422)  # this question, perhaps: a filter's, or too long; perhaps all of them
PATH = "/chat/completions"
HINT = "Every answer so far is kept: the same command, or the run resumed, goes on with what is missing."


@dataclass(frozen=True)
class Patience:
    """How an endpoint is waited for, in seconds.

    Attributes:
        timeout: for a connection, for any silence, and for an answer, from the question to its last byte.
        retries: after what may pass: no connection, no answer in time, 408, 425, 429, 5xx, no completion.
        first: before the first retry; twice that before the next, and so on, less up to a half by chance.
        longest: between two tries, unless the server asks for more.
        most: that a server may ask for (Retry-After).
    """

    timeout: float = 60.0
    retries: int = 6
    first: float = 1.0
    longest: float = 60.0
    most: float = 600.0


class QuestionRefused(JudgeRefused):
    """The endpoint will not take this question, and perhaps others. `said`: its status and words."""

    def __init__(self, message: str, *, said: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.said = said


class Stopped(Exception):
    """Nobody wants the answer any more."""


class Endpoint:
    """Chat completions of one endpoint; threads may share it, each with a connection of its own.

    `wait`: waits for seconds and says whether to stop; by default until `stop` is called.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        patience: Patience | None = None,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Raises SpecError where `url` is no http address or `key` cannot be sent."""
        self.url = checked(url) + PATH
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise SpecError("POP_JUDGE_KEY has characters that no header can hold.")
        self._key = key
        self._patience = patience or Patience()
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._tls = httpx2.create_ssl_context()
        self._own = threading.local()
        self._lines: list[Line] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self._lines:
            line.close()

    def stop(self) -> None:
        """Have everybody who waits for another try give up."""
        self._stopped.set()

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A completion with at least one choice.

        Raises:
            QuestionRefused: the endpoint will not take this one. JudgeRefused: nor any other, by its
                key or address. JudgeFailed: it failed every time.
            Stopped: `stop` was called.
        """
        for attempt in range(self._patience.retries + 1):
            if self._stopped.is_set():
                raise Stopped
            try:
                answer = self._line().post(self.url, body, self._patience.timeout)
            except httpx2.RequestError as error:
                problem, asked = self._unheard(error), 0.0
            else:
                if answer.is_success and (found := _completion(answer)) is not None:
                    return found
                problem, asked = self._problem(answer), _asked_for(answer)
            if attempt < self._patience.retries and self._wait(self._pause(attempt, asked)):
                raise Stopped
        raise JudgeFailed(
            f"The judge at {self.url} failed {self._patience.retries + 1} times: {_closed(problem)}",
            hint=HINT,
        )

    def _line(self) -> Line:
        """This thread's own."""
        if not hasattr(self._own, "line"):
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            self._own.line = Line(headers=headers, timeout=self._patience.timeout, verify=self._tls)
            self._lines.append(self._own.line)
        line: Line = self._own.line
        return line

    def clear(self, text: str) -> str:
        """Words without the key, in one line, shortened."""
        shown = " ".join((text.replace(self._key, "…") if self._key else text).split())
        return shown if len(shown) <= WORDS else shown[: WORDS - 1] + "…"

    def _unheard(self, error: httpx2.RequestError) -> str:
        if isinstance(error, httpx2.TimeoutException):
            return f"no answer within {self._patience.timeout:g} seconds"
        if isinstance(error, TooLarge):
            return str(error)
        return self.clear(f"{type(error).__name__}: {error}")

    def _problem(self, answer: httpx2.Response) -> str:
        """What to say of an answer that is none. Raises JudgeRefused where asking again would not help."""
        problem = f"{answer.status_code} {self.clear(_words(answer))}".strip()
        if not answer.is_success and answer.status_code < 500 and answer.status_code not in AGAIN:
            message, hint = (
                f"The judge at {self.url} refuses: {_closed(problem)}",
                _advice(answer.status_code),
            )
            if answer.status_code in OF_QUESTION:
                raise QuestionRefused(message, said=problem, hint=hint)
            raise JudgeRefused(message, hint=hint)
        return f"{problem} (no chat completion)" if answer.is_success else problem

    def _pause(self, attempt: int, asked: float) -> float:
        if asked > self._patience.most:
            raise JudgeFailed(
                f"The judge at {self.url} asks to wait {asked:,.0f} seconds.", code="judge_busy", hint=HINT
            )
        # An attempt of a thousand would overflow.
        doubled = min(self._patience.longest, self._patience.first * 2.0 ** min(attempt, 60))
        return max(asked, doubled * random.uniform(0.5, 1))  # noqa: S311 - no secret


def checked(url: str) -> str:
    """An endpoint's address without a slash at its end.

    Raises:
        SpecError: it is no http address, or holds what belongs into POP_JUDGE_KEY.
    """
    hint = "It is the address before /chat/completions, such as http://127.0.0.1:8000/v1."
    if not url:
        raise SpecError("No judge is named: set POP_JUDGE_URL.", code="judge_missing", hint=hint)
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise SpecError("POP_JUDGE_URL is no address.", hint=hint) from None
    if parsed.userinfo or parsed.query:
        raise SpecError("POP_JUDGE_URL has a password or a query: a key goes into POP_JUDGE_KEY.", hint=hint)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SpecError("POP_JUDGE_URL is no http or https address.", hint=hint)
    return url.rstrip("/").removesuffix(PATH)


def _completion(answer: httpx2.Response) -> dict[str, Any] | None:
    """The document, if its first choice is one."""
    try:
        found = answer.json()
        return found if isinstance(found["choices"][0], dict) else None
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None


def _words(answer: httpx2.Response) -> str:
    """What a server says is wrong: its message if it has one, else all of it."""
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return answer.text
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _closed(sentence: str) -> str:
    """A sentence that another may follow."""
    return sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."


def _asked_for(answer: httpx2.Response) -> float:
    """Seconds of a Retry-After header, as a number or a date; 0 without one."""
    given = answer.headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):  # no date; or one without a zone; or no year
            return 0.0
    return max(seconds, 0.0) if not math.isnan(seconds) else 0.0


def _advice(status: int) -> str:
    if status in (401, 403):
        return "The key is read from POP_JUDGE_KEY."
    if status < 400 or status == 404:
        return "Look at POP_JUDGE_URL and --model."
    return f"--request changes what is sent. {HINT}"
