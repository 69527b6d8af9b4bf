"""Creating a project, reading how it stands, changing it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import AuditEntry, Project, Tally, WorkerBeat
from annotation.sampling import STRATEGIES
from annotation.services import audit, workers
from tests.cast import Cast
from tests.frontend.conftest import Desk

pytestmark = [pytest.mark.either, pytest.mark.django_db]

TYPED: dict[str, Any] = {
    "name": "Tone of voice",
    "question": "Which is better by more?",
    "guidelines": "# Read *slowly*",
    "strategy": "iterative",
    "k": "3",
    "attempt_cap": "4",
    "labels_per_comparison": "2",
    "lease_minutes": "20",
    "holdout_percent": "12",
    "gold_percent": "5",
    "retest_percent": "4",
    "practice_size": "3",
    "dispute_below": "0.75",
}


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_a_new_project_has_what_was_typed_and_leads_to_its_imports(owner_client: Client, cast: Cast) -> None:
    answer = owner_client.post(reverse("project-new"), TYPED)
    made = Project.objects.get(name="Tone of voice")
    assert answer["Location"] == reverse("project-imports", args=[made.slug])
    assert (made.strategy, made.k, made.labels_per_comparison, made.holdout_percent) == (
        "iterative",
        3,
        2,
        12,
    )
    assert (made.gold_percent, made.retest_percent, made.practice_size) == (5, 4, 3)
    assert made.dispute_below == 0.75
    assert made.reuse is False  # the box was not ticked
    assert made.memberships.get().user == cast.owner


def test_a_wrong_value_is_named_beside_its_field_and_nothing_typed_is_lost(owner_client: Client) -> None:
    answer = owner_client.post(reverse("project-new"), TYPED | {"k": "0", "guidelines": "Keep <me>"})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"k"}
    assert "Keep &lt;me&gt;" in text(answer)
    assert 'value="Tone of voice"' in text(answer)
    assert not Project.objects.filter(name="Tone of voice").exists()


def test_the_form_offers_every_registered_strategy(owner_client: Client) -> None:
    page = text(owner_client.get(reverse("project-new")))
    for entry in STRATEGIES.values():
        assert f'value="{entry.name}"' in page
        assert entry.title in page


def test_the_estimate_follows_the_settings(owner_client: Client) -> None:
    def labels(**typed: str) -> int:
        answer = owner_client.get(
            reverse("project-estimate"), {"strategy": "random", "preferences": "1000"} | typed
        )
        return int(answer.context["estimate"].labels)

    assert labels(k="2", labels_per_comparison="1") == 2000
    assert labels(k="2", labels_per_comparison="3") == 6000
    assert labels(k="4", labels_per_comparison="1") == 4000
    assert labels(k="2", strategy="iterative", reuse="on") < labels(k="2", strategy="iterative")


def test_an_estimate_of_nonsense_says_what_is_missing(owner_client: Client) -> None:
    answer = owner_client.get(reverse("project-estimate"), {"k": "many"})
    assert answer.status_code == 200
    assert answer.context["estimate"] is None


def test_the_overview_shows_the_funnel_and_who_labelled(owner_client: Client, desk: Desk) -> None:
    page = owner_client.get(reverse("project", args=[desk.project.slug]))
    counts = page.context["funnel"]
    assert (counts.preferences, counts.datasets) == (7, 1)
    assert counts.labels == counts.comparisons > 0
    assert counts.rows == desk.dataset.row_count
    assert "ann_one" in text(page)


def test_the_overview_says_when_no_worker_runs_and_stops_when_one_does(
    owner_client: Client, cast: Cast
) -> None:
    url = reverse("project-live", args=[cast.project.slug])
    assert "No worker is running" in text(owner_client.get(url))
    workers.beat(name="one@test", queues=["default", "gpu"], at=timezone.now())
    assert "No worker is running" not in text(owner_client.get(url))
    WorkerBeat.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    assert "No worker is running" in text(owner_client.get(url))


def test_checks_stand_beside_labels_so_that_both_add_up_to_today(owner_client: Client, cast: Cast) -> None:
    url = reverse("project", args=[cast.project.slug])
    tally = {"annotator": cast.ann_one, "labels": 7, "day": timezone.now().date(), "day_labels": 10}
    made = Tally.objects.create(pool=cast.project.pools.get(split="train"), last_at=timezone.now(), **tally)
    assert ">Checks</th>" not in text(owner_client.get(url))
    Tally.objects.filter(pk=made.pk).update(gold=2, retests=1)
    cells = '<td class="num">7</td><td class="num">3</td><td class="num">10</td>'
    assert cells in text(owner_client.get(url))


def test_details_in_the_audit_are_words(owner_client: Client, cast: Cast) -> None:
    told = {"events": ["dataset.frozen", "run.finished"], "private": True, "seed": 7}
    audit.record(by=cast.owner, at=timezone.now(), verb="test.done", project=cast.project, details=told)
    page = text(owner_client.get(reverse("project-audit", args=[cast.project.slug])))
    assert "</span> dataset.frozen, run.finished" in page
    assert "</span> yes" in page
    assert "No entry fits" in text(
        owner_client.get(reverse("project-audit", args=[cast.project.slug]), {"verb": "x"})
    )


def test_settings_are_saved_and_audited(owner_client: Client, cast: Cast) -> None:
    named = cast.project.name
    answer = owner_client.post(
        reverse("project-settings", args=[cast.project.slug]), TYPED | {"name": "Renamed"}
    )
    assert answer.status_code == 302
    cast.project.refresh_from_db()
    assert (cast.project.name, cast.project.k) == ("Renamed", 3)
    told = AuditEntry.objects.get(verb="project.changed").details
    assert told["name"] == [named, "Renamed"]


def test_what_labels_stand_on_is_shown_and_not_changed(owner_client: Client, desk: Desk) -> None:
    url = reverse("project-settings", args=[desk.project.slug])
    fixed = {name for name, field in owner_client.get(url).context["form"].fields.items() if field.disabled}
    assert fixed == {"strategy", "reuse", "holdout_percent"}
    assert owner_client.post(url, TYPED | {"name": "Renamed", "k": "9"}).status_code == 302
    desk.project.refresh_from_db()
    assert (desk.project.name, desk.project.k, desk.project.strategy) == ("Renamed", 9, "random")
    lower = owner_client.post(url, TYPED | {"k": "1"})
    assert (lower.status_code, "can only be raised" in text(lower)) == (422, True)


@pytest.mark.parametrize(
    ("word", "state"), [("pause", "paused"), ("archive", "archived"), ("reopen", "open")]
)
def test_a_project_is_paused_archived_and_reopened(
    owner_client: Client, cast: Cast, word: str, state: str
) -> None:
    Project.objects.filter(pk=cast.project.pk).update(state="open" if word != "reopen" else "archived")
    owner_client.post(reverse("project-state", args=[cast.project.slug]), {"to": word})
    cast.project.refresh_from_db()
    assert cast.project.state == state


def test_archiving_and_deleting_ask_once(owner_client: Client, desk: Desk) -> None:
    for url in (
        reverse("project-settings", args=[desk.project.slug]),
        reverse("dataset", args=[desk.dataset.pk]),
        reverse("run", args=[desk.run.pk]),
        reverse("project-members", args=[desk.project.slug]),
        reverse("tokens"),
    ):
        assert "data-confirm=" in text(owner_client.get(url))
