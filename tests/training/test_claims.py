"""One run a slot, one slot a run; runs of workers that vanished go to others, but not for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings

from tests.cast import NOW, Cast
from tests.training.conftest import Launch
from training.models import Run
from training.services import custody, runs

pytestmark = [pytest.mark.database]
STALE = NOW + timedelta(seconds=61)


@pytest.mark.django_db(transaction=True)
def test_sixteen_workers_claim_a_run_and_one_gets_it(launch: Launch) -> None:
    run = launch()
    together = threading.Barrier(16)

    def claim(number: int) -> bool:
        try:
            together.wait(30)
            return custody.claim(run.pk, f"worker-{number}/0", NOW) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(claim, range(16))) == 1
    assert Run.objects.get().attempt == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_with_one_slot_gets_one_of_eight_runs(launch: Launch) -> None:
    waiting = [launch().pk for _ in range(8)]
    together = threading.Barrier(8)

    def claim(pk: int) -> bool:
        try:
            together.wait(30)
            return custody.claim(pk, "one@test/0", NOW) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, waiting)) == 1
    assert Run.objects.filter(state="queued").count() == 7


@pytest.mark.django_db
def test_a_worker_takes_as_many_runs_as_it_has_slots(launch: Launch) -> None:
    waiting = [launch().pk for _ in range(3)]
    with override_settings(RUN_SLOTS=2):
        taken = [custody.claim_any_slot(pk, "one@test", NOW) for pk in waiting]
    assert [run and run.slot for run in taken] == ["one@test/0", "one@test/1", None]
    assert custody.queued() == [waiting[2]]


@pytest.mark.django_db
def test_a_second_delivery_of_the_message_finds_nothing_to_do(launch: Launch) -> None:
    pk = launch().pk
    assert custody.claim_any_slot(pk, "one@test", NOW) is not None
    assert custody.claim_any_slot(pk, "one@test", NOW) is None
    assert custody.claim_any_slot(pk, "two@test", NOW) is None
    assert Run.objects.get().attempt == 1


@pytest.mark.django_db
def test_the_slot_is_free_again_after_the_run(launch: Launch) -> None:
    first = custody.claim(launch().pk, "one@test/0", NOW)
    assert first is not None
    custody.fail(run=first, at=NOW, error="no")
    assert custody.claim(launch().pk, "one@test/0", NOW) is not None


@pytest.mark.django_db
def test_a_stale_run_is_queued_again_and_a_fresh_one_is_left_alone(launch: Launch) -> None:
    stale, fresh = launch(), launch()
    custody.claim(stale.pk, "one@test/0", NOW)
    custody.claim(fresh.pk, "two@test/0", NOW + timedelta(seconds=30))
    assert custody.requeue_stale(STALE) == [stale.pk]
    assert list(Run.objects.order_by("id").values_list("state", "slot", "losses")) == [
        ("queued", "", 1),
        ("running", "two@test/0", 0),
    ]
    assert custody.requeue_stale(STALE) == []


@pytest.mark.django_db
def test_a_stale_run_that_was_being_cancelled_is_cancelled(cast: Cast, launch: Launch) -> None:
    run = launch()
    custody.claim(run.pk, "one@test/0", NOW)
    runs.cancel(run=run, by=cast.owner, at=NOW)
    assert custody.requeue_stale(STALE) == []
    assert Run.objects.get().state == Run.State.CANCELLED


@pytest.mark.django_db
def test_a_run_that_loses_three_workers_in_a_row_fails_in_words(launch: Launch) -> None:
    pk = launch().pk
    for _ in range(custody.MAX_LOSSES):
        run = custody.claim(pk, "one@test/0", NOW)
        assert run is not None
        custody.requeue_stale(STALE)
    run = Run.objects.get()
    assert run.state == Run.State.FAILED
    assert "3 times" in run.error
    assert "micro_batch" in run.hint


@pytest.mark.django_db
def test_a_hand_back_counts_as_no_loss_and_keeps_a_cancel(cast: Cast, launch: Launch) -> None:
    run = custody.claim(launch().pk, "one@test/0", NOW)
    assert run is not None
    custody.hand_back(run=run, at=NOW)
    assert Run.objects.get().losses == 0
    run = custody.claim(run.pk, "one@test/0", NOW)
    assert run is not None
    runs.cancel(run=run, by=cast.owner, at=NOW)
    custody.hand_back(run=run, at=NOW)
    assert Run.objects.get().state == Run.State.CANCELLED
