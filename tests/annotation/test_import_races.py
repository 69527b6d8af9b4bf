"""Imports beside each other, a worker that lost its claim, a broker that is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from celery import Celery, current_app
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.utils import timezone

from annotation.imports.records import Message, Record
from annotation.models import Pool, Preference, PreferenceImport
from annotation.services import import_batches, imports, projects
from annotation.services.preference_rows import ready
from tests.cast import Cast, make_cast

pytestmark = [pytest.mark.either, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("files")]


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return make_cast(holdout_percent=30)


def lines(first: int, last: int) -> bytes:
    rows = ({"prompt": f"Question {n}?", "chosen": "good", "rejected": "bad"} for n in range(first, last))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def queued(cast: Cast, data: bytes) -> PreferenceImport:
    upload = ContentFile(data, name="set.jsonl")
    return imports.start_file(project=cast.project, upload=upload, by=cast.owner, at=timezone.now())


def test_overlapping_imports_at_the_same_time_lose_and_double_nothing(cast: Cast) -> None:
    jobs = [queued(cast, lines(n * 500, n * 500 + 1_500)) for n in range(4)]
    start = Barrier(len(jobs))

    def work(job: PreferenceImport) -> None:
        start.wait()
        try:
            imports.run(job.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(work, jobs))
    done = PreferenceImport.objects.order_by("pk")
    assert [job.state for job in done] == ["done"] * 4
    assert sum(job.rows_imported for job in done) == Preference.objects.count() == 3_000
    assert sum(job.rows_duplicate for job in done) == 3_000
    for split in Pool.objects.filter(project=cast.project):
        numbers = (
            Preference.objects.filter(split=split.split).order_by("number").values_list("number", flat=True)
        )
        assert list(numbers) == list(range(split.size))


def test_one_import_claimed_by_several_workers_runs_once(cast: Cast) -> None:
    rows = 2 * imports.BATCH
    job = queued(cast, lines(0, rows))
    start = Barrier(4)

    def work(_: int) -> None:
        start.wait()
        try:
            imports.run(job.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    job.refresh_from_db()
    assert (job.state, job.rows_read, job.rows_imported, job.rows_duplicate) == ("done", rows, rows, 0)


def test_a_worker_that_was_taken_over_writes_nothing_more(cast: Cast) -> None:
    job = queued(cast, lines(0, 3))
    now = timezone.now()
    PreferenceImport.objects.update(state="running", heartbeat_at=now)
    slow = import_batches.begin(job.pk)
    PreferenceImport.objects.update(heartbeat_at=timezone.now())
    message: list[Message] = [{"role": "user", "content": "x"}]
    record = ready(Record(1, message, message, message))
    with pytest.raises(import_batches.TakenOver):
        import_batches.store(slow, [record], 10)
    import_batches.finish(slow, "I say it failed")
    assert not Preference.objects.exists()
    assert not Pool.objects.filter(size__gt=0).exists()
    job.refresh_from_db()
    assert (job.state, job.rows_read, job.error) == ("running", 0, "")


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[Celery]:
    """Another Celery application as the current one, on the broker the test names."""
    before: Celery = getattr(current_app, "_get_current_object")()  # noqa: B009 - the app behind the proxy
    app = Celery("elsewhere", broker=request.param, set_as_current=False)
    app.conf.task_default_queue = "default"
    app.set_current()
    yield app
    before.set_current()
    app.close()


@pytest.mark.parametrize("broker", ["memory://"], indirect=True)
def test_the_bell_rings_when_the_row_is_committed_and_not_before(cast: Cast, broker: Celery) -> None:
    with broker.connection() as link, link.SimpleQueue("default") as queue:
        with transaction.atomic():
            job = queued(cast, lines(0, 1))
            assert queue.qsize() == 0
        message = queue.get(block=False)
        assert message.headers["task"] == "annotation.tasks.run_import"
        assert message.payload[0] == [job.pk]


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"], indirect=True)
def test_a_broker_that_is_away_costs_nothing_but_time(cast: Cast, broker: Celery) -> None:
    job = queued(cast, lines(0, 4))
    job.refresh_from_db()
    assert job.state == "queued"
    assert imports.ring_waiting(timezone.now() + imports.RING_AFTER * 2) == 0
    imports.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.rows_imported) == ("done", 4)


def test_settings_can_be_changed_while_an_import_runs(cast: Cast) -> None:
    job = queued(cast, lines(0, 3_000))
    start = Barrier(2)

    def importing() -> None:
        start.wait()
        try:
            imports.run(job.pk)
        finally:
            connection.close()

    def changing() -> None:
        start.wait()
        try:
            for k in range(1, 60):
                projects.update(project=cast.project, by=cast.owner, at=timezone.now(), k=k, name=f"k = {k}")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(importing), pool.submit(changing)]:
            ended.result()
    job.refresh_from_db()
    cast.project.refresh_from_db()
    assert (job.state, job.rows_imported, cast.project.k) == ("done", 3_000, 59)
