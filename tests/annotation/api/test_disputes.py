"""The adjudication queue by the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from annotation.models import Comparison, Label, Role
from tests.annotation.disputes import differ, disputed, settings, vote
from tests.callers import post, signed_in
from tests.cast import Cast, join, make_user, reviewer_of

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def url(cast: Cast, comparison: Comparison | None = None, deed: str = "") -> str:
    middle = "" if comparison is None else f"{comparison.pk}/"
    return f"/api/v1/projects/{cast.project.slug}/disputes/{middle}{deed}"


@pytest.fixture
def reviewer(cast: Cast) -> APIClient:
    return signed_in(reviewer_of(cast.project))


def ids(client: APIClient, cast: Cast, **query: str) -> list[int]:
    found: list[dict[str, Any]] = client.get(url(cast), query).json()["results"]
    return [row["comparison_id"] for row in found]


def test_a_case_has_texts_and_votes_and_tells_nobodys_name(cast: Cast, reviewer: APIClient) -> None:
    comparison = disputed(cast)
    Label.objects.filter(annotator=cast.ann_one).update(reason="It is plain.", first_looks_swapped=True)
    reply = reviewer.get(url(cast, comparison))
    case = reply.json()
    assert {vote["name"] for vote in case["votes"]} == {"Annotator 1", "Annotator 2"}
    sides = {vote["reason"]: vote for vote in case["votes"]}
    assert sides["It is plain."]["side"] == "low"
    low_first = Label.objects.get(annotator=cast.ann_one).low_first
    assert sides["It is plain."]["low_looks_swapped"] == low_first
    assert sides["It is plain."]["high_looks_swapped"] == (not low_first)
    assert case["low"].keys() == {"prompt", "chosen", "rejected"}
    for secret in (b"ann_one", b"ann_two", b"score", b"secret"):
        assert secret not in reply.content


def test_what_waits_is_decided_listed_as_decided_and_withdrawn(cast: Cast, reviewer: APIClient) -> None:
    comparison = disputed(cast)
    assert ids(reviewer, cast) == [comparison.pk]
    sent = {"outcome": "high", "reason": "Clearer."}
    for _ in range(2):
        reply = post(reviewer, url(cast, comparison, "decide"), sent)
        assert reply.status_code == 200
    case = reply.json()
    assert (case["state"], case["outcome"], case["confidence"], case["may_withdraw"]) == (
        "decided",
        "high",
        1.0,
        True,
    )
    assert (case["decision"]["reason"], case["decision"]["votes_outcome"]) == ("Clearer.", "none")
    assert ids(reviewer, cast) == []
    row = reviewer.get(url(cast), {"state": "decided"}).json()["results"][0]
    assert (row["state"], row["decision"]["decided_by"]) == ("decided", "reviewer")
    assert post(reviewer, url(cast, comparison, "withdraw")).status_code == 204
    assert ids(reviewer, cast) == [comparison.pk]


def test_a_reviewer_sees_their_own_decisions_and_managers_all(cast: Cast, reviewer: APIClient) -> None:
    comparison = disputed(cast)
    post(signed_in(cast.admin), url(cast, comparison, "decide"), {"outcome": "none"})
    assert ids(reviewer, cast, state="decided") == []
    assert ids(signed_in(cast.owner), cast, state="decided") == [comparison.pk]
    for method, deed in (("get", ""), ("post", "decide"), ("post", "withdraw")):
        reply = getattr(reviewer, method)(url(cast, comparison, deed), {"outcome": "low"}, format="json")
        assert reply.status_code == 404


def test_who_answered_it_neither_sees_nor_decides_it(cast: Cast) -> None:
    both = make_user("both")
    join(cast.project, both, Role.REVIEWER)
    project = settings(cast)
    vote(project, both, "low")
    vote(project, cast.ann_two, "high")
    comparison = Comparison.objects.get()
    client = signed_in(both)
    assert ids(client, cast) == []
    assert client.get(url(cast, comparison)).json()["code"] == "own_label"
    assert post(client, url(cast, comparison, "decide"), {"outcome": "low"}).status_code == 403
    assert ids(signed_in(reviewer_of(project)), cast) == [comparison.pk]


@pytest.mark.parametrize(
    ("body", "field"), [({}, "outcome"), ({"outcome": "first"}, "outcome"), ({"reason": "x" * 501}, "reason")]
)
def test_a_wrong_decision_is_refused_in_words(
    cast: Cast, reviewer: APIClient, body: dict[str, str], field: str
) -> None:
    reply = post(reviewer, url(cast, disputed(cast), "decide"), body)
    assert reply.status_code == 422
    assert field in reply.json()["fields"]


@pytest.mark.parametrize("state", ["waiting", "decided"])
def test_a_longer_list_asks_no_more_queries(cast: Cast, state: str) -> None:
    settings(cast, 12)
    client, counted = signed_in(cast.admin), []
    for since in (0, 10):
        differ(cast, 3, since)
        if state == "decided":
            for comparison in Comparison.objects.filter(disputed=True):
                post(client, url(cast, comparison, "decide"), {"outcome": "low"})
        client.get(url(cast))
        with CaptureQueriesContext(connection) as seen:
            assert client.get(url(cast), {"state": state}).json()["results"]
        counted.append(len(seen))
    assert counted[0] == counted[1]
