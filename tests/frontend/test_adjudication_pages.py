"""The adjudication pages: the queue one at a time, what was decided, and the ways there."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotation.models import Adjudication, Comparison, Label, Project
from annotation.selectors import adjudication as selectors
from annotation.services import adjudication
from tests.annotation.disputes import differ, disputed, settings, vote
from tests.cast import Cast, make_project, reviewer_of
from tests.frontend.conftest import signed_in

pytestmark = [pytest.mark.either, pytest.mark.django_db]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def reviewer(cast: Cast) -> Client:
    return signed_in(reviewer_of(cast.project))


def url(cast: Cast, name: str = "adjudication", *more: int) -> str:
    return reverse(name, args=[cast.project.slug, *more])


def text(reply: Any) -> str:
    return " ".join(reply.content.decode().split())


def several(cast: Cast, count: int, size: int = 10) -> list[Comparison]:
    settings(cast, size)
    differ(cast, count)
    return list(Comparison.objects.filter(disputed=True).order_by("pk"))


def test_the_oldest_waits_first_and_skipping_comes_round(cast: Cast, reviewer: Client) -> None:
    first, second, third = several(cast, 3)
    page = reviewer.get(url(cast))
    assert page.context["case"].comparison == first
    assert "3 waiting" in text(page)
    for after, following in ((first, second), (second, third), (third, first)):
        part = reviewer.get(url(cast), {"after": after.pk}, headers=HTMX)
        assert part.context["case"].comparison == following
        assert b"<html" not in part.content
    for strange in ("x", "-1", "9" * 30, "²"):
        assert reviewer.get(url(cast), {"after": strange}).context["case"].comparison == first


def test_it_shows_texts_and_votes_and_nobodys_name(cast: Cast, reviewer: Client) -> None:
    comparison = disputed(cast)
    Label.objects.filter(annotator=cast.ann_one).update(reason="<b>Plain</b>", first_looks_swapped=True)
    shown = reviewer.get(url(cast))
    words = text(shown)
    assert f"Comparison {comparison.pk}" in words
    assert "Annotator 1" in words
    assert "&lt;b&gt;Plain" in words
    assert "looks swapped" in words
    for secret in ("ann_one", "ann_two", "secret"):
        assert secret not in words
    assert shown["Cache-Control"].count("no-store") == 1


def test_a_decision_brings_the_next_one_and_says_what_was_done(cast: Cast, reviewer: Client) -> None:
    first, second = several(cast, 2)
    sent = {"outcome": "high", "reason": "Clearer"}
    part = reviewer.post(url(cast, "dispute-decide", first.pk), sent, headers=HTMX)
    assert f"Comparison {first.pk}: B is stronger." in text(part)
    assert part.context["case"].comparison == second
    made = Adjudication.objects.get()
    assert (made.outcome, made.reason, made.decided_by.username) == ("high", "Clearer", "reviewer")
    part = reviewer.post(url(cast, "dispute-decide", second.pk), {"outcome": "none"}, headers=HTMX)
    assert "Nothing waits for you" in text(part)


def test_without_scripts_a_decision_leads_to_the_next_one(cast: Cast, reviewer: Client) -> None:
    first, second = several(cast, 2)
    page = reviewer.post(url(cast, "dispute-decide", first.pk), {"outcome": "low"}, follow=True)
    assert page.context["case"].comparison == second
    assert f"Comparison {first.pk}: A is stronger." in text(page)


def test_what_another_reviewer_decided_is_said_and_the_next_one_shown(cast: Cast, reviewer: Client) -> None:
    first, second = several(cast, 2)
    adjudication.decide(comparison=first, outcome="low", by=cast.admin, at=timezone.now())
    for client in (reviewer, signed_in(cast.owner)):
        part = client.post(url(cast, "dispute-decide", first.pk), {"outcome": "high"}, headers=HTMX)
        assert part.context["case"].comparison == second
        assert part.context["tone"] == "warn"
    assert Adjudication.objects.get().outcome == "low"


@pytest.mark.parametrize("sent", [{}, {"outcome": "first"}, {"outcome": "low", "reason": "x" * 501}])
def test_what_is_no_decision_changes_nothing(cast: Cast, reviewer: Client, sent: dict[str, str]) -> None:
    comparison = disputed(cast)
    reply = reviewer.post(url(cast, "dispute-decide", comparison.pk), sent, headers=HTMX)
    assert reply.status_code == 200
    assert not Adjudication.objects.exists()


def test_a_decided_one_is_listed_looked_at_and_withdrawn(cast: Cast, reviewer: Client) -> None:
    first, second = several(cast, 2)
    for comparison, outcome in ((first, "low"), (second, "none")):
        reviewer.post(url(cast, "dispute-decide", comparison.pk), {"outcome": outcome, "reason": "Why"})
    assert list(reviewer.get(url(cast, "adjudicated")).context["page"]) == [second, first]
    assert list(reviewer.get(url(cast, "adjudicated"), {"outcome": "low"}).context["page"]) == [first]
    owner = signed_in(cast.owner)
    assert len(owner.get(url(cast, "adjudicated"), {"by": "reviewer"}).context["page"]) == 2
    assert "None that fit" in text(owner.get(url(cast, "adjudicated"), {"by": "nobody"}))
    shown = text(reviewer.get(url(cast, "dispute", first.pk)))
    assert "Decided: A is stronger" in shown
    assert "Withdraw" in shown
    assert "The votes say" in shown
    page = reviewer.post(url(cast, "dispute-withdraw", first.pk), follow=True)
    assert "is withdrawn" in text(page)
    first.refresh_from_db()
    assert (first.disputed, first.adjudicated) == (True, False)


def test_reviewers_see_their_own_decisions_only(cast: Cast, reviewer: Client) -> None:
    comparison = disputed(cast)
    adjudication.decide(comparison=comparison, outcome="low", by=cast.admin, at=timezone.now())
    assert list(reviewer.get(url(cast, "adjudicated")).context["page"]) == []
    assert reviewer.get(url(cast, "dispute", comparison.pk)).status_code == 404


def test_an_empty_queue_says_why(cast: Cast, reviewer: Client) -> None:
    assert "one label a comparison" in text(reviewer.get(url(cast)))
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=2, dispute_below=0.7)
    assert "less than 0.7 of the votes" in text(reviewer.get(url(cast)))
    project = settings(cast)
    vote(project, reviewer_of(project), "low")
    vote(project, cast.ann_one, "high")
    assert "1 disputed comparison waits for another reviewer" in text(reviewer.get(url(cast)))


def test_the_ways_there_show_how_many_wait_to_whoever_may_decide(cast: Cast, reviewer: Client) -> None:
    several(cast, 2)
    tabs = text(signed_in(cast.owner).get(reverse("project", args=[cast.project.slug])))
    assert "data-disputes-count >2</span>" in tabs
    assert "Adjudicate<" in text(reviewer.get(reverse("home")))
    assert 'num">2</span>' in text(reviewer.get(reverse("home")))
    assert "Adjudicate<" not in text(signed_in(cast.ann_one).get(reverse("home")))
    assert "project/" not in text(reviewer.get(url(cast))).replace("projects/", "")
    assert reverse("project-settings", args=[cast.project.slug]) not in text(reviewer.get(url(cast)))


def test_a_long_queue_is_not_counted_to_its_end(
    cast: Cast, reviewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    several(cast, 3)
    monkeypatch.setattr(selectors, "MOST_COUNTED", 2)
    assert "2+ waiting" in text(reviewer.get(url(cast)))
    assert 'num">2+</span>' in text(reviewer.get(reverse("home")))
    assert ">2+</a>" in text(signed_in(cast.owner).get(reverse("home")))


@pytest.mark.parametrize(("name", "who"), [("adjudication", "reviewer"), ("adjudicated", "owner")])
def test_a_longer_list_asks_no_more_queries(cast: Cast, name: str, who: str) -> None:
    project, counted = settings(cast, 12), []
    reviewer_of(project)
    client = signed_in(reviewer_of(project) if who == "reviewer" else cast.owner)
    for since in (0, 10):
        differ(cast, 3, since)
        if name == "adjudicated":
            for comparison in Comparison.objects.filter(disputed=True):
                adjudication.decide(comparison=comparison, outcome="low", by=cast.admin, at=timezone.now())
        client.get(url(cast, name))
        with CaptureQueriesContext(connection) as seen:
            client.get(url(cast, name))
        counted.append(len(seen))
    assert counted[0] == counted[1]


def test_more_projects_ask_no_more_queries_at_home(cast: Cast) -> None:
    client, counted = signed_in(cast.owner), []
    for _ in range(2):
        make_project(cast.owner)
        client.get(reverse("home"))
        with CaptureQueriesContext(connection) as seen:
            client.get(reverse("home"))
        counted.append(len(seen))
    assert counted[0] == counted[1]
