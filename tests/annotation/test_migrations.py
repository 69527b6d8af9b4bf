"""An installation that has labels already: what its counters held is in the tallies afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.cast import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.either, pytest.mark.slow]
BEFORE = ("annotation", "0003_import_attempts")
COUNTS = {"drawn": 4, "decided": 2, "undecided": 1, "labels": 3, "full_anchors": 1, "exhausted_anchors": 2}


def _migrate(target: tuple[str, str]) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate([target])
    return executor.loader.project_state([target]).apps


@pytest.fixture
def old() -> Iterator[Any]:
    """The tables before tallies; the newest again afterwards."""
    newest = next(leaf for leaf in MigrationExecutor(connection).loader.graph.leaf_nodes("annotation"))
    yield _migrate(BEFORE)
    _migrate(newest)


def test_old_counters_become_tallies(old: Any) -> None:
    pool, maker, person = _labelled(old)
    new = _migrate(("annotation", "0005_tallies"))
    tallies = {
        row.annotator_id: row for row in new.get_model("annotation", "Tally").objects.filter(pool=pool)
    }
    assert set(tallies) == {maker, person}
    kept = ("drawn", "decided", "undecided", "full_anchors", "exhausted_anchors")
    assert [sum(getattr(row, name) for row in tallies.values()) for name in kept] == [4, 2, 1, 1, 2]
    mine = tallies[person]
    assert (mine.labels, mine.first, mine.too_close, mine.second) == (3, 2, 1, 0)
    assert (mine.timed, mine.milliseconds, mine.flags) == (2, 601_000, 1)
    assert mine.last_at == NOW


def _labelled(old: Any) -> tuple[int, int, int]:
    """A pool with three labels, one without a time and one overnight; ids of pool, maker and person."""
    table = {
        name: old.get_model("annotation", name).objects
        for name in ("User", "Project", "Pool", "Preference", "Comparison", "Assignment", "Label")
    }
    maker, person = (table["User"].create(username=name) for name in ("maker", "person"))
    project = table["Project"].create(name="Old", slug="old", seed=1, created_by=maker, created_at=NOW)
    pool = table["Pool"].create(project=project, split="train", size=4, **COUNTS)
    sides = [
        table["Preference"].create(
            project=project,
            split="train",
            number=number,
            content_hash=str(number),
            prompt=[],
            chosen=[],
            rejected=[],
        )
        for number in range(4)
    ]
    for number, (verdict, took) in enumerate([("first", 1_000), ("first", None), ("too_close", 9_000_000)]):
        comparison = table["Comparison"].create(
            pool=pool,
            low=sides[0],
            high=sides[number + 1],
            needed=1,
            free_slots=0,
            label_count=1,
            queue_position=1,
            created_at=NOW,
        )
        assignment = table["Assignment"].create(
            comparison=comparison,
            annotator=person,
            project=project,
            state="labelled",
            low_first=True,
            leased_at=NOW,
            expires_at=NOW,
        )
        table["Label"].create(
            assignment=assignment,
            comparison=comparison,
            project=project,
            annotator=person,
            verdict=verdict,
            low_first=True,
            duration_ms=took,
            first_looks_swapped=number == 0,
            idempotency_key=uuid4(),
            created_at=NOW,
        )
    return pool.pk, maker.pk, person.pk
