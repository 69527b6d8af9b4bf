"""The preference behind a point of a run's scatter: by page and by API, with its margins and its rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import Preference
from tests.frontend.conftest import Desk, signed_in

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture
def compared(desk: Desk) -> list[Preference]:
    """Two preferences of a row, the stronger one first; the run's plot has them both, and no others."""
    won = desk.project.pools.get(split="train").comparisons.filter(outcome="low").earliest("pk")
    result = {
        "n": 3,
        "pearson": 0.5,
        "spearman": 0.25,
        "spearman_interval": [-0.1, 0.6],
        "points": {
            "id": [won.low.content_hash, won.high.content_hash],
            "score_margin": [2.0, 1.0],
            "margin": [-0.5, 1.25],
        },
    }
    desk.run.evaluations.create(
        name="margin_correlation", result=result, dataset_sha256="ab", created_at=desk.run.created_at
    )
    return [won.low, won.high]


def page(desk: Desk, client: Client, preference: str) -> Any:
    return client.get(reverse("run-preference", args=[desk.run.pk, preference]))


def test_the_scatter_has_a_link_for_each_point_and_says_what_is_drawn(
    desk: Desk, compared: list[Preference], owner_client: Client
) -> None:
    plot = owner_client.get(reverse("run-data", args=[desk.run.pk])).json()["plots"][-1]
    strong, weak = (one.content_hash for one in compared)
    assert [(one["name"], one["ids"], one["points"]) for one in plot["series"]] == [
        ("chosen preferred", [weak], [[1.0, 1.25]]),
        ("rejected preferred", [strong], [[2.0, -0.5]]),
    ]
    assert plot["link"].replace("/ID/", f"/{strong}/") == reverse(
        "run-preference", args=[desk.run.pk, strong]
    )
    assert "2 drawn by the run's seed from all 3 with scores. Spearman 0.25 (-0.10 to 0.60)." in plot["about"]
    assert 'id="margin-accuracy"' in owner_client.get(reverse("run", args=[desk.run.pk])).content.decode()


def test_a_result_from_before_points_had_ids_has_no_scatter(desk: Desk, owner_client: Client) -> None:
    desk.run.evaluations.create(
        name="margin_correlation",
        result={"n": 3, "pearson": 0.5, "spearman": 0.25},
        dataset_sha256="ab",
        created_at=desk.run.created_at,
    )
    plots = owner_client.get(reverse("run-data", args=[desk.run.pk])).json()["plots"]
    assert [one["id"] for one in plots] == ["loss"]
    assert "0.250" in owner_client.get(reverse("run", args=[desk.run.pk])).content.decode()


def test_a_point_opens_its_preference_with_both_margins_and_its_rows(
    desk: Desk, compared: list[Preference], owner_client: Client
) -> None:
    strong, weak = compared
    html = page(desk, owner_client, strong.content_hash).content.decode()
    assert strong.prompt[0]["content"] in html
    assert strong.chosen[0]["content"] in html
    assert strong.rejected[0]["content"] in html
    assert "<strong>-0.5</strong>" in html
    assert "The model prefers the rejected response." in html
    assert reverse("run-preference", args=[desk.run.pk, weak.content_hash]) in html
    assert "<strong>disagrees</strong>" in html  # the weaker one has the larger margin
    answer = owner_client.get(f"/api/v1/runs/{desk.run.pk}/preferences/{strong.content_hash}/").json()
    assert (answer["margin"], answer["score_chosen"]) == (-0.5, strong.score_chosen)
    assert answer["score_margin"] == answer["score_chosen"] - answer["score_rejected"]
    assert answer["preference_id"] == strong.pk
    own = {one["other_id"]: one for one in answer["rows"]}[weak.content_hash]
    assert (own["strong"], own["other_margin"], own["agrees"]) == (True, 1.25, False)
    assert answer["row_count"] == len(answer["rows"])


def test_a_preference_that_is_no_point_or_gone_since_is_still_shown(
    desk: Desk, compared: list[Preference], owner_client: Client
) -> None:
    kept = {one.content_hash for one in compared}
    other = desk.project.preferences.exclude(content_hash__in=kept).filter(split="train").earliest("pk")
    Preference.objects.filter(pk=other.pk).update(content_hash="0" * 64)
    html = page(desk, owner_client, other.content_hash).content.decode()
    assert "its learned margin is not stored" in html
    assert "gone since" in html
    assert page(desk, owner_client, "f" * 64).status_code == 404
    assert "no such preference" in page(desk, owner_client, "f" * 64).content.decode()
    annotator = signed_in(desk.cast.ann_one)
    assert page(desk, annotator, compared[0].content_hash).status_code == 403
