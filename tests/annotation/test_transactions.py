from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection

from annotation.errors import Unavailable
from annotation.models import Pool
from annotation.services.transactions import TRIES, Again, exact
from tests.cast import Cast

pytestmark = pytest.mark.database


def test_deed_that_was_overtaken_starts_afresh(cast: Cast) -> None:
    """What the first try wrote is gone when the second begins."""
    seen: list[int] = []

    @exact
    def deed() -> str:
        seen.append(Pool.objects.filter(project=cast.project, counter=7).count())
        Pool.objects.filter(project=cast.project).update(counter=7)
        if len(seen) < 3:
            raise Again
        return "done"

    assert deed() == "done"
    assert seen == [0, 0, 0]
    assert Pool.objects.filter(counter=7).count() == 2


def test_deed_that_never_gets_through_says_so(cast: Cast) -> None:
    tries: list[None] = []

    @exact
    def deed() -> None:
        tries.append(None)
        raise Again

    with pytest.raises(Unavailable, match="try again"):
        deed()
    assert len(tries) == TRIES


def test_other_database_errors_are_not_tried_again(cast: Cast) -> None:
    tries: list[None] = []

    @exact
    def deed() -> None:
        tries.append(None)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nonsense FROM nowhere")

    with pytest.raises(Exception, match="nowhere"):
        deed()
    assert len(tries) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_deadlock_is_resolved_by_a_second_try(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    """Two deeds lock two rows in opposite order, and wait for each other on their first try."""
    one, other = Pool.objects.filter(project=cast.project).order_by("pk")
    gate = threading.Barrier(2)

    def lock(order: tuple[Pool, Pool]) -> int:
        tries = 0

        @exact
        def deed() -> int:
            nonlocal tries
            tries += 1
            Pool.objects.filter(pk=order[0].pk).update(counter=tries)
            if tries == 1:
                gate.wait(timeout=30)
            Pool.objects.filter(pk=order[1].pk).update(counter=tries)
            return tries

        try:
            return deed()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        tries = sorted(threads.map(lock, [(one, other), (other, one)]))
    assert tries[0] == 1
    assert 2 <= tries[1] <= TRIES
    assert "tried again: deadlock detected" in caplog.text


@pytest.mark.postgres
def test_a_lock_that_does_not_come_is_an_error_at_once(cast: Cast) -> None:
    """Only what passes by itself is tried again: a cancelled statement is not."""
    tries: list[None] = []

    @exact
    def deed() -> None:
        tries.append(None)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 20")
            cursor.execute("SELECT pg_sleep(5)")

    with pytest.raises(OperationalError, match="statement timeout"):
        deed()
    assert len(tries) == 1
