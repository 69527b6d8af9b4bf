"""`pop-train alpaca-judge` against a judge over HTTP: results, cost, going on after whatever stopped it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine import judge, world
from tests.engine.judge import Answer
from training.engine import cli, pop_train, reference_cache
from training.engine.benchmarks import outputs
from training.engine.evaluations import alpaca_eval

KEY = "sk-secret-0123456789"
COUNT = 8
FILES = ("mine.json", "base.json")
WORDS = ("alpaca-judge", *FILES, "--model", "judge", "--prompt", "prompt.txt", "--wait", "0")


def output(place: int, generator: str) -> dict[str, str]:
    long = (place * 5 + (3 if generator == "mine" else 0)) % 11
    return {"dataset": "d", "instruction": f"q{place}", "output": "e" * long + ".", "generator": generator}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Outputs of two models and a prompt that the judge can read."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "base"):
        (tmp_path / f"{name}.json").write_text(json.dumps([output(place, name) for place in range(COUNT)]))
    (tmp_path / "prompt.txt").write_text(judge.PROMPT)
    monkeypatch.setenv("POP_JUDGE_KEY", KEY)
    monkeypatch.delenv("POP_JUDGE_URL", raising=False)
    return tmp_path


def asking(served: judge.Judge, *more: str) -> int:
    os.environ["POP_JUDGE_URL"] = served.url
    return pop_train.main([*WORDS, *more])


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path("annotations.json").read_text())
    return found


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def expected() -> list[float]:
    both = [[output(place, name)["output"] for name in ("base", "mine")] for place in range(COUNT)]
    return [1.5 if base == mine else 2 - judge.probability(base, mine) for base, mine in both]


def test_a_judge_is_asked_once_as_the_package_asks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with judge.judge() as served:
        assert asking(served, "--json") == cli.FINISHED
        first = said(capsys)
        asked = list(served.asked)
        assert asking(served, "--json") == cli.FINISHED
        again = said(capsys)
        assert served.asked == asked
    assert len(asked) == COUNT
    names = {
        "model": "judge",
        "max_tokens": 1,
        "temperature": 1,
        "top_p": 1,
        "logprobs": True,
        "top_logprobs": 5,
    }
    assert all({name: one[name] for name in one if name != "messages"} == names for one in asked)
    assert [one["preference"] for one in rows()] == pytest.approx(expected())
    assert [one["output_1"] for one in rows()] == [output(place, "base")["output"] for place in range(COUNT)]
    switched = {one["orders"][0]["switched"] for one in rows()}
    assert switched == {False, True}  # or nothing here says that it is undone
    assert first["win_rate"] == pytest.approx(100 * (sum(expected()) / COUNT - 1))
    assert first["judge"]["read_from"] == {"logprobs": COUNT, "text": 0}
    assert (first["judge"]["asked"], again["judge"]["asked"]) == (COUNT, 0)
    assert first["judge"]["input_tokens"] == 100 * COUNT
    assert again["win_rate"] == first["win_rate"]
    found = alpaca_eval.summary(outputs.read(Path("annotations.json"), alpaca_eval.PARTS), generator="mine")
    assert found["win_rate"] == first["win_rate"]


def test_the_win_rate_closes_what_people_see(capsys: pytest.CaptureFixture[str]) -> None:
    with judge.judge() as served:
        assert asking(served) == cli.FINISHED
    shown = capsys.readouterr()
    assert shown.out.startswith(f"mine against base, {COUNT} prompts, in percent\nwin_rate ")
    assert "not to be compared with its leaderboard" in shown.out
    assert f"Requests left: {COUNT}, about " in shown.err


@pytest.mark.parametrize("status", [401, 500])
def test_a_judge_that_fails_half_way_is_gone_on_with(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    def dying(number: int, body: dict[str, Any]) -> Answer:
        return judge.fair(number, body) if number < 5 else Answer(status, {"error": "broken"})

    with judge.judge(dying) as served:
        code = asking(served, "--concurrency", "1", "--retries", "1")
    told = capsys.readouterr().err
    assert code == (cli.BAD_INPUT if status == 401 else cli.CRASHED)
    assert "broken" in told
    assert f"5 of {COUNT} answers came and are kept" in told
    assert len(served.asked) == (6 if status == 401 else 7)
    assert not Path("annotations.json").exists()
    with judge.judge() as served:
        assert asking(served) == cli.FINISHED
    assert len(served.asked) == COUNT - 5
    assert [one["preference"] for one in rows()] == pytest.approx(expected())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_whoever_is_stopped_goes_on_with_what_is_missing(how: signal.Signals) -> None:
    reached, release = threading.Event(), threading.Event()

    def holding(number: int, body: dict[str, Any]) -> Answer:
        if number == 5:
            reached.set()
            release.wait(60)
        return judge.fair(number, body)

    with judge.judge(holding) as served:
        os.environ |= {"POP_JUDGE_URL": served.url, "PYTHONPATH": str(world.ROOT)}
        command = [sys.executable, "-m", "training.engine.pop_train", *WORDS, "--concurrency", "1"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert reached.wait(60)
            process.send_signal(how)
            if how == signal.SIGINT:
                assert process.stderr is not None
                assert any("Stopping" in line for line in process.stderr)
            else:
                process.wait(60)
            release.set()
            process.communicate(timeout=60)
        assert process.returncode == (cli.CANCELLED if how == signal.SIGINT else -how)
    with judge.judge() as served:
        assert asking(served) == cli.FINISHED
    assert len(served.asked) == COUNT - (
        6 if how == signal.SIGINT else 5
    )  # who can waits for what is paid for
    assert [one["preference"] for one in rows()] == pytest.approx(expected())


def test_as_many_are_asked_at_once_as_allowed() -> None:
    four = threading.Barrier(4, timeout=60)

    def waiting(number: int, body: dict[str, Any]) -> Answer:
        four.wait()
        return judge.fair(number, body)

    with judge.judge(waiting) as served:
        assert asking(served, "--concurrency", "4") == cli.FINISHED
    assert [one["preference"] for one in rows()] == pytest.approx(expected())


def test_nonsense_is_tried_again_then_kept_without_a_preference(capsys: pytest.CaptureFixture[str]) -> None:
    def rambling(number: int, body: dict[str, Any]) -> Answer:
        strange = body["messages"][0]["content"].startswith("q3")
        return Answer(body=judge.completion(None, "Both are fine")) if strange else judge.fair(number, body)

    with judge.judge(rambling) as served:
        assert asking(served, "--json") == cli.FINISHED
        assert len(served.asked) == COUNT + 2
        assert asking(served, "--json") == cli.FINISHED
        assert len(served.asked) == COUNT + 2
    shown = capsys.readouterr().out
    assert "1 of 8 answers named neither m nor M, after 3 tries each." in shown
    assert "The judge said nothing of 1 prompts" in shown
    assert [one["preference"] is None for one in rows()] == [place == 3 for place in range(COUNT)]
    assert rows()[3]["orders"][0]["said"] == "Both are fine"
    with judge.judge() as served:
        assert asking(served, "--ask-again") == cli.FINISHED
    assert len(served.asked) == 1
    assert [one["preference"] for one in rows()] == pytest.approx(expected())


def test_a_judge_that_never_says_anything_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with judge.judge(lambda *_: Answer(body=judge.completion(None, "Sorry"))) as served:
        assert asking(served) == cli.CRASHED
    assert "neither m nor M in any of its 8 answers. One is 'Sorry'" in capsys.readouterr().err


def test_log_probabilities_that_are_no_numbers_are_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    broken = judge.completion(0.75)
    broken["choices"][0]["logprobs"]["content"][0]["top_logprobs"][0]["logprob"] = float("nan")
    with judge.judge(lambda *_: Answer(body=broken)) as served:
        assert asking(served) == cli.CRASHED
    err = capsys.readouterr().err
    assert "named m or M, and gave neither a log-probability that is a number in any of its 8 answers" in err
    assert "named neither" not in err


def test_without_log_probabilities_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with judge.judge(
        lambda _, body: Answer(
            body=judge.completion(None, "m" if judge.probability(*judge.texts(body)) > 0.5 else "M")
        )
    ) as served:
        assert asking(served, "--json", "--request", '{"logprobs": null, "temperature": 0}') == cli.FINISHED
    found = said(capsys)
    assert "logprobs" not in served.asked[0]
    assert served.asked[0]["temperature"] == 0
    assert found["judge"]["read_from"] == {"logprobs": 0, "text": COUNT}
    assert any("8 answers came without log-probabilities" in one for one in found["remarks"])
    assert [one["preference"] for one in rows()] == [2 if one > 1.5 else 1 for one in expected()]


def test_both_orders_show_a_judge_that_likes_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    with judge.judge(lambda *_: Answer(body=judge.completion(0.9))) as served:
        assert asking(served, "--both-orders", "--json") == cli.FINISHED
        assert len(served.asked) == 2 * COUNT
    found = said(capsys)
    assert found["win_rate"] == pytest.approx(50)
    assert (found["judge"]["contradictions"], found["judge"]["in_both_orders"]) == (COUNT, COUNT)
    assert "The judge contradicted itself in 8 of 8 pairs (100.0%)." in found["remarks"]
    with judge.judge() as served:
        assert asking(served) == cli.FINISHED
    assert served.asked == []  # one order is among both


def test_the_cost_is_told_and_nothing_asked(capsys: pytest.CaptureFixture[str]) -> None:
    prices = ("--price-input", "2", "--price-output", "10")
    assert pop_train.main([*WORDS, "--dry-run", "--json", *prices]) == cli.FINISHED  # no endpoint is named
    found = said(capsys)
    assert (found["requests"], found["kept"], found["output_tokens"]) == (COUNT, 0, COUNT)
    assert found["cost"] == pytest.approx((2 * found["input_tokens"] + 10 * COUNT) / 1e6)
    sizes = [sum(len(output(place, name)["output"]) for name in ("mine", "base")) for place in range(COUNT)]
    assert found["input_tokens"] == sum(8 + -(-(size + len("q0") + 2) // 4) for size in sizes)
    with judge.judge() as served:
        assert asking(served, "--price-input", "1e6", "--max-cost", "1") == cli.BAD_INPUT
        assert "more than --max-cost 1" in capsys.readouterr().err
        assert asking(served, "--max-cost", "1") == cli.BAD_INPUT
        assert served.asked == []


def test_no_more_is_spent_than_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    limit = ("--price-input", "10000", "--max-cost", "2.5")  # 100 tokens of an answer's count cost 1
    with judge.judge() as served:
        assert asking(served, "--concurrency", "1", *limit) == cli.CRASHED
        assert len(served.asked) == 3
        assert "judge_cost: 3 was spent" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "code", "count"), [("n\n", cli.CANCELLED, 0), ("y\n", cli.FINISHED, COUNT)]
)
def test_a_person_at_a_terminal_is_asked_first(
    typed: str, code: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    with judge.judge() as served:
        assert asking(served) == code
    assert len(served.asked) == count
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    with judge.judge() as served:
        assert asking(served, "--yes") == cli.FINISHED


def places(folder: Path) -> Iterator[bytes]:
    for root in (folder, *reference_cache.roots()):
        yield from (file.read_bytes() for file in root.rglob("*") if file.is_file())


def test_the_key_stands_nowhere(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    replies = [judge.completion(0.7, KEY), judge.completion(None, f"key {KEY}"), {"error": f"not {KEY}"}]

    def echoing(number: int, _body: dict[str, Any]) -> Answer:
        return Answer(200 if number < 4 else 403, replies[min(number // 2, 2)])

    with judge.judge(echoing) as served:
        assert asking(served, "--concurrency", "1") == cli.BAD_INPUT
    with judge.judge() as served:
        assert asking(served) == cli.FINISHED
    assert served.headers[0]["authorization"] == f"Bearer {KEY}"
    shown = capsys.readouterr()
    assert "not …" in shown.err
    written = [*places(folder), shown.out.encode(), shown.err.encode(), caplog.text.encode()]
    assert len(written) > 5
    assert not any(b"secret" in one for one in written)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--request", "{"], "not JSON"),
        (["--request", "[]"], "must be a JSON object"),
        (["--request", '{"model": "x", "n": 2}'], "cannot set model, n"),
        (["--prompt", "missing.txt"], "missing.txt cannot be read"),
        (["--out", "."], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with judge.judge() as served:
        assert asking(served, *more) == cli.BAD_INPUT
    assert said in capsys.readouterr().err


def test_outputs_without_counterparts_are_left_out_and_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.json").write_text(json.dumps([output(place, "mine") for place in range(2, COUNT + 1)]))
    with judge.judge() as served:
        assert asking(served, "--json") == cli.FINISHED
    assert "3 outputs have no counterpart in the other file and are left out." in said(capsys)["remarks"]
    assert [one["instruction"] for one in rows()] == [f"q{place}" for place in range(2, COUNT)]


@pytest.mark.parametrize("words", [["--concurrency", "0"], ["--retries", "x"], ["--timeout", "nan"]])
def test_numbers_are_numbers(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        pop_train.main([*WORDS, *words])
    assert f"{words[1]!r} is no" in capsys.readouterr().err
