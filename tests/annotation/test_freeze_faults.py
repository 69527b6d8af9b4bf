"""Freezing while others write, on a disk that is full, and by several workers at once."""

from __future__ import annotations

import resource
import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone
from django.utils.connection import ConnectionDoesNotExist

from annotation.models import PopDataset, Preference
from annotation.services import datasets
from annotation.services.snapshot import ALIAS, read_ahead, snapshot
from tests.annotation.frozen import decide, fill, frozen
from tests.cast import Cast, add_preferences, make_cast

pytestmark = [pytest.mark.either, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("files")]

BIG = 3_000  # bytes of text in a preference that no compression makes smaller


@pytest.fixture
def decided(transactional_db: None) -> Cast:
    cast = make_cast()
    decide(cast.project, fill(cast.project, cast.owner))
    return cast


@pytest.fixture
def bulky(decided: Cast) -> Cast:
    """About 600 kB of texts, so that a small disk cannot hold the files."""
    for one in add_preferences(decided.project, 100):
        answer = [{"role": "assistant", "content": secrets.token_hex(BIG)}]
        Preference.objects.filter(pk=one.pk).update(chosen=answer)
    return decided


def test_a_snapshot_stands_still_and_keeps_no_writer_waiting(decided: Cast) -> None:
    with snapshot() as alias:
        assert alias == ALIAS
        before = Preference.objects.using(alias).count()
        add_preferences(decided.project, 5)
        assert Preference.objects.using(alias).count() == before
        assert Preference.objects.count() == before + 5
    with pytest.raises(ConnectionDoesNotExist):
        connections[ALIAS]
    with snapshot() as alias:
        assert Preference.objects.using(alias).count() == before + 5


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_breaks_off_in_the_middle_of_reading_ahead_comes_through_as_it_was(
    decided: Cast, error: BaseException
) -> None:
    """The reader is far from its end then, and the snapshot's connection is still this thread's."""
    counted: list[int] = []

    def break_off() -> None:
        with snapshot() as alias:
            try:
                with read_ahead(alias, (n for n in range(10**9))) as rows:
                    assert next(rows) == 0
                    raise error
            finally:
                counted.append(Preference.objects.using(alias).count())

    with pytest.raises(type(error)):
        break_off()
    assert counted == [24]
    with pytest.raises(ConnectionDoesNotExist):
        connections[ALIAS]


def test_inside_a_transaction_that_transaction_is_the_snapshot(decided: Cast) -> None:
    from django.db import transaction

    with transaction.atomic():
        add_preferences(decided.project, 1)
        with snapshot() as alias:
            assert alias == "default"
            assert Preference.objects.using(alias).count() == 25


def test_a_dataset_freezes_the_same_inside_and_outside_a_transaction(decided: Cast) -> None:
    from django.db import transaction

    outside = frozen(decided.project, decided.owner)
    with transaction.atomic():
        inside = frozen(decided.project, decided.owner)
    assert outside.state == "frozen"
    assert outside.sha256 == inside.sha256


def test_several_workers_freeze_one_dataset_once(decided: Cast, files: Path) -> None:
    dataset = datasets.freeze(project=decided.project, by=decided.owner, at=timezone.now())
    start = Barrier(4)

    def work(_: int) -> None:
        start.wait()
        try:
            datasets.run_freeze(dataset.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    dataset.refresh_from_db()
    assert dataset.state == "frozen"
    assert [path.name for path in files.glob("datasets/*/*")] == [Path(dataset.folder).name]


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this account may not mount a tmpfs; the test with a file size limit covers it")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """No file of this process can grow over `limit` bytes; Python sees EFBIG (SIGXFSZ is ignored)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def check_failed_well(dataset: PopDataset) -> None:
    dataset.refresh_from_db()
    assert (dataset.state, dataset.sha256, dataset.folder) == ("failed", "", "")
    assert dataset.error == (
        "The disk is full, so the dataset could not be written. No label was lost. "
        "Free some space and freeze again."
    )


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_full_scratch_disk_fails_in_words_and_freezing_again_works(
    bulky: Cast, settings: Any, tmp_path: Path, files: Path
) -> None:
    usual = settings.FILE_UPLOAD_TEMP_DIR
    with small_disk(tmp_path / "disk") as disk:
        settings.FILE_UPLOAD_TEMP_DIR = str(disk)
        check_failed_well(frozen(bulky.project, bulky.owner))
        assert left_in(disk) == []
    settings.FILE_UPLOAD_TEMP_DIR = usual
    assert left_in(files / "datasets") == []
    assert frozen(bulky.project, bulky.owner).state == "frozen"


def test_a_full_storage_disk_fails_in_words_and_leaves_nothing_behind(
    bulky: Cast, settings: Any, tmp_path: Path, files: Path
) -> None:
    usual = settings.STORAGES
    with small_disk(tmp_path / "disk") as disk:
        options = {**usual["default"], "OPTIONS": {"location": str(disk)}}
        settings.STORAGES = {**usual, "default": options}
        check_failed_well(frozen(bulky.project, bulky.owner))
        assert left_in(disk) == []
    settings.STORAGES = usual
    assert frozen(bulky.project, bulky.owner).state == "frozen"


def test_a_file_that_cannot_grow_fails_in_words_and_freezing_again_works(bulky: Cast, files: Path) -> None:
    if connection.vendor == "sqlite":  # its log must be empty, or it would be the first file to hit the limit
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    dataset = datasets.freeze(project=bulky.project, by=bulky.owner, at=timezone.now())
    with small_files(200_000):
        datasets.run_freeze(dataset.pk)
    check_failed_well(dataset)
    assert left_in(files / "datasets") == []
    assert frozen(bulky.project, bulky.owner).state == "frozen"
