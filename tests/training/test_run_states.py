"""A run moves along the edges of its table only: cancel, resume, delete, and what workers do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from annotation.models import AuditEntry
from tests.cast import NOW, Cast
from tests.training.conftest import Launch
from training import rules, transitions
from training.errors import Conflict, NotAllowed, NotFound, RunLost
from training.models import Run
from training.services import custody, runs

pytestmark = [pytest.mark.either, pytest.mark.django_db]
LATER = NOW + timedelta(minutes=5)


def claimed(run: Run, slot: str = "one@test/0") -> Run:
    found = custody.claim(run.pk, slot, NOW)
    assert found is not None
    return found


def state(run: Run) -> str:
    return Run.objects.get(pk=run.pk).state


def test_a_queued_run_is_cancelled_at_once(cast: Cast, launch: Launch) -> None:
    run = runs.cancel(run=launch(), by=cast.admin, at=NOW)
    assert run.state == Run.State.CANCELLED
    assert run.finished_at == NOW
    assert custody.claim(run.pk, "one@test/0", NOW) is None


def test_a_running_run_is_asked_to_stop_and_then_cancelled(cast: Cast, launch: Launch) -> None:
    held = claimed(launch())
    assert runs.cancel(run=held, by=cast.owner, at=NOW).state == Run.State.CANCELLING
    assert custody.heartbeat(run=held, at=NOW) == Run.State.CANCELLING
    custody.stop(run=held, at=LATER)
    assert state(held) == Run.State.CANCELLED


def test_cancelling_twice_changes_nothing_and_is_written_once(cast: Cast, launch: Launch) -> None:
    held = claimed(launch())
    for _ in range(2):
        assert runs.cancel(run=held, by=cast.owner, at=NOW).state == Run.State.CANCELLING
    assert AuditEntry.objects.filter(verb="run.cancelled").count() == 1


def test_a_run_that_finishes_while_it_is_cancelled_is_finished(cast: Cast, launch: Launch) -> None:
    held = claimed(launch())
    runs.cancel(run=held, by=cast.owner, at=NOW)
    custody.finish(run=held, at=LATER, has_model=True)
    assert state(held) == Run.State.FINISHED


@pytest.mark.parametrize("ending", transitions.ENDED)
def test_an_ended_run_cannot_be_cancelled(cast: Cast, launch: Launch, ending: str) -> None:
    run = launch()
    Run.objects.update(state=ending)
    with pytest.raises(Conflict, match=ending):
        runs.cancel(run=run, by=cast.owner, at=NOW)


def test_a_cancelled_run_with_a_checkpoint_is_queued_again(cast: Cast, launch: Launch) -> None:
    run = launch()
    Run.objects.update(
        state="failed", error="gone", hint="try", has_checkpoint=True, losses=2, finished_at=NOW
    )
    again = runs.resume(run=run, by=cast.admin, at=LATER)
    assert (again.state, again.error, again.hint, again.losses) == ("queued", "", "", 0)
    assert again.finished_at is None
    assert AuditEntry.objects.filter(verb="run.resumed", actor=cast.admin).exists()


def test_without_a_checkpoint_there_is_nothing_to_resume(cast: Cast, launch: Launch) -> None:
    run = launch()
    Run.objects.update(state="failed")
    with pytest.raises(Conflict) as refusal:
        runs.resume(run=run, by=cast.owner, at=NOW)
    assert refusal.value.code == "no_checkpoint"


@pytest.mark.parametrize("now", ["queued", "running", "cancelling", "finished"])
def test_only_stopped_runs_are_resumed(cast: Cast, launch: Launch, now: str) -> None:
    run = launch()
    Run.objects.update(state=now, has_checkpoint=True)
    with pytest.raises(Conflict, match=now):
        runs.resume(run=run, by=cast.owner, at=NOW)


@pytest.mark.parametrize("deed", [runs.cancel, runs.resume, runs.delete])
def test_annotators_and_outsiders_may_do_nothing_with_runs(cast: Cast, launch: Launch, deed: object) -> None:
    assert callable(deed)
    run = launch()
    with pytest.raises(NotAllowed):
        deed(run=run, by=cast.ann_one, at=NOW)
    with pytest.raises(NotFound):
        deed(run=run, by=cast.outsider, at=NOW)
    assert state(run) == Run.State.QUEUED


def test_the_rules_that_ask_agree_with_the_rules_that_refuse(cast: Cast, launch: Launch) -> None:
    run = launch()
    assert rules.can_cancel(cast.owner, run)
    assert not rules.can_cancel(cast.ann_one, run)
    assert not rules.can_resume(cast.owner, run)
    assert not rules.can_delete(cast.owner, run)
    run.state, run.has_checkpoint = Run.State.FAILED, True
    assert rules.can_resume(cast.owner, run)
    assert rules.can_delete(cast.owner, run)
    assert not rules.can_delete(cast.outsider, run)


def test_only_ended_runs_are_deleted(cast: Cast, launch: Launch) -> None:
    run = launch()
    with pytest.raises(Conflict):
        runs.delete(run=run, by=cast.owner, at=NOW)
    Run.objects.update(state="failed")
    runs.delete(run=run, by=cast.owner, at=NOW)
    assert not Run.objects.exists()
    assert AuditEntry.objects.get(verb="run.deleted").details == {"number": 1}


def test_every_state_of_the_model_is_in_the_table_and_the_ended_ones_have_a_way_in() -> None:
    assert set(transitions.TABLES["run"]) == set(Run.State.values)
    for ending in transitions.ENDED:
        assert any(ending in targets for targets in transitions.TABLES["run"].values())


def test_a_run_in_other_hands_is_lost_to_its_first_holder(launch: Launch) -> None:
    first = claimed(launch())
    custody.hand_back(run=first, at=NOW)
    second = claimed(first, "two@test/0")
    assert second.attempt == first.attempt + 1
    for deed in (
        lambda: custody.heartbeat(run=first, at=LATER),
        lambda: custody.finish(run=first, at=LATER, has_model=True),
        lambda: custody.fail(run=first, at=LATER, error="late"),
        lambda: custody.stop(run=first, at=LATER),
        lambda: custody.lose(run=first, at=LATER),
        lambda: custody.hand_back(run=first, at=LATER),
    ):
        with pytest.raises(RunLost):
            deed()
    assert custody.heartbeat(run=second, at=LATER) == Run.State.RUNNING


def test_the_same_slot_claiming_again_is_another_attempt(launch: Launch) -> None:
    first = claimed(launch())
    custody.hand_back(run=first, at=NOW)
    second = claimed(first)
    with pytest.raises(RunLost):
        custody.heartbeat(run=first, at=LATER)
    assert custody.heartbeat(run=second, at=LATER) == Run.State.RUNNING
