"""`labels.target_reached`: told when a project has what it asked for, once, by any number of workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from annotation import tasks
from annotation.models import Project, Tally, Webhook, WebhookDelivery
from annotation.services import exclusion, labels, projects, raising, targets, webhook_settings
from tests.annotation.playing import label_everything
from tests.cast import Cast, add_preferences, make_cast, make_project

pytestmark = pytest.mark.either


def listening(project: Project, cast: Cast, *events: str) -> Webhook:
    wanted = events or (targets.EVENT,)
    made, _ = webhook_settings.create(
        project=project, url="https://hooks.example.org/", events=wanted, by=cast.owner, at=timezone.now()
    )
    return made


def told() -> int:
    return targets.tell_reached(timezone.now())


@pytest.mark.django_db
@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_it_is_told_once_when_everything_asked_for_is_there(cast: Cast, at: datetime, strategy: str) -> None:
    project = make_project(cast.owner, "All", strategy=strategy, k=1)
    add_preferences(project, 4)
    add_preferences(project, 3, split="heldout")
    hook = listening(project, cast)
    assert told() == 0
    label_everything(project, [cast.owner], at=at)
    assert (told(), told()) == (1, 0)
    message = WebhookDelivery.objects.get(webhook=hook)
    assert message.payload["data"]["project"] == project.slug
    given = Tally.objects.filter(pool__project=project).aggregate(labels=Sum("labels"))
    assert message.payload["data"]["labels"] == given["labels"] > 0


@pytest.mark.django_db
def test_an_answer_taken_back_and_given_anew_is_not_told_again(cast: Cast, at: datetime) -> None:
    add_preferences(cast.project, 3)
    listening(cast.project, cast)
    label_everything(cast.project, [cast.ann_one], at=at)
    assert told() == 1
    labels.undo_last(project=cast.project, by=cast.ann_one, at=at)
    assert told() == 0
    label_everything(cast.project, [cast.ann_one], at=at)
    assert told() == 0
    add_preferences(cast.project, 3)
    assert told() == 0
    label_everything(cast.project, [cast.ann_one], at=at)
    assert told() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("strategy", "k"), [("random", 64), ("iterative", 1)])
def test_an_excluded_preference_is_not_waited_for(cast: Cast, at: datetime, strategy: str, k: int) -> None:
    project = make_project(cast.owner, "Less", strategy=strategy, k=k)
    gone, *_ = add_preferences(project, 5)
    listening(project, cast)
    exclusion.exclude(preference=gone, by=cast.owner, at=at)
    label_everything(project, [cast.owner], at=at)
    assert told() == 1


@pytest.mark.django_db
def test_more_labels_a_comparison_are_told_of_when_they_are_there(cast: Cast, at: datetime) -> None:
    add_preferences(cast.project, 3)
    listening(cast.project, cast)
    label_everything(cast.project, [cast.ann_one], at=at)
    assert told() == 1
    projects.update(project=cast.project, by=cast.owner, at=at, labels_per_comparison=2)
    raising.run(cast.project.pk)
    assert told() == 0
    label_everything(cast.project, [cast.ann_two], at=at)
    assert told() == 1


@pytest.mark.django_db
def test_nothing_is_told_to_whom_it_does_not_concern(cast: Cast, at: datetime) -> None:
    empty = make_project(cast.owner, "Empty")
    listening(empty, cast)
    add_preferences(cast.project, 3)
    listening(cast.project, cast, "dataset.frozen")
    paused = listening(cast.project, cast)
    webhook_settings.update(webhook=paused, by=cast.owner, at=at, is_active=False)
    label_everything(cast.project, [cast.ann_one], at=at)
    tasks.tell_targets()
    assert not WebhookDelivery.objects.exists()
    webhook_settings.update(webhook=paused, by=cast.owner, at=at, is_active=True)
    tasks.tell_targets()
    assert WebhookDelivery.objects.get().webhook == paused


@pytest.mark.django_db
def test_looking_costs_three_queries_however_many_projects(
    cast: Cast, django_assert_num_queries: Any
) -> None:
    for number in range(4):
        project = make_project(cast.owner, f"P{number}")
        add_preferences(project, 4)
        listening(project, cast)
    with django_assert_num_queries(3):
        assert told() == 0


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_moment_tell_once(at: datetime) -> None:
    cast = make_cast()
    add_preferences(cast.project, 3)
    listening(cast.project, cast)
    label_everything(cast.project, [cast.ann_one], at=at)

    def one(_: int) -> int:
        try:
            return told()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(one, range(6))) == 1
    assert WebhookDelivery.objects.count() == 1
