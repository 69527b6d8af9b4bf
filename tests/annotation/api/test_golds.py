from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import Gold
from annotation.selectors import tallies
from annotation.services import datasets
from annotation.services import gold as golds
from tests.annotation.checked import golds as made_golds
from tests.annotation.checked import next_of_kind, project_with
from tests.annotation.playing import answer, label_everything
from tests.callers import by_token, post, signed_in
from tests.cast import NOW, Cast

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture
def base(cast: Cast) -> str:
    return f"/api/v1/projects/{cast.project.slug}"


def test_golds_are_made_from_scores_and_listed_with_their_answers(cast: Cast, base: str) -> None:
    project_with(cast)
    made = post(by_token(cast.admin, "manage"), f"{base}/golds/from-scores", {"count": 4, "min_gap": 2})
    assert made.status_code == 201
    assert (made.json()["wanted"], made.json()["made"]) == (4, 4)
    listed = by_token(cast.admin, "read").get(f"{base}/golds/").json()["results"]
    assert [one["times"] for one in listed] == [0] * 4
    assert {one["source"] for one in listed} == {"scores"}


def test_a_list_of_golds_asks_the_same_number_of_queries_however_long(cast: Cast, base: str) -> None:
    project_with(cast)
    caller = by_token(cast.admin, "read")
    caller.get(f"{base}/golds/")  # the token's first use is noted once

    def queries(count: int) -> int:
        post(by_token(cast.admin, "manage"), f"{base}/golds/from-scores", {"count": count, "min_gap": 1})
        with CaptureQueriesContext(connection) as seen:
            assert caller.get(f"{base}/golds/").status_code == 200
        return len(seen)

    assert queries(2) == queries(20)


@pytest.mark.parametrize("percents", [{"gold_percent": 50}, {"retest_percent": 50}])
def test_an_annotator_sees_no_difference_between_a_check_and_work(
    cast: Cast, base: str, percents: dict[str, int]
) -> None:
    """Cards, answers, counts and the ids have one shape, whatever kind the comparison is."""
    project_with(cast, size=40, **percents)
    post(by_token(cast.admin, "manage"), f"{base}/golds/from-scores", {"count": 9, "min_gap": 2})
    caller, shapes, ids = by_token(cast.ann_one, "annotate"), set(), []
    card = post(caller, f"{base}/next").json()
    for number in range(60):
        body = {"verdict": "first", "key": f"00000000-0000-4000-8000-{number:012d}"}
        reply = post(caller, f"/api/v1/assignments/{card['id']}/label", body).json()
        label, following = reply["label"], reply["next"]
        shapes.add((shape(card), shape(label), reply["feedback"]))
        ids.append(card["id"])
        card = following
    kinds = set(cast.ann_one.labels.values_list("kind", flat=True))
    assert len(kinds) == 2, "both work and a check were among them"
    assert len(shapes) == 1
    assert ids == list(range(ids[0], ids[0] + len(ids))), "ids come from one row of numbers"


def shape(found: object) -> object:
    """Names and types, without the values."""
    if isinstance(found, dict):
        return tuple((name, shape(value)) for name, value in found.items())
    if isinstance(found, list):
        return (shape(found[0]),)
    return type(found).__name__


def test_what_annotators_count_moves_with_a_check_as_with_work(cast: Cast) -> None:
    project = project_with(cast, size=40, gold_percent=30, retest_percent=20)
    post(
        by_token(cast.admin, "manage"),
        f"/api/v1/projects/{project.slug}/golds/from-scores",
        {"count": 9, "min_gap": 2},
    )
    browser, page = signed_in(cast.ann_one), f"/projects/{project.slug}/label"
    reply = post(browser, f"{page}/next").json()
    moves = set()
    for number in range(50):
        before = reply["counts"]
        body = {
            "assignment": reply["task"]["id"],
            "verdict": "first",
            "key": f"00000000-0000-4000-8000-{number:012d}",
        }
        reply = post(browser, f"{page}/answer", body).json()
        moves.add(tuple(reply["counts"][name] - before[name] for name in ("today", "total", "labels")))
    assert len(set(cast.ann_one.labels.values_list("kind", flat=True))) == 3
    assert moves == {(1, 1, 1)}


def test_progress_tells_annotators_no_check_from_work(cast: Cast, base: str) -> None:
    project = project_with(cast, size=40, gold_percent=30)
    made_golds(cast, 4)
    caller, moved = signed_in(cast.ann_one), set()
    for kind in ("work", "gold"):
        lease = next_of_kind(project, cast.ann_one, kind)
        before = caller.get(f"{base}/progress/").json()
        answer(lease, verdict="first")
        after = caller.get(f"{base}/progress/").json()
        assert after["labels"] == before["labels"] + 1
        moved.add(tuple(name for name, value in after.items() if value != before[name]))
    assert moved == {("labels", "mine")}
    assert signed_in(cast.owner).get(f"{base}/progress/").json()["comparisons_open"] is not None


def test_a_practice_answer_comes_with_feedback_again_when_it_is_sent_again(cast: Cast, base: str) -> None:
    project_with(cast, practice_size=2)
    body = {"count": 2, "min_gap": 2, "use": "practice"}
    post(by_token(cast.admin, "manage"), f"{base}/golds/from-scores", body)
    gold = Gold.objects.order_by("pk").first()
    assert gold
    golds.set_explanation(gold=gold, explanation="Far apart.", by=cast.admin, at=NOW)
    caller = by_token(cast.ann_one, "annotate")
    card = post(caller, f"{base}/next").json()
    assert card["practice"] == {"number": 1, "of": 2}
    sent = {"verdict": "too_close", "key": "00000000-0000-4000-8000-000000000001"}
    first = post(caller, f"/api/v1/assignments/{card['id']}/label", sent).json()
    again = post(caller, f"/api/v1/assignments/{card['id']}/label", sent).json()
    assert first["feedback"] == again["feedback"]
    assert first["feedback"]["right"] is False
    assert first["feedback"]["explanation"] == "Far apart."
    assert first["next"]["practice"] == {"number": 2, "of": 2}


def test_gold_is_in_no_frozen_dataset(cast: Cast, files: Path) -> None:
    project = project_with(cast, size=12, gold_percent=50)
    body = {"count": 9, "min_gap": 1}
    post(by_token(cast.admin, "manage"), f"/api/v1/projects/{project.slug}/golds/from-scores", body)
    label_everything(project, [cast.ann_one, cast.ann_two])
    assert tallies.of_project(project).gold
    dataset = datasets.freeze(project=project, by=cast.owner, at=NOW)
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert dataset.row_count == tallies.of_project(project).decided
