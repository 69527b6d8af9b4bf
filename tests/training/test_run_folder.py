"""Making a run's folder ready, and what is said when that fails. The full disk is the kernel's own."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from tests.cast import NOW
from tests.training.conftest import Launch
from training import artifacts, run_folder, supervisor
from training.engine import events
from training.engine.events import EventWriter
from training.errors import NotPrepared
from training.models import Run
from training.services import custody

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture
def run(launch: Launch, tmp_path: Path) -> Iterator[Run]:
    with override_settings(RUNS_DIR=tmp_path / "runs", RUN_GRACE_SECONDS=1):
        run = custody.claim(launch().pk, "one@test/0", NOW)
        assert run is not None
        artifacts.folder(run.pk).mkdir(parents=True)
        yield run


def test_a_full_disk_is_said_in_words(run: Run) -> None:
    (artifacts.folder(run.pk) / "spec.json.part").symlink_to("/dev/full")
    with pytest.raises(NotPrepared) as refusal:
        run_folder.prepare(run)
    assert "disk is full" in refusal.value.message
    assert "Free space" in refusal.value.hint


def test_a_run_that_cannot_be_prepared_fails_with_what_to_do(run: Run) -> None:
    (artifacts.folder(run.pk) / "spec.json.part").symlink_to("/dev/full")
    supervisor.supervise(run)
    row = Run.objects.get()
    assert row.state == Run.State.FAILED
    assert "disk is full" in row.error
    assert row.hint


def test_files_missing_from_storage_are_said_in_words(run: Run) -> None:
    supervisor.supervise(run)  # the dataset of these tests has no files
    row = Run.objects.get()
    assert row.state == Run.State.FAILED
    assert "storage" in row.error
    assert "freeze the dataset again" in row.hint


def test_the_spec_is_written_whole_before_anything_is_copied(run: Run) -> None:
    with pytest.raises(NotPrepared):
        run_folder.prepare(run)
    assert json.loads((artifacts.folder(run.pk) / "spec.json").read_text()) == run.spec


def test_a_folder_where_another_engine_works_is_refused(run: Run) -> None:
    with (artifacts.folder(run.pk) / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(NotPrepared, match="Another engine"):
            run_folder.prepare(run)


def test_a_base_model_that_left_its_folder_is_refused_on_the_worker(run: Run) -> None:
    run.spec["model"]["base"] = "/etc"
    with pytest.raises(NotPrepared, match="POP_MODEL_DIRS"):
        run_folder.prepare(run)


def test_on_a_new_machine_events_go_on_where_the_rows_end(run: Run) -> None:
    file = artifacts.folder(run.pk) / "events.jsonl"
    run_folder.continue_events(file, 5000)
    writer = EventWriter(file)
    writer.write("metrics", 3, loss=0.5)
    writer.close()
    ((start, _, event),) = events.read(file, 5000)
    assert (start, event.step) == (5000, 3)


def test_on_the_same_machine_events_are_left_as_they_are(run: Run) -> None:
    file = artifacts.folder(run.pk) / "events.jsonl"
    file.write_bytes(b'{"kind"\n')
    run_folder.continue_events(file, 8)
    run_folder.continue_events(file, 0)
    assert file.read_bytes() == b'{"kind"\n'
