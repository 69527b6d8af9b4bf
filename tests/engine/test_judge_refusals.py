"""A judge that refuses some questions, as its filter or its room has it, and one that refuses them all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine import judge
from tests.engine.judge import Answer
from tests.engine.test_judge_answers import pair
from training.engine.benchmarks import asking, judged
from training.engine.benchmarks.asking import Asking, Way
from training.engine.benchmarks.endpoint import Endpoint
from training.engine.benchmarks.verdict_cache import VerdictCache
from training.engine.benchmarks.verdicts import Prompt, Verdict
from training.engine.errors import JudgeFailed, JudgeRefused

WAY = Way("judge", Prompt(judge.PROMPT))
FILTERED = {"error": {"code": "content_filter", "message": "The prompt was filtered."}}


def ask(refused: set[int], count: int, status: int = 400) -> tuple[Asking, list[dict[str, Any]], int]:
    """One start: what is not known of `count` pairs is asked in turn."""
    pairs = [pair(f"q{place}", "x", f"y{place}") for place in range(count)]
    words = {f"q{place}\x1e" for place in refused}

    def says(number: int, body: dict[str, Any]) -> Answer:
        content = body["messages"][-1]["content"]
        strict = any(content.startswith(one) for one in words)
        return Answer(status, FILTERED) if strict else judge.fair(number, body)

    requests, cache = WAY.requests(pairs), VerdictCache(WAY.model, WAY.settings)
    before = cache.get(requests)
    known = {key: one for key, one in before.items() if one.preference is not None}
    left = {key: one for key, one in requests.items() if key not in known}
    with (
        judge.judge(says) as served,
        Endpoint(served.url) as endpoint,
        Asking(endpoint, cache, known=before) as now,
    ):
        now.all(left)
    found: dict[str, Verdict] = known | now.found
    return now, asking.annotated(pairs, WAY, found), len(served.asked)


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("place", [0, 3, 4])
def test_a_pair_that_the_judge_refuses_has_no_preference_and_the_others_have(place: int, status: int) -> None:
    now, rows, asked = ask({place}, 5, status)
    assert asked == 5
    assert [one["preference"] is None for one in rows] == [one == place for one in range(5)]
    assert rows[place]["orders"][0]["said"] == f"{status} The prompt was filtered."
    told = judged.about(rows, WAY, now.found, now)
    assert (told["refused"], told["silent"], told["unread"]) == (1, 1, 0)
    assert any("refused 1 of 5 questions" in one for one in judged.remarks(told))
    assert not any("named neither" in one for one in judged.remarks(told))
    again = ask({place}, 5, status)
    assert (again[1], again[2]) == (rows, 1)  # each start asks once more
    assert ask(set(), 5)[1][place]["preference"] is not None


@pytest.mark.parametrize("count", [1, 4, 30])
def test_a_judge_that_refuses_every_pair_is_told_and_not_asked_on_and_on(count: int) -> None:
    for _ in range(2):
        with pytest.raises(JudgeRefused, match=r"400 The prompt was filtered\."):
            ask(set(range(count)), count)


def test_a_judge_that_begins_to_refuse_everything_stops_the_asking_and_a_later_start_gets_through() -> None:
    refused = set(range(5, 5 + asking.IN_A_ROW + 2))
    with pytest.raises(JudgeRefused):  # its credit is spent, by the looks of it
        ask(refused, 30)
    _, rows, _ = ask(refused, 30)
    assert {place for place, one in enumerate(rows) if one["preference"] is None} == refused


def test_refusals_beside_nonsense_are_told_as_such() -> None:
    found = {"a": Verdict(None, "refused", "400 too long", (0, 0)), "b": Verdict(None, "text", "Hm", (1, 1))}
    with pytest.raises(JudgeFailed, match="refused 1 of 2 questions, and no pair has an answer of use"):
        judged.about([{"preference": None}], WAY, found, None)


def test_a_key_that_is_refused_half_way_is_no_question_that_is() -> None:
    with pytest.raises(JudgeRefused, match="401"):
        ask({3}, 5, 401)
