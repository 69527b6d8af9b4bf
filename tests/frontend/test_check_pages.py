"""The checks page: gold from scores and by choice, how it was answered, retire and restore."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import Comparison, Gold
from annotation.services import gold_sampling
from tests.annotation.checked import next_of_kind
from tests.annotation.playing import answer
from tests.cast import NOW, add_preferences
from tests.frontend.conftest import Desk

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def page(desk: Desk) -> str:
    return reverse("project-checks", args=[desk.project.slug])


def text(reply: Any) -> str:
    return " ".join(reply.content.decode().split())


def test_gold_is_made_from_scores_and_it_is_said_how_much(owner_client: Client, desk: Desk) -> None:
    add_preferences(desk.project, 20)
    sent = {"make": "scores", "count": "4", "min_gap": "2", "use": "check"}
    reply = owner_client.post(page(desk), sent, follow=True)
    assert "4 gold comparisons were made." in text(reply)
    assert Gold.objects.count() == 4
    reply = owner_client.post(page(desk), sent | {"count": "900", "min_gap": "2.5"}, follow=True)
    assert "Only " in text(reply)
    assert "of 900 were made" in text(reply)
    reply = owner_client.post(page(desk), sent | {"min_gap": "30"}, follow=True)
    assert "No gold comparison was made: " in text(reply)
    Gold.objects.all().delete()
    reply = owner_client.post(page(desk), sent | {"count": "1"}, follow=True)
    assert "1 gold comparison was made." in text(reply)


def test_decided_comparisons_are_found_by_number_only(owner_client: Client, desk: Desk) -> None:
    decided = Comparison.objects.filter(pool__project=desk.project, outcome__in=("low", "high")).latest("pk")
    found = text(owner_client.get(page(desk), {"comparison": f" {decided.pk}"}))
    assert f'<strong class="num">{decided.pk}</strong>' in found
    assert "No decided comparison of this number" in text(owner_client.get(page(desk), {"comparison": "abc"}))


def test_a_refused_form_keeps_what_was_typed_and_says_why(owner_client: Client, desk: Desk) -> None:
    sent = {"make": "scores", "count": "4", "min_gap": "0", "use": "check"}
    reply = owner_client.post(page(desk), sent)
    assert reply.status_code == 422
    assert "A gap above 0." in text(reply)
    open_one = Comparison.objects.create(
        pool=desk.project.pools.get(split="train"),
        low_id=add_preferences(desk.project, 1)[0].pk,
        high_id=add_preferences(desk.project, 1)[0].pk,
        needed=1,
        free_slots=1,
        queue_position=1,
        created_at=NOW,
    )
    sent = {"make": "pair", "comparison_id": str(open_one.pk), "answer": "a", "gold_use": "check"}
    reply = owner_client.post(page(desk), sent)
    assert reply.status_code == 422
    assert "still being labelled" in text(reply)


def test_a_decided_comparison_is_found_and_marked(owner_client: Client, desk: Desk) -> None:
    decided = Comparison.objects.filter(outcome__in=("low", "high")).earliest("pk")
    assert f"{decided.pk}" in text(owner_client.get(page(desk), {"comparison": str(decided.pk)}))
    sent = {"make": "pair", "comparison_id": str(decided.pk), "answer": "b", "gold_use": "practice"}
    owner_client.post(page(desk), sent | {"explanation": "Plainly."})
    made = Gold.objects.get()
    assert (made.comparison_id, made.answer, made.use, made.explanation) == (
        decided.pk,
        "high",
        "practice",
        "Plainly.",
    )


def test_a_gold_shows_its_answers_and_is_retired_explained_and_restored(
    owner_client: Client, desk: Desk
) -> None:
    add_preferences(desk.project, 30)
    desk.project.gold_percent = 50
    desk.project.save(update_fields=["gold_percent"])
    gold_sampling.from_scores(
        project=desk.project, count=1, min_gap=2, use="check", by=desk.cast.owner, at=NOW
    )
    answer(next_of_kind(desk.project, desk.cast.ann_two, "gold"))
    assert "1 of 1 right" in text(owner_client.get(page(desk)))
    gold = Gold.objects.get()
    url = reverse("gold-change", args=[desk.project.slug, gold.pk])
    owner_client.post(url, {"do": "retire"})
    owner_client.post(url, {"do": "explain", "explanation": "<b>Because</b>"})
    gold.refresh_from_db()
    assert gold.retired_at is not None
    shown = text(owner_client.get(page(desk)))
    assert "Retired" in shown
    assert "&lt;b&gt;Because" in shown
    owner_client.post(url, {"do": "restore"})
    gold.refresh_from_db()
    assert gold.retired_at is None


def test_golds_come_in_pages_that_follow_each_other(owner_client: Client, desk: Desk) -> None:
    add_preferences(desk.project, 30)
    gold_sampling.from_scores(
        project=desk.project, count=45, min_gap=0.5, use="check", by=desk.cast.owner, at=NOW
    )
    seen: list[int] = []
    url, reply = page(desk), owner_client.get(page(desk))
    while True:
        seen += [gold.pk for gold, _ in reply.context["rows"]]
        if reply.context["following"] is None:
            break
        reply = owner_client.get(url, {"after": reply.context["following"]})
    assert seen == list(Gold.objects.order_by("pk").values_list("pk", flat=True))
    assert len(seen) == 45


def test_a_longer_list_of_golds_asks_no_more_queries(owner_client: Client, desk: Desk) -> None:
    add_preferences(desk.project, 30)

    def queries(count: int) -> int:
        gold_sampling.from_scores(
            project=desk.project, count=count, min_gap=0.5, use="check", by=desk.cast.owner, at=NOW
        )
        with CaptureQueriesContext(connection) as seen:
            assert owner_client.get(page(desk)).status_code == 200
        return len(seen)

    assert queries(2) == queries(40)


@pytest.mark.parametrize("strange", ["x", "9" * 30, "-1", "²"])
def test_strange_addresses_show_the_page(owner_client: Client, desk: Desk, strange: str) -> None:
    assert owner_client.get(page(desk), {"after": strange, "comparison": strange}).status_code == 200


def test_another_projects_gold_does_not_exist_below_ones_own(owner_client: Client, desk: Desk) -> None:
    other = reverse("gold-change", args=[desk.project.slug, desk.gold.pk + 1000])
    assert owner_client.post(other, {"do": "retire"}).status_code == 404
