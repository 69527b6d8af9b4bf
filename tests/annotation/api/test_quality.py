"""Quality by the API: figures in full, tables sorted and in pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import AgreementPair, Tally
from tests.annotation.answered import answered
from tests.callers import signed_in
from tests.cast import Cast, make_user, reviewer_of

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def url(cast: Cast, part: str) -> str:
    return f"/api/v1/projects/{cast.project.slug}/{part}"


def got(cast: Cast, part: str, **query: str) -> Any:
    reply = signed_in(cast.owner).get(url(cast, part), query)
    assert reply.status_code == 200, reply.content
    return reply.json()


def test_the_figures_of_a_project(cast: Cast) -> None:
    answered(cast, "llhhn", "llhln")
    found = got(cast, "quality/")
    assert found["agreement"]["comparisons"] == 5
    assert found["agreement"]["alike"] == pytest.approx(0.8)
    assert found["agreement"]["alpha"] == pytest.approx(0.71, abs=0.01)
    assert (found["agreement"]["low"], found["agreement"]["why"]) == (None, "")
    assert "fewer than 10" in found["agreement"]["why_no_interval"]
    assert found["answers"]["too_close"]["of"] == 10
    assert signed_in(reviewer_of(cast.project)).get(url(cast, "quality/")).json() == found


def test_annotators_are_sorted_and_paged(cast: Cast) -> None:
    answered(cast, "ll", "ln")
    page = got(cast, "annotators/", sort="-too_close", page_size="1")
    assert (page["count"], [row["name"] for row in page["results"]]) == (2, ["ann_two"])
    row = page["results"][0]
    assert (row["id"], row["alike"]["hits"], row["alike"]["of"]) == (cast.ann_two.pk, 1, 2)
    assert (row["answers"]["labels"], row["answers"]["too_close"]["value"]) == (2, 0.5)
    following = signed_in(cast.owner).get(page["next"]).json()["results"]
    assert [row["name"] for row in following] == ["ann_one"]


@pytest.mark.parametrize("part", ["annotators/", "annotators/pairs/"])
def test_an_unknown_order_is_refused_in_words(cast: Cast, part: str) -> None:
    reply = signed_in(cast.owner).get(url(cast, part), {"sort": "wealth"})
    assert reply.status_code == 422
    assert "sort" in reply.json()["fields"]


def make_pairs(cast: Cast, start: int) -> None:
    for number in range(start, start + 5):
        person = make_user(f"person{number}")
        AgreementPair.objects.create(
            project=cast.project, one=cast.owner, other=person, shared=20 + number, same=20
        )
        Tally.objects.create(pool=cast.project.pools.earliest("pk"), annotator=person, labels=number + 1)


@pytest.mark.parametrize("part", ["annotators/", "annotators/pairs/"])
def test_a_longer_list_asks_no_more_queries(cast: Cast, part: str) -> None:
    client, counted = signed_in(cast.owner), []
    for start in (0, 5):
        make_pairs(cast, start)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            found = client.get(url(cast, part)).json()
        assert found["count"] == start + 5
        counted.append(len(seen))
    assert counted[0] == counted[1]


def test_a_pair_has_both_names_and_a_share_with_its_interval(cast: Cast) -> None:
    make_pairs(cast, 0)
    pair = got(cast, "annotators/pairs/", sort="-shared")["results"][0]
    assert (pair["one"], pair["other"]) == ("owner", "person4")
    assert (pair["alike"]["hits"], pair["alike"]["of"]) == (20, 24)
    assert pair["alike"]["low"] < 20 / 24 < pair["alike"]["high"]
