"""Labelling by API: the card, the answer, the next card, undo, heartbeat."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from annotation.models import Assignment, Label
from tests.callers import by_token, post, signed_in
from tests.cast import Cast, add_preferences

pytestmark = pytest.mark.either


@pytest.fixture
def base(cast: Cast) -> str:
    add_preferences(cast.project, 8)
    return f"/api/v1/projects/{cast.project.slug}"


def answer(client: APIClient, card: dict[str, Any], **body: Any) -> Any:
    sent = {"verdict": "first", "key": str(uuid4())} | body
    return post(client, f"/api/v1/assignments/{card['id']}/label", sent)


def test_a_card_holds_the_texts_and_nothing_else(cast: Cast, base: str) -> None:
    card = post(by_token(cast.ann_one, "annotate"), f"{base}/next").json()
    assert set(card) == {"id", "kind", "expires_at", "question", "anchor", "first", "second", "practice"}
    assert set(card["first"]) == set(card["second"]) == {"prompt", "chosen", "rejected"}
    assert card["first"]["prompt"][0]["role"] == "user"


def test_an_answer_brings_the_next_card(cast: Cast, base: str) -> None:
    client = signed_in(cast.ann_one)
    card = post(client, f"{base}/next").json()
    done = answer(client, card, verdict="second", duration_ms=1234)
    assert done.status_code == 201
    assert done.json()["label"]["verdict"] == "second"
    assert done.json()["label"]["assignment_id"] == card["id"]
    assert done.json()["next"]["id"] != card["id"]
    assert Label.objects.get().duration_ms == 1234


def test_the_next_card_is_not_one_the_browser_holds(cast: Cast, base: str) -> None:
    client = signed_in(cast.ann_one)
    first = post(client, f"{base}/next").json()
    second = post(client, f"{base}/next", {"exclude": [first["id"]]}).json()
    assert second["id"] != first["id"]
    third = answer(client, first, exclude=[second["id"]]).json()["next"]
    assert third["id"] not in {first["id"], second["id"]}


def test_no_next_card_when_none_is_wanted(cast: Cast, base: str) -> None:
    client = signed_in(cast.ann_one)
    card = post(client, f"{base}/next").json()
    assert answer(client, card, want_next=False).json()["next"] is None
    assert not Assignment.objects.filter(annotator=cast.ann_one, state="leased").exists()


def test_the_same_key_again_stores_nothing_more(cast: Cast, base: str) -> None:
    client, key = signed_in(cast.ann_one), str(uuid4())
    card = post(client, f"{base}/next").json()
    first = answer(client, card, key=key)
    again = answer(client, card, key=key)
    assert again.status_code == 201
    assert again.json()["label"] == first.json()["label"]
    assert Label.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "maybe"},
        {"key": "not-a-uuid"},
        {"reason": "x" * 501},
        {"duration_ms": -1},
        {"exclude": ["x"]},
        {"exclude": list(range(1, 99))},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_answer_is_422_and_keeps_the_lease(cast: Cast, base: str, wrong: dict[str, Any]) -> None:
    client = signed_in(cast.ann_one)
    card = post(client, f"{base}/next").json()
    assert answer(client, card, **wrong).status_code == 422
    assert not Label.objects.exists()
    assert Assignment.objects.get().state == "leased"


def test_half_a_character_is_refused_like_any_wrong_value(cast: Cast, base: str) -> None:
    client = signed_in(cast.ann_one)
    card = post(client, f"{base}/next").json()
    for field in ("verdict", "reason", "key"):
        body = {"verdict": "first", "key": str(uuid4())} | {field: "?"}
        sent = json.dumps(body).replace('"?"', r'"\ud800"')
        url = f"/api/v1/assignments/{card['id']}/label"
        assert client.post(url, sent, content_type="application/json").status_code == 422


def test_an_empty_queue_says_why(cast: Cast) -> None:
    empty = post(signed_in(cast.ann_one), f"/api/v1/projects/{cast.project.slug}/next").json()
    assert set(empty) == {"empty"}
    assert empty["empty"]["code"] == "no_preferences"
    assert empty["empty"]["message"]


def test_a_paused_project_says_so(cast: Cast, base: str) -> None:
    post(signed_in(cast.owner), f"{base}/pause")
    assert post(signed_in(cast.ann_one), f"{base}/next").json()["empty"]["code"] == "paused"


def test_undo_gives_the_same_comparison_back(cast: Cast, base: str) -> None:
    client = signed_in(cast.ann_one)
    card = post(client, f"{base}/next").json()
    answer(client, card)
    back = post(client, f"{base}/undo")
    assert back.status_code == 200
    assert back.json()["first"] == card["first"]
    assert not Label.objects.filter(is_current=True).exists()


def test_undo_with_nothing_to_undo_is_refused(cast: Cast, base: str) -> None:
    refused = post(signed_in(cast.ann_one), f"{base}/undo")
    assert refused.status_code in {404, 409}
    assert refused.json()["detail"]


def test_heartbeats_prolong_ones_own_leases_only(cast: Cast, base: str) -> None:
    card = post(signed_in(cast.ann_one), f"{base}/next").json()
    beat = "/api/v1/assignments/heartbeat"
    assert post(signed_in(cast.ann_one), beat, {"ids": [card["id"], 999_999]}).json() == {
        "extended": [card["id"]]
    }
    assert post(signed_in(cast.ann_two), beat, {"ids": [card["id"]]}).json() == {"extended": []}
    assert post(signed_in(cast.ann_one), beat, {"ids": []}).status_code == 422


def test_progress_counts_everyones_and_ones_own(cast: Cast, base: str) -> None:
    client = signed_in(cast.ann_one)
    answer(client, post(client, f"{base}/next").json())
    mine = client.get(f"{base}/progress/").json()
    assert (mine["labels"], mine["mine"], mine["per_annotator"]) == (1, {"today": 1, "total": 1}, [])
    seen = signed_in(cast.owner).get(f"{base}/progress/").json()
    assert seen["mine"] == {"today": 0, "total": 0}
    assert [(one["name"], one["labels"]) for one in seen["per_annotator"]] == [("ann_one", 1)]
    assert signed_in(cast.owner).get(f"{base}/funnel/").json()["preferences"] == 8


def test_release_gives_everything_back(cast: Cast, base: str) -> None:
    client = signed_in(cast.ann_one)
    post(client, f"{base}/next")
    assert post(client, f"{base}/release").json() == {"released": 1}
    assert not Assignment.objects.filter(state="leased").exists()


def test_somebody_elses_assignment_does_not_exist(cast: Cast, base: str) -> None:
    card = post(signed_in(cast.ann_one), f"{base}/next").json()
    for user in (cast.ann_two, cast.owner, cast.outsider):
        assert answer(signed_in(user), card).status_code == 404
    assert not Label.objects.exists()
