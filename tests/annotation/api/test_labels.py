"""Answers after they were given, by API."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import Gold, Label
from annotation.services import assignments, labels
from tests.annotation.playing import answer, label_everything
from tests.annotation.test_history import freeze
from tests.callers import by_token, signed_in
from tests.cast import NOW, Cast, add_preferences

pytestmark = pytest.mark.either


def labelled(cast: Cast, size: int = 6) -> Label:
    add_preferences(cast.project, size)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    return Label.objects.filter(annotator=cast.ann_one).order_by("-pk")[0]


def test_mine_are_mine_and_tell_no_check(cast: Cast) -> None:
    labelled(cast)
    Label.objects.filter(annotator=cast.ann_one).update(kind="gold", agrees=True)
    rows = by_token(cast.ann_one, "read").get(f"/api/v1/projects/{cast.project.slug}/labels/mine/").json()
    assert {row["id"] for row in rows["results"]} == set(
        Label.objects.filter(annotator=cast.ann_one).values_list("pk", flat=True)
    )
    assert not {"kind", "agrees", "annotator", "comparison_id"} & set(rows["results"][0])
    assert not Gold.objects.exists()


def test_an_answer_is_edited_once_however_often_it_is_sent(cast: Cast) -> None:
    label = labelled(cast)
    client = by_token(cast.ann_one, "annotate", "read")
    sent = {"verdict": "cannot_judge", "key": str(uuid4())}
    url = f"/api/v1/labels/{label.pk}/"
    made = {client.patch(url, sent, format="json").json()["id"] for _ in range(10)}
    assert len(made) == 1
    story = client.get(f"/api/v1/labels/{made.pop()}/").json()
    assert [event["kind"] for event in story["events"]] == ["submitted", "edited"]
    assert story["label"]["supersedes_id"] == label.pk
    assert set(story["first"]) == {"prompt", "chosen", "rejected"}
    assert client.patch(url, {**sent, "key": str(uuid4())}, format="json").status_code == 409


def test_a_frozen_answer_is_refused_without_and_corrected_with_a_reason(cast: Cast) -> None:
    label = labelled(cast)
    dataset = freeze(cast, NOW + timedelta(days=1))
    client = signed_in(cast.ann_one)
    url = f"/api/v1/labels/{label.pk}/"
    refused = client.delete(url)
    assert (refused.status_code, set(refused.json()["fields"])) == (422, {"correction"})
    assert client.get(url).json()["held_by"] == dataset.number
    assert client.delete(f"{url}?correction=A+slip").status_code == 204
    seen = signed_in(cast.owner).get(f"/api/v1/datasets/{dataset.pk}/corrections/").json()["results"]
    assert [(row["kind"], row["reason"], row["actor"]) for row in seen] == [
        ("corrected", "A slip", "ann_one")
    ]


def test_managers_filter_everybodys_labels(cast: Cast) -> None:
    label = labelled(cast)
    client, url = signed_in(cast.admin), f"/api/v1/projects/{cast.project.slug}/labels/"
    mine = client.get(url, {"annotator": "ann_one"}).json()["results"]
    assert {row["annotator"] for row in mine} == {"ann_one"}
    one = client.get(url, {"comparison": str(label.comparison_id), "is_current": "true"}).json()["results"]
    assert [row["id"] for row in one] == [label.pk]
    assert client.get(url, {"verdict": "both"}).status_code == 422


@pytest.mark.parametrize(("path", "who"), [("labels/mine/", "ann_one"), ("labels/", "owner")])
def test_a_longer_list_asks_no_more_queries(cast: Cast, path: str, who: str) -> None:
    add_preferences(cast.project, 12)
    client = signed_in(getattr(cast, who))
    counts = []
    for _ in range(2):
        for _ in range(4):
            held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
            assert held
            answer(held)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(f"/api/v1/projects/{cast.project.slug}/{path}").status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_the_estimate_follows_the_settings_asked_for(cast: Cast) -> None:
    add_preferences(cast.project, 40)
    client, url = signed_in(cast.owner), f"/api/v1/projects/{cast.project.slug}/estimate"
    now = client.get(url).json()
    assert now["more"] == 0 < now["expected_now"] == now["expected_then"]
    twice = client.get(url, {"labels_per_comparison": 2}).json()
    assert twice["expected_then"] == 2 * now["expected_now"]
    assert client.get(url, {"strategy": "iterative"}).json()["expected_then"] != now["expected_now"]
    assert client.get(url, {"k": 0}).status_code == 422


def test_the_expected_labels_learn_from_comparisons_without_a_winner(cast: Cast) -> None:
    add_preferences(cast.project, 60)
    url = f"/api/v1/projects/{cast.project.slug}/estimate"
    before = signed_in(cast.owner).get(url).json()["expected_now"]
    for number in range(40):
        held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
        assert held
        answer(held, verdict="too_close" if number % 2 else "first")
    after = signed_in(cast.owner).get(url).json()["expected_now"]
    assert after == pytest.approx(2 * before, rel=0.02)


def test_already_mine_is_said_before_full(cast: Cast) -> None:
    """A second answer to one's own comparison is a conflict, not a lost lease, though no place is free."""
    add_preferences(cast.project, 2)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    client, url = signed_in(cast.ann_one), f"/api/v1/assignments/{held.pk}/label"
    key = str(uuid4())
    sent = [
        client.post(url, {"verdict": "first", "key": key, "want_next": False}, format="json")
        for _ in range(10)
    ]
    assert len({one.json()["label"]["id"] for one in sent}) == 1
    assert Label.objects.count() == 1
    other = client.post(url, {"verdict": "first", "key": str(uuid4())}, format="json")
    assert (other.status_code, other.json()["code"]) == (409, "already_answered")
    labels.undo_last(project=cast.project, by=cast.ann_one, at=NOW)
