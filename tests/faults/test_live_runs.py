"""A live worker trains real runs with the real engine: to the end, cancelled, resumed, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import world
from tests.faults.runner import Runner
from tests.live import LiveStack

pytestmark = [pytest.mark.slow]
LONG = world.spec(epochs=80)  # some hundreds of steps: long enough to be caught in the middle


@pytest.fixture(scope="module")
def runner(bare_stack: LiveStack) -> Runner:
    return Runner(bare_stack)


@pytest.fixture(scope="module")
def worker(bare_stack: LiveStack, runner: Runner) -> Iterator[LiveStack]:
    process = bare_stack.start_worker()
    yield bare_stack
    assert bare_stack.end(process) == 0


def folder(stack: LiveStack, run: int) -> Path:
    return stack.var_dir / "runs" / str(run)


def checkpoints_in_storage(stack: LiveStack, run: int) -> list[Path]:
    """Those that are there whole."""
    found = (stack.var_dir / "files" / "runs" / str(run) / "checkpoints").glob("*/COMPLETE")
    return [one.parent for one in found]


def test_a_queued_run_is_trained_to_the_end(worker: LiveStack, runner: Runner) -> None:
    run = runner.launch()
    runner.wait(run, "finished")
    assert runner.field(run, "has_model")
    assert {"started", "stage", "metrics", "evaluation", "finished"} <= set(runner.kinds(run))
    names = worker.sql("select name from training_evaluation where run_id = %s", run)
    assert ("pair_accuracy",) in names
    assert (folder(worker, run) / "model" / "model.safetensors").is_file()
    stored = worker.var_dir / "files" / "runs" / str(run)
    assert (stored / "model" / "config.json").is_file()
    assert (stored / "evaluation.json").is_file()
    assert not (folder(worker, run) / "checkpoints").exists()


def test_a_cancelled_run_keeps_its_checkpoint_and_can_be_resumed_to_the_end(
    worker: LiveStack, runner: Runner
) -> None:
    run = runner.launch(LONG)
    runner.wait_for_event(run, "checkpoint")
    assert runner.cancel(run) == "cancelling"
    runner.wait(run, "cancelled")
    assert runner.engine(run) is None
    assert runner.field(run, "has_checkpoint")
    assert any((folder(worker, run) / "checkpoints").iterdir())
    (stored,) = worker.wait_for(lambda: checkpoints_in_storage(worker, run), "its weights in storage")
    assert {"COMPLETE", "model.safetensors"} <= {one.name for one in stored.iterdir()}
    assert not list(stored.glob("*.pt"))
    assert runner.resume(run) == "queued"
    runner.wait(run, "finished")
    first, second = runner.started_from(run)
    assert first is None
    assert second is not None
    assert second >= 10
    (kept,) = checkpoints_in_storage(worker, run)
    assert kept != stored  # a later one; what had been stopped with is no longer wanted


def test_one_slot_trains_one_run_at_a_time_and_imports_go_on(worker: LiveStack, runner: Runner) -> None:
    first = runner.launch(world.spec(epochs=2000))
    runner.wait_for_event(first, "metrics")
    second = runner.launch()  # not before: of two messages at the same time a worker may take either first
    started = runner.ask(f"start_import({runner.ids['project']})")
    query = "select state from annotation_preferenceimport where id = %s"
    worker.wait_for(lambda: worker.sql(query, started)[0][0] == "done", "the import beside the run")
    assert runner.field(first, "state") == "running"
    assert runner.field(second, "state") == "queued"
    runner.cancel(first)
    runner.wait(first, "cancelled")
    runner.wait(second, "finished")
