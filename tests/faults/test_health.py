"""/healthz says the process lives; /readyz says what it needs lives too, and names what does not."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import psycopg
import pytest
from django.test import Client, override_settings

from annotation.services import workers
from tests import services
from tests.cast import NOW
from tests.live import LiveStack, stack

READY = {"database": "ok", "broker": "ok", "storage": "ok"}


def test_healthz_asks_nothing_of_the_database(client: Client) -> None:
    answer = client.get("/healthz")  # no database fixture: a query would fail the test
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_readyz_checks_everything_and_lists_the_workers(client: Client) -> None:
    from django.utils import timezone

    workers.beat(name="one@test", queues=["gpu"], at=timezone.now())
    workers.beat(name="old@test", queues=["default"], at=NOW)
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.json()
    assert answer.json() == {"status": "ok", "failed": [], "workers": {"one@test": ["gpu"]}} | READY


@pytest.mark.django_db(transaction=True)
def test_a_storage_folder_that_is_missing_is_named(client: Client, tmp_path: Path) -> None:
    files = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "gone")},
    }
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={"default": files, "staticfiles": static}):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["failed"] == ["storage"]


@pytest.mark.django_db(transaction=True)
def test_health_answers_plain_http_only_to_reading(client: Client) -> None:
    assert client.post("/readyz").status_code == 405
    assert client.post("/healthz").status_code == 405


@pytest.mark.slow
def test_a_web_process_without_broker_or_tables_lives_and_says_what_is_missing(tmp_path: Path) -> None:
    live = LiveStack(tmp_path, f"sqlite:///{tmp_path / 'empty.sqlite3'}", "redis://127.0.0.1:1/0")
    try:
        live.url = live.start_web(ready=False)
        assert live.get("/healthz")[0] == 200
        status, body = live.get("/readyz")
        assert status == 503
        assert json.loads(body)["failed"] == ["database", "broker"]
        assert "127.0.0.1" not in body
    finally:
        live.close()


@pytest.mark.slow
@pytest.mark.postgres
def test_a_database_that_does_not_answer_is_named_in_time(tmp_path: Path) -> None:
    """Its door is closed and everybody inside is shown out."""
    with stack(tmp_path) as live:
        live.start_web()
        name = live.database.rpartition("/")[2]
        server, _, _ = services.POSTGRES_URL.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f'alter database "{name}" allow_connections false'.encode())
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
            )
            before = time.monotonic()
            status, body = live.get("/readyz")
            assert time.monotonic() - before < 6
            assert status == 503
            assert json.loads(body)["failed"] == ["database"]
            assert live.get("/healthz")[0] == 200
            admin.execute(f'alter database "{name}" allow_connections true'.encode())
        live.wait_for(lambda: live.get("/readyz")[0] == 200, "the database to be back", 60)


@pytest.mark.slow
def test_a_redis_that_hangs_is_named_in_time(tmp_path: Path) -> None:
    """A socket that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        broker = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        with stack(tmp_path, broker) as live:
            live.start_web(ready=False)
            before = time.monotonic()
            status, body = live.get("/readyz")
            assert time.monotonic() - before < 6
            assert status == 503
            assert json.loads(body)["failed"] == ["broker"]
