"""An endpoint that is slow, busy, broken or strict, over real HTTP; where its key may stand."""

from __future__ import annotations

import gzip
import json
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.engine import judge
from tests.engine.judge import Answer
from training.engine import environment
from training.engine.benchmarks.endpoint import Endpoint, Patience, Stopped
from training.engine.errors import JudgeFailed, JudgeRefused, SpecError

KEY = "sk-secret-0123456789"
GOOD = judge.completion(0.75)


class Waits:
    """Waiting that takes no time; `stop`: whether somebody stops in the meantime."""

    def __init__(self, *, stop: bool = False) -> None:
        self.seconds: list[float] = []
        self.stop = stop

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return self.stop


def ask(answers: list[Answer | None], waits: Waits | None = None, **patience: Any) -> tuple[Any, judge.Judge]:
    """What comes of a judge that gives these answers one after another, and the last one from then on."""
    with (
        judge.judge(lambda number, _: answers[min(number, len(answers) - 1)]) as served,
        Endpoint(served.url, KEY, patience=Patience(**patience), wait=waits or Waits()) as endpoint,
    ):
        return endpoint.ask({"model": "judge"}), served


PASSING = [
    Answer(429, {"error": {"message": "slow down"}}),
    Answer(500, b"<html>oops</html>"),
    Answer(503),
    Answer(408),
    Answer(200, b"<html>a proxy</html>"),
    Answer(200, b"not packed", {"Content-Encoding": "gzip"}),
    Answer(200, gzip.compress(json.dumps(GOOD).encode())[:-9], {"Content-Encoding": "gzip"}),
    Answer(200, b"{}", {"Content-Encoding": "br"}),
    Answer(503, headers={"Retry-After": f"Mon, 01 Jan {9**30} 00:00:00 GMT"}),
    Answer(200, {"error": {"message": "overloaded"}}),
    Answer(200, {"choices": []}),
    None,
]


@pytest.mark.parametrize("failure", PASSING, ids=lambda one: "death" if one is None else str(one.status))
def test_what_may_pass_is_tried_again(failure: Answer | None) -> None:
    waits = Waits()
    found, served = ask([failure, failure, Answer(body=GOOD)], waits)
    assert found == GOOD
    assert len(served.asked) == 3
    assert 0.5 <= waits.seconds[0] <= 1 <= waits.seconds[1] <= 2


@pytest.mark.parametrize("packed", [True, False])
def test_an_answer_without_end_is_not_read_to_it(packed: bool) -> None:
    over = threading.Event()

    def parts() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while not over.is_set():
            yield b" " * 65536

    bomb = gzip.compress(b" " * (256 * 1024**2)) if packed else b""
    endless = Answer(body=bomb, headers={"Content-Encoding": "gzip"}) if packed else Answer(raw=parts())
    tracemalloc.start()
    with pytest.raises(
        JudgeFailed, match=r"failed 1 times: an answer of more than 8 MB, which is not read\."
    ):
        ask([endless], retries=0)
    over.set()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64e6


def test_an_answer_is_asked_for_unpacked_and_read_if_it_is_packed() -> None:
    found, served = ask([Answer(200, gzip.compress(json.dumps(GOOD).encode()), {"Content-Encoding": "gzip"})])
    assert found == GOOD
    assert served.headers[0]["accept-encoding"] == "identity"


def test_waits_double_up_to_the_longest() -> None:
    waits = Waits()
    with pytest.raises(JudgeFailed, match=r"failed 6 times: 503 no room\.\n"):
        ask([Answer(503, {"detail": "no room"})], waits, retries=5, first=2.0, longest=9.0)
    for seconds, most in zip(waits.seconds, (2, 4, 8, 9, 9), strict=True):
        assert most / 2 <= seconds <= most


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_how_long_is_waited_for(status: int) -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    for given, expected in (("7", 7.0), (format_datetime(later, usegmt=True), 90.0)):
        waits = Waits()
        ask([Answer(status, headers={"Retry-After": given}), Answer(body=GOOD)], waits)
        assert waits.seconds == [pytest.approx(expected, abs=30)]
        assert waits.seconds[0] >= 7
    waits = Waits()
    ask([Answer(status, headers={"Retry-After": "soon"}), Answer(body=GOOD)], waits, first=0.0)
    assert waits.seconds == [0]


def test_a_server_that_asks_for_hours_is_not_waited_for() -> None:
    waits = Waits()
    with pytest.raises(JudgeFailed, match="asks to wait 7,200 seconds") as caught:
        ask([Answer(429, headers={"Retry-After": "7200"})], waits)
    assert (caught.value.code, waits.seconds) == ("judge_busy", [])


def test_an_answer_that_does_not_come_in_time_is_asked_for_again() -> None:
    over = threading.Event()

    def says(number: int, _body: dict[str, Any]) -> Answer:
        if number == 0:
            over.wait(30)
        return Answer(body=GOOD)

    with (
        judge.judge(says) as served,
        Endpoint(served.url, patience=Patience(timeout=0.2, first=0.0)) as endpoint,
    ):
        assert endpoint.ask({}) == GOOD
        over.set()
        assert len(served.asked) == 2
    gone = Endpoint(served.url, patience=Patience(retries=1, first=0.0))  # nobody listens there any more
    with gone, pytest.raises(JudgeFailed, match=r"failed 2 times: ConnectError.*[^.]\.\n"):
        gone.ask({})


