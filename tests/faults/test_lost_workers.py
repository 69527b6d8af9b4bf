"""Workers that leave, vanish or come late: the run is never lost, and never trained twice at once."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
import redis

from tests import services, world
from tests.faults.runner import Runner
from tests.live import LiveStack, stack

pytestmark = [pytest.mark.slow, pytest.mark.either]
LONG = world.spec(epochs=25)
REDIS_DATABASE = 13  # of sixteen: whatever else uses this server most likely uses the first
SOON = "12"  # seconds without a heartbeat


@pytest.fixture(scope="module")
def runner(bare_stack: LiveStack) -> Runner:
    return Runner(bare_stack)


@pytest.mark.long
def test_a_worker_that_is_stopped_hands_its_run_back_and_the_next_one_goes_on(
    bare_stack: LiveStack, runner: Runner
) -> None:
    one = bare_stack.start_worker("one")
    run = runner.launch(LONG)
    runner.wait_for_event(run, "checkpoint")
    assert bare_stack.end(one, signal.SIGINT) >= 0  # by itself; Celery says 1 after Ctrl-C
    assert runner.field(run, "state") == "queued"
    assert runner.field(run, "losses") == 0
    assert runner.engine(run) is None
    assert not bare_stack.sql("select 1 from annotation_workerbeat where name = %s", "one@test")
    again = bare_stack.start_worker("one")
    runner.wait(run, "finished")
    assert runner.started_from(run)[1] is not None
    assert bare_stack.end(again) == 0


def test_a_killed_worker_takes_its_engine_along_and_another_finishes_the_run(
    bare_stack: LiveStack, runner: Runner
) -> None:
    one = bare_stack.start_worker("one", POP_RUN_STALE_SECONDS=SOON)
    run = runner.launch(LONG)
    runner.wait_for_event(run, "checkpoint")
    family = psutil.Process(one.pid).children(recursive=True)
    assert runner.engine(run) in family
    bare_stack.end(one, signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=60)[1] == []  # pool, beat and engine
    assert runner.field(run, "state") == "running"  # nobody could tell the row
    two = bare_stack.start_worker("two", POP_RUN_STALE_SECONDS=SOON)
    runner.wait(run, "finished")
    assert runner.field(run, "slot") == "two@test/0"
    assert runner.started_from(run)[1] is not None
    assert bare_stack.end(two) == 0


def test_with_the_broker_away_a_launch_waits_and_is_found_later(
    bare_stack: LiveStack, runner: Runner
) -> None:
    run = runner.launch(CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    assert runner.field(run, "state") == "queued"
    worker = bare_stack.start_worker()
    runner.wait(run, "finished")
    assert bare_stack.end(worker) == 0


def test_an_engine_that_cannot_start_fails_in_words(bare_stack: LiveStack, runner: Runner) -> None:
    worker = bare_stack.start_worker(POP_ENGINE_PYTHON="/no/such/python")
    run = runner.launch()
    runner.wait(run, "failed")
    assert "/no/such/python" in runner.field(run, "error")
    assert "POP_ENGINE_PYTHON" in runner.field(run, "hint")
    assert bare_stack.end(worker) == 0


@pytest.mark.long
@pytest.mark.redis
def test_two_workers_over_redis_train_a_run_each(tmp_path: Path) -> None:
    server, _, _ = services.REDIS_URL.rpartition("/")
    url = f"{server}/{REDIS_DATABASE}"
    with redis.Redis.from_url(url) as broker, stack(tmp_path, url) as live:
        broker.flushdb()  # what an interrupted session left
        runner = Runner(live)
        default = live.start_worker("default", queues="default")
        gpus = [live.start_worker(name, queues="gpu", beat=False, slots=1) for name in ("gpu-a", "gpu-b")]
        runs = [runner.launch(LONG), runner.launch(LONG)]
        for run in runs:
            runner.wait_for_event(run, "metrics")
        assert {runner.field(run, "slot") for run in runs} == {"gpu-a@test/0", "gpu-b@test/0"}
        assert live.end(gpus[0], signal.SIGTERM) == 0
        for run in runs:
            runner.wait(run, "finished")
        for process in (default, gpus[1]):
            assert live.end(process) == 0


@pytest.mark.long
@pytest.mark.postgres
def test_a_database_that_breaks_its_connections_does_not_stop_a_run(
    bare_stack: LiveStack, runner: Runner
) -> None:
    worker = bare_stack.start_worker()
    run = runner.launch(world.spec(epochs=120))
    runner.wait_for_event(run, "metrics")
    cut = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    broken = 0
    for times in range(2, 6):
        broken += bare_stack.sql(cut)[0][0]
        runner.wait_for_event(run, "checkpoint", 5 * times)
    runner.wait(run, "finished")
    assert broken >= 4
    assert len(runner.started_from(run)) == 1
    bare_stack.end(worker)
