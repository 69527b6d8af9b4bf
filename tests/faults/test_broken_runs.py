"""What goes wrong inside a run: killed engines, bad models, touched and missing datasets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import world
from tests.faults.runner import Runner
from tests.live import LiveStack

pytestmark = [pytest.mark.slow]
LONG = world.spec(epochs=40)


@pytest.fixture(scope="module")
def runner(bare_stack: LiveStack) -> Runner:
    return Runner(bare_stack)


@pytest.fixture(scope="module")
def worker(bare_stack: LiveStack, runner: Runner) -> Iterator[LiveStack]:
    process = bare_stack.start_worker()
    yield bare_stack
    assert bare_stack.end(process) == 0


def test_a_killed_engine_fails_the_run_with_the_reason_and_the_worker_goes_on(
    worker: LiveStack, runner: Runner
) -> None:
    run = runner.launch(LONG)
    runner.wait_for_event(run, "checkpoint")
    engine = runner.engine(run)
    assert engine is not None
    engine.kill()
    runner.wait(run, "failed")
    assert "signal 9" in runner.field(run, "error")
    assert "training.max_tokens" in runner.field(run, "hint")
    assert runner.field(run, "has_checkpoint")
    assert runner.resume(run) == "queued"
    runner.wait(run, "finished")


@pytest.mark.long
def test_an_engine_that_is_terminated_from_outside_is_started_again(
    worker: LiveStack, runner: Runner
) -> None:
    run = runner.launch(LONG)
    runner.wait_for_event(run, "checkpoint")
    engine = runner.engine(run)
    assert engine is not None
    engine.terminate()
    runner.wait(run, "finished")
    assert len(runner.started_from(run)) == 2


def test_an_unknown_model_fails_with_message_and_hint(worker: LiveStack, runner: Runner) -> None:
    run = runner.launch(world.TINY | {"model": {"base": "nobody/no-such-model"}})
    runner.wait(run, "failed")
    assert "nobody/no-such-model" in runner.field(run, "error")
    assert runner.field(run, "hint")


def test_a_touched_dataset_fails_naming_both_hashes(worker: LiveStack, runner: Runner) -> None:
    (dataset,) = worker.sql(
        "select sha256, folder from annotation_popdataset where id = %s", runner.ids["dataset"]
    )
    sha256, folder = dataset
    files = worker.var_dir / "files" / folder
    rows, kept = files / "rows.parquet", (files / "rows.parquet").read_bytes()
    worker.manage(
        "shell",
        "-c",
        "import pyarrow.parquet as pq; from pathlib import Path;"
        f"p = Path({str(rows)!r}); t = pq.read_table(p); p.chmod(0o644); pq.write_table(t.slice(1), p)",
    )
    try:
        run = runner.launch()
        runner.wait(run, "failed")
    finally:
        rows.write_bytes(kept)
    error = runner.field(run, "error")
    assert sha256 in error
    assert len([word for word in error.replace(".", " ").replace(",", " ").split() if len(word) == 64]) == 2
    assert runner.field(run, "hint")


def test_a_dataset_whose_files_are_gone_fails_in_words(worker: LiveStack, runner: Runner) -> None:
    (folder,) = worker.sql("select folder from annotation_popdataset where id = %s", runner.ids["dataset"])[0]
    files = worker.var_dir / "files" / folder
    aside = files.rename(files.with_name("aside"))
    try:
        run = runner.launch()
        runner.wait(run, "failed")
    finally:
        aside.rename(files)
    assert "storage" in runner.field(run, "error")
    assert "freeze the dataset again" in runner.field(run, "hint")
