"""Workers say that they live; the UI says which queues nobody serves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from annotation.models import WorkerBeat
from annotation.selectors.workers import worker_status
from annotation.services import workers
from tests.cast import NOW

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def test_a_worker_that_beat_just_now_is_alive_and_serves_its_queues() -> None:
    workers.beat(name="one@test", queues=["gpu", "default", "gpu"], at=NOW)
    status = worker_status(NOW + timedelta(seconds=35))
    assert status.alive
    assert status.workers == {"one@test": ["default", "gpu"]}
    assert status.serves("gpu")
    assert not status.serves("other")


def test_a_worker_that_was_not_seen_for_36_seconds_is_gone() -> None:
    workers.beat(name="one@test", queues=["gpu"], at=NOW)
    status = worker_status(NOW + timedelta(seconds=36))
    assert not status.alive
    assert not status.serves("gpu")


def test_queues_of_several_workers_add_up() -> None:
    workers.beat(name="one@test", queues=["default"], at=NOW)
    workers.beat(name="two@test", queues=["gpu"], at=NOW)
    assert worker_status(NOW).queues == ["default", "gpu"]


def test_a_second_beat_moves_the_first_and_old_workers_are_forgotten() -> None:
    workers.beat(name="old@test", queues=["gpu"], at=NOW - timedelta(days=2))
    workers.beat(name="one@test", queues=["gpu"], at=NOW)
    workers.beat(name="one@test", queues=["default"], at=NOW + timedelta(seconds=10))
    assert list(WorkerBeat.objects.values_list("name", "queues")) == [("one@test", ["default"])]


def test_a_worker_that_leaves_is_gone_at_once() -> None:
    workers.beat(name="one@test", queues=["gpu"], at=NOW)
    workers.leave(name="one@test")
    assert not worker_status(NOW).alive
