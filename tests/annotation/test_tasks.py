"""Tasks are doorbells: they hand a row's id to the service, and ring for what nobody answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery, current_app
from django.core.files.base import ContentFile
from django.utils import timezone

from annotation import tasks
from annotation.models import Assignment, PopDataset, PreferenceImport
from annotation.services import assignments, datasets, imports
from tests.annotation.frozen import decide, fill
from tests.cast import Cast

pytestmark = [pytest.mark.either, pytest.mark.usefixtures("files")]


@pytest.fixture
def broker() -> Iterator[Celery]:
    before: Celery = getattr(current_app, "_get_current_object")()  # noqa: B009 - the app behind the proxy
    app = Celery("elsewhere", broker="memory://", set_as_current=False)
    app.conf.task_default_queue = "default"
    app.set_current()
    yield app
    before.set_current()
    app.close()


def rung(broker: Celery) -> list[tuple[str, Any]]:
    with broker.connection() as link, link.SimpleQueue("default") as queue:
        messages = [queue.get(block=False) for _ in range(queue.qsize())]
    return [(message.headers["task"], message.payload[0]) for message in messages]


def queued_import(cast: Cast) -> PreferenceImport:
    data = json.dumps({"prompt": "p?", "chosen": "a", "rejected": "b"}).encode()
    upload = ContentFile(data, name="a.jsonl")
    return imports.start_file(project=cast.project, upload=upload, by=cast.owner, at=timezone.now())


def test_the_tasks_run_what_is_queued(cast: Cast) -> None:
    job = queued_import(cast)
    tasks.run_import(job.pk)
    job.refresh_from_db()
    assert job.state == "done"
    decide(cast.project, fill(cast.project, cast.owner))
    dataset = datasets.freeze(project=cast.project, by=cast.owner, at=timezone.now())
    tasks.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert dataset.state == "frozen"


def test_leases_that_ran_out_are_taken_back(cast: Cast) -> None:
    fill(cast.project, cast.owner)
    lease = assignments.next_for(project=cast.project, by=cast.ann_one, at=timezone.now())
    assert lease is not None
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    tasks.expire_leases()
    lease.refresh_from_db()
    assert lease.state == "expired"


def test_the_beat_rings_for_what_waits_too_long_and_for_nothing_else(cast: Cast, broker: Celery) -> None:
    decide(cast.project, fill(cast.project, cast.owner))
    job = queued_import(cast)
    dataset = datasets.freeze(project=cast.project, by=cast.owner, at=timezone.now())
    tasks.ring_again()
    assert rung(broker) == []
    long_ago = timezone.now() - timedelta(minutes=1)
    PreferenceImport.objects.filter(pk=job.pk).update(created_at=long_ago)
    PopDataset.objects.update(created_at=long_ago)
    tasks.ring_again()
    assert rung(broker) == [
        ("annotation.tasks.run_import", [job.pk]),
        ("annotation.tasks.run_freeze", [dataset.pk]),
    ]


def test_the_names_that_are_rung_are_tasks_that_exist() -> None:
    assert tasks.run_import.name == imports.TASK
    assert tasks.run_freeze.name == datasets.TASK