def test_an_answer_that_comes_in_drops_is_given_up_in_time() -> None:
    over = threading.Event()

    def drops() -> Iterator[bytes]:
        while not over.wait(0.02):
            yield b" "

    with (
        judge.judge(lambda *_: Answer(body=drops())) as served,
        Endpoint(served.url, patience=Patience(timeout=0.2, retries=1, first=0.0)) as endpoint,
    ):
        with pytest.raises(JudgeFailed, match=r"failed 2 times: no answer within 0\.2 seconds\."):
            endpoint.ask({})
        over.set()
    assert len(served.asked) == 2


def test_headers_that_come_in_drops_are_given_up_in_time_and_the_next_answer_is_whole() -> None:
    over = threading.Event()

    def drops() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nX-Slow: "
        while not over.wait(0.02):
            yield b"x"

    def says(number: int, _body: dict[str, Any]) -> Answer:
        return Answer(raw=drops()) if number == 1 else Answer(body=GOOD)

    with (
        judge.judge(says) as served,
        Endpoint(served.url, patience=Patience(timeout=0.3, retries=1, first=0.0)) as endpoint,
    ):
        for asked in (1, 3, 4):  # the second is asked twice: on a connection that was kept, on a new one
            assert endpoint.ask({}) == GOOD
            assert len(served.asked) == asked
        over.set()


def test_threads_do_not_cut_each_others_answers() -> None:
    over = threading.Event()

    def says(_number: int, body: dict[str, Any]) -> Answer:
        if body["slow"]:
            over.wait(30)
        return Answer(body=GOOD)

    with (
        judge.judge(says) as served,
        Endpoint(served.url, patience=Patience(timeout=0.3, retries=0)) as endpoint,
        ThreadPoolExecutor(2) as threads,
    ):
        slow = threads.submit(endpoint.ask, {"slow": True})
        while not slow.done():
            assert threads.submit(endpoint.ask, {"slow": False}).result(5) == GOOD
        assert isinstance(slow.exception(), JudgeFailed)
        over.set()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": {"message": f"Bad key {KEY}"}}, "401 Bad key … The key is read from POP_JUDGE_KEY"),
        (400, {"error": f"Bearer {KEY} " + "x" * 900}, "400 Bearer … xxx"),
        (404, b"no such model", "404 no such model. Look at POP_JUDGE_URL and --model"),
        (422, {"detail": [{"loc": ["logprobs"]}]}, '422 [{"loc": ["logprobs"]}]. --request changes'),
        (302, b"elsewhere", "302 elsewhere. Look at POP_JUDGE_URL"),
    ],
)
def test_a_refusal_stops_at_once_with_the_servers_words(status: int, body: Any, said: str) -> None:
    waits = Waits()
    with pytest.raises(JudgeRefused) as caught:
        ask([Answer(status, body)], waits)
    told = f"{caught.value.message} {caught.value.hint}"
    assert said in told
    assert KEY not in told
    assert len(told) < 500
    assert waits.seconds == []


def test_a_key_cut_short_by_the_shortening_is_not_shown_either() -> None:
    with pytest.raises(JudgeRefused) as caught:
        ask([Answer(400, {"error": "x" * 190 + KEY})])
    assert "sk-" not in caught.value.message


def test_the_key_is_sent_as_a_header_or_not_at_all() -> None:
    found, served = ask([Answer(body=GOOD)])
    assert served.headers[0]["authorization"] == f"Bearer {KEY}"
    with judge.judge(lambda *_: Answer(body=GOOD)) as open_one, Endpoint(open_one.url) as endpoint:
        assert endpoint.ask({}) == found
    assert "authorization" not in open_one.headers[0]


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(key: str) -> None:
    with pytest.raises(SpecError) as caught:
        Endpoint("http://127.0.0.1/v1", key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "set POP_JUDGE_URL"),
        ("127.0.0.1:8000/v1", "no http"),
        ("ftp://127.0.0.1/v1", "no http"),
        ("http://", "no http"),
        ("http://host:port/v1", "no address"),
        ("http://me:hidden@127.0.0.1/v1", "goes into POP_JUDGE_KEY"),
        ("http://127.0.0.1/v1?key=hidden", "goes into POP_JUDGE_KEY"),
    ],
)
def test_what_is_no_address_is_refused(url: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        Endpoint(url)
    assert "hidden" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("end", ["", "/", "/chat/completions"])
def test_an_address_may_end_as_people_copy_it(end: str) -> None:
    with Endpoint(f"http://127.0.0.1/v1{end}") as endpoint:
        assert endpoint.url == "http://127.0.0.1/v1/chat/completions"


def test_who_was_stopped_tries_no_more() -> None:
    with pytest.raises(Stopped):
        ask([Answer(503)], Waits(stop=True))
    with judge.judge() as served, Endpoint(served.url) as endpoint:
        endpoint.stop()
        with pytest.raises(Stopped):
            endpoint.ask({})
        assert served.asked == []


def test_settings_come_from_the_environment_or_a_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POP_JUDGE_KEY", raising=False)
    assert environment.text("POP_JUDGE_KEY") == ""
    monkeypatch.setenv("POP_JUDGE_KEY", " one ")
    assert environment.text("POP_JUDGE_KEY") == "one"
    (tmp_path / "key").write_text("two\n")
    monkeypatch.setenv("POP_JUDGE_KEY_FILE", str(tmp_path / "key"))
    assert environment.text("POP_JUDGE_KEY") == "two"
    monkeypatch.setenv("POP_JUDGE_KEY_FILE", str(tmp_path))
    with pytest.raises(SpecError, match="POP_JUDGE_KEY_FILE names"):
        environment.text("POP_JUDGE_KEY")
