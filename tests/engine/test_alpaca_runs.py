"""AlpacaEval the whole way in an evaluation run: answers, a judge over HTTP, figures; and going on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine import judge, two_step, world
from tests.engine.judge import Answer
from tests.engine.test_rewardbench import folder
from training.engine import runner
from training.engine.benchmarks import annotated, outputs
from training.engine.errors import Cancelled, DatasetError, JudgeFailed, JudgeRefused, SpecError
from training.engine.evaluation_spec import AlpacaEvalSpec
from training.engine.evaluations import alpaca_eval
from training.engine.events import EventWriter
from training.engine.stopping import Stop

__all__ = ["folder"]  # the finished run, a fixture
KEY = "sk-secret-0123456789"
COUNT = 6


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POP_JUDGE_KEY", KEY)
    monkeypatch.delenv("POP_JUDGE_URL", raising=False)
    monkeypatch.setenv("POP_CACHE_DIR", str(tmp_path / "cache"))


def fair(_number: int, body: dict[str, Any]) -> Answer:
    """Whatever a model writes, the judge has something to say of it."""
    return Answer(body=judge.completion(0.2 + 0.1 * (len(body["messages"][-1]["content"]) % 7)))


def again(place: Path, of: Path, **wanted: Any) -> Path:
    """An evaluation run that asks for nothing else, with the baseline and a prompt beside its spec."""
    place.mkdir()
    texts = [
        {"instruction": f"What is {n}?", "output": f"It is {n}.", "generator": "base"} for n in range(COUNT)
    ]
    (place / "baseline.json").write_text(json.dumps(texts))
    (place / "prompt.txt").write_text(judge.PROMPT)
    asked = {"baseline": "baseline.json", "judge": "tester", "prompt": "prompt.txt", "max_new_tokens": 6}
    spec = {"kind": "evaluation", "subject": {"run": str(of)}, "dataset": {"path": str(of / "rows.jsonl")}}
    spec["evaluation"] = {"names": [], "alpaca_eval": asked | wanted}
    (place / "spec.json").write_text(json.dumps(spec))
    return place


def result(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "evaluation.json").read_text())["results"]["alpaca_eval"]
    return found


def rows(place: Path) -> list[dict[str, Any]]:
    return outputs.read(place / "alpaca-annotations.json", alpaca_eval.PARTS)


def test_the_whole_way_gives_the_figures_of_its_own_annotations(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = again(tmp_path / "again", folder, both_orders=True)
    with judge.judge(fair) as served:
        monkeypatch.setenv("POP_JUDGE_URL", served.url)
        runner.train(world.open_run(place))
        assert len(served.asked) == 2 * COUNT
        assert served.headers[0]["authorization"] == f"Bearer {KEY}"
    found, of = result(place), rows(place)
    figures = alpaca_eval.summary(of)
    told = {name: value for name, value in figures.items() if name != "remarks"}
    assert {name: found[name] for name in told} == told
    assert set(figures["remarks"]) <= set(found["remarks"])
    assert found["judging"]["answers"] == 2 * COUNT
    assert "not to be compared with its leaderboard" in "".join(found["remarks"])
    row = world.told(place, "evaluation")[-1].data
    assert (row["result"], row["dataset_sha256"]) == (found, annotated.measured_on(of))
    written = outputs.read(place / "alpaca-outputs.json", ("instruction", "output", "generator"))
    assert [one["output"] for one in written] == [one["output_2"] for one in of]
    asked = [one.data["message"] for one in world.told(place, "warning") if one.data["code"] == "judge_asked"]
    assert asked[0].startswith("tester is asked. Requests left: 12")
    assert KEY not in "".join(file.read_text() for file in place.rglob("*.json*"))


def test_a_judge_that_fails_half_way_is_asked_for_the_rest_by_the_next_start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = again(tmp_path / "again", folder)

    def gone(number: int, body: dict[str, Any]) -> Answer:
        return fair(number, body) if number < 2 else Answer(401)

    def mumbling(number: int, body: dict[str, Any]) -> Answer:
        return Answer(body=judge.completion(None, "perhaps")) if number < 3 else fair(number, body)

    with judge.judge(gone) as served:
        monkeypatch.setenv("POP_JUDGE_URL", served.url)
        with pytest.raises(JudgeRefused, match="401") as refusal:
            runner.train(world.open_run(place))
    assert "on the workers and resume the run" in refusal.value.hint
    assert "--" not in refusal.value.hint
    before = world.told(place, "stage")
    assert not world.told(place, "evaluation")
    with judge.judge(mumbling) as served:
        monkeypatch.setenv("POP_JUDGE_URL", served.url)
        runner.train(world.open_run(place))
        kept = COUNT - len({json.dumps(one) for one in served.asked})
        assert kept >= 2
    assert result(place)["n"] >= COUNT - 1
    written = next(one for one in world.told(place, "stage")[len(before) :] if "cached" in one.data)
    assert (written.data["total"], written.data["cached"]) == (0, COUNT)


def test_one_pair_that_the_judge_refuses_does_not_keep_a_run_from_its_end(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strict(number: int, body: dict[str, Any]) -> Answer:
        refused = body["messages"][-1]["content"].startswith("What is 2?")
        return Answer(400, {"error": "content_filter"}) if refused else fair(number, body)

    place = again(tmp_path / "again", folder, request={"top_logprobs": None, "temperature": 0})
    with judge.judge(strict) as served:
        monkeypatch.setenv("POP_JUDGE_URL", served.url)
        runner.train(world.open_run(place))
    assert {one["temperature"] for one in served.asked} == {0}
    assert not any("top_logprobs" in one for one in served.asked)
    found = result(place)
    assert found["request"] == '{"temperature": 0, "top_logprobs": null}'
    assert (found["n"], found["judging"]["refused"], found["orders"]) == (COUNT - 1, 1, "one")
    assert any("refused 1 of 6 questions" in one for one in found["remarks"])


def test_a_judge_that_answers_nonsense_fails_the_run_in_words(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with judge.judge(lambda *_: Answer(body=judge.completion(None, "perhaps"))) as served:
        monkeypatch.setenv("POP_JUDGE_URL", served.url)
        with pytest.raises(JudgeFailed, match="named neither m nor M") as failure:
            runner.train(world.open_run(again(tmp_path / "again", folder)))
    assert failure.value.hint.startswith("Evaluate again with another judge")


class StoppedAtOnce(EventWriter):
    """Somebody asks to stop the moment the judge is asked."""

    stop: Stop

    def write(self, kind: Any, step: int | None = None, **data: Any) -> None:
        super().write(kind, step, **data)
        self.stop.requested |= data.get("code") == "judge_asked"


def test_it_can_be_cancelled_while_the_judge_is_silent(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with judge.judge(lambda *_: Answer(503, headers={"Retry-After": "500"})) as served:
        monkeypatch.setenv("POP_JUDGE_URL", served.url)
        run = world.open_run(again(tmp_path / "again", folder), StoppedAtOnce)
        run.events.stop = run.stop
        with pytest.raises(Cancelled):
            runner.train(run)


def test_what_cannot_be_asked_is_refused_before_anything_slow(folder: Path, tmp_path: Path) -> None:
    place = again(tmp_path / "again", folder)
    with pytest.raises(SpecError, match="set POP_JUDGE_URL"):
        runner.train(world.open_run(place))
    assert not world.told(place, "stage")
    (place / "baseline.json").write_text("[]")
    with pytest.raises(DatasetError, match="no instruction in common"):
        runner.train(world.open_run(place))
    reward = two_step.run_dir(tmp_path / "reward", "reward_model", world.rows(8))
    (reward / "model").mkdir()
    (reward / "model" / "config.json").write_text("{}")
    with pytest.raises(SpecError, match="it writes nothing"):
        runner.train(world.open_run(again(tmp_path / "of-reward", reward)))
    wrong: list[Any] = [[], {"n": 2}, {"temperature": float("nan")}, {"stop": "\ud800"}, {1: 2}]
    for request in wrong:
        with pytest.raises(ValueError, match=r"must be a JSON object|cannot set n|finite numbers"):
            AlpacaEvalSpec.model_validate({"request": request})
    for half in ({"baseline": "a.json"}, {"judge": "tester"}):
        with pytest.raises(ValueError, match="needs both"):
            AlpacaEvalSpec.model_validate(half)
