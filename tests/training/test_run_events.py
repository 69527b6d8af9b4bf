"""Lines of events.jsonl become rows once each, whatever happens between two looks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cast import NOW
from tests.training.conftest import Launch
from training.engine.events import EventWriter
from training.errors import RunLost
from training.models import Evaluation, Run, RunEvent
from training.services import custody, run_events

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def run(launch: Launch) -> Run:
    run = custody.claim(launch().pk, "one@test/0", NOW)
    assert run is not None
    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def writer(file: Path) -> Iterator[EventWriter]:
    made = EventWriter(file)
    yield made
    made.close()


def test_each_line_becomes_one_row_and_the_offset_moves_along(
    run: Run, file: Path, writer: EventWriter
) -> None:
    writer.write("started", method="dpo_pop")
    writer.write("stage", name="train", total=4)
    assert [event.kind for event in run_events.ingest(run=run, file=file)] == ["started", "stage"]
    assert run_events.ingest(run=run, file=file) == []
    writer.write("metrics", 1, loss=0.7)
    assert len(run_events.ingest(run=run, file=file)) == 1
    assert list(RunEvent.objects.values_list("kind", flat=True)) == ["started", "stage", "metrics"]
    assert Run.objects.get().events_read == run.events_read == file.stat().st_size


def test_reading_the_same_lines_again_adds_no_rows(run: Run, file: Path, writer: EventWriter) -> None:
    writer.write("metrics", 1, loss=0.7)
    run_events.ingest(run=run, file=file)
    run.events_read = 0
    run_events.ingest(run=run, file=file)
    assert RunEvent.objects.count() == 1


def test_a_half_written_line_waits_for_its_end(run: Run, file: Path, writer: EventWriter) -> None:
    writer.write("metrics", 1, loss=0.7)
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    assert run_events.ingest(run=run, file=file) == []
    file.write_bytes(whole)
    assert len(run_events.ingest(run=run, file=file)) == 1


def test_a_broken_line_is_skipped(run: Run, file: Path, writer: EventWriter) -> None:
    with file.open("ab") as out:
        out.write(b'{"kind": "metr\n')
    writer.write("metrics", 1, loss=0.7)
    assert [event.step for event in run_events.ingest(run=run, file=file)] == [1]


def test_the_row_tells_where_the_run_stands(run: Run, file: Path, writer: EventWriter) -> None:
    writer.write("stage", name="train", total=40)
    writer.write("progress", stage="train", done=8, total=40, rate=2.0, eta_seconds=16.5)
    writer.write("metrics", 7, loss=0.5, learning_rate=1e-6)
    writer.write("checkpoint", 7)
    writer.write("warning", code="rows_dropped", message="3 rows")
    writer.write("warning", code="rows_dropped", message="3 rows")
    Run.objects.update(losses=2)
    run_events.ingest(run=run, file=file)
    row = Run.objects.get()
    assert (row.stage, row.stage_done, row.stage_total, row.eta_seconds) == ("train", 8, 40, 16.5)
    assert row.step == 7
    assert row.latest == {"step": 7, "loss": 0.5, "learning_rate": 1e-6}
    assert row.warnings == [{"code": "rows_dropped", "message": "3 rows"}]
    assert row.has_checkpoint
    assert row.losses == 0


def test_a_new_stage_starts_its_own_count(run: Run, file: Path, writer: EventWriter) -> None:
    writer.write("metrics", 40, loss=0.5)
    writer.write("progress", stage="train", done=40, total=40, rate=2.0, eta_seconds=0.0)
    writer.write("stage", name="evaluate", total=None)
    run_events.ingest(run=run, file=file)
    row = Run.objects.get()
    assert (row.stage, row.stage_done, row.stage_total, row.eta_seconds) == ("evaluate", 0, 0, None)
    assert row.step == 40, "the optimizer's step is not the stage's"


def test_evaluations_become_rows_and_a_repeated_one_replaces_the_first(
    run: Run, file: Path, writer: EventWriter
) -> None:
    for accuracy in (0.5, 0.75):
        result = {"accuracy": accuracy}
        writer.write(
            "evaluation",
            name="pair_accuracy",
            result=result,
            seed=3,
            dataset_sha256="cd" * 32,
            duration_seconds=1.5,
        )
    run_events.ingest(run=run, file=file)
    found = Evaluation.objects.get()
    assert (found.name, found.result, found.seed) == ("pair_accuracy", {"accuracy": 0.75}, 3)
    assert (found.dataset_sha256, found.duration_seconds) == ("cd" * 32, 1.5)


def test_nothing_is_written_for_a_run_in_other_hands(run: Run, file: Path, writer: EventWriter) -> None:
    writer.write("metrics", 1, loss=0.7)
    Run.objects.update(attempt=9)
    with pytest.raises(RunLost):
        run_events.ingest(run=run, file=file)
    assert not RunEvent.objects.exists()
    assert run.events_read == 0


def test_many_lines_are_read_in_batches(run: Run, file: Path, writer: EventWriter) -> None:
    for step in range(run_events.BATCH + 20):
        writer.write("metrics", step, loss=0.1)
    assert len(run_events.ingest(run=run, file=file)) == run_events.BATCH
    assert len(run_events.ingest(run=run, file=file)) == 20
    assert RunEvent.objects.count() == run_events.BATCH + 20


def test_times_are_the_engines(run: Run, file: Path, writer: EventWriter) -> None:
    before = datetime.now(UTC)
    writer.write("started")
    run_events.ingest(run=run, file=file)
    assert before <= RunEvent.objects.get().at <= datetime.now(UTC)
