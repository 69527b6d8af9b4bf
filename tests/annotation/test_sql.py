"""Rows read and written by statements of ours are what the ORM would have made of them."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from annotation import sql
from annotation.models import Anchor, Comparison, Preference, Project
from annotation.services import assignments
from tests.cast import NOW, Cast, add_preferences

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def _compared(cast: Cast, strategy: str = "random") -> Comparison:
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy)
    add_preferences(cast.project, 5)
    lease = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert lease
    return Comparison.objects.get(pk=lease.comparison_id)


@pytest.mark.parametrize("model", [Project, Preference, Comparison])
def test_a_row_becomes_the_instance_the_orm_makes(cast: Cast, model: type[Project]) -> None:
    _compared(cast)
    table = sql.Table(model)
    known = model.objects.order_by("pk").first()
    assert known
    found = sql.first(f"SELECT {table.columns('t')} FROM {table.name} t WHERE t.id = %s", [known.pk])  # noqa: S608
    assert found
    made = table.made(found)
    assert {name: getattr(made, name) for name in table.names} == {
        name: getattr(known, name) for name in table.names
    }
    assert not made._state.adding


def test_a_column_left_out_is_read_when_it_is_asked_for(cast: Cast) -> None:
    table = sql.Table(Comparison, without=["folded"])
    row = _compared(cast)
    found = sql.first(f"SELECT {table.columns()} FROM {table.name} WHERE id = %s", [row.pk])  # noqa: S608
    assert found
    made = table.made(found)
    assert made.get_deferred_fields() == {"folded"}
    assert made.folded == []


def test_an_update_writes_the_fields_named_and_no_others(cast: Cast) -> None:
    row = _compared(cast, "iterative")
    table = sql.Table(Anchor)
    anchor = Anchor.objects.get(comparisons=row)
    anchor.held_until, anchor.attempts = NOW + timedelta(hours=3), 99
    table.update(anchor, "held_until")
    fresh = Anchor.objects.get(pk=anchor.pk)
    assert (fresh.held_until, fresh.attempts) == (NOW + timedelta(hours=3), 1)


def test_an_insert_that_meets_its_like_says_so(cast: Cast) -> None:
    row = _compared(cast, "iterative")
    known = Anchor.objects.get(comparisons=row)
    again = Anchor(pool_id=known.pool_id, preference_id=known.preference_id, quota=1, attempt_limit=1)
    assert not sql.Table(Anchor).insert(again, unless="ON CONFLICT (preference_id) DO NOTHING")
    assert again.pk is None


def test_rows_are_locked_in_words_where_there_are_any() -> None:
    locks = connection.vendor == "postgresql"
    assert sql.locking("c", skip=True) == ("FOR NO KEY UPDATE OF c SKIP LOCKED" if locks else "")


def test_an_old_sqlite_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    said = [message.id for message in run_checks()]
    assert ("annotation.E001" in said) is (connection.vendor == "sqlite")


RAISED = "UPDATE annotation_comparison SET needed = needed + %s WHERE id = %s"


def test_writes_together_are_one_statement_where_a_round_trip_is_dear(cast: Cast) -> None:
    row = _compared(cast, "iterative")
    missed: list[str] = []
    with CaptureQueriesContext(connection) as asked, sql.together():
        sql.write(RAISED, [4, row.pk], lambda: missed.append("changed"))
        sql.write("UPDATE annotation_anchor SET wins = 9 WHERE id = %s", [0], lambda: missed.append("none"))
    assert len(asked) == (1 if connection.vendor == "postgresql" else 2)
    assert (Comparison.objects.get(pk=row.pk).needed, missed) == (5, ["none"])


def test_an_insert_takes_waiting_writes_along_and_knows_its_id(cast: Cast) -> None:
    row = _compared(cast, "iterative")
    missed: list[str] = []
    spare = Preference.objects.exclude(pk__in=Anchor.objects.values("preference")).first()
    assert spare
    new = Anchor(pool_id=row.pool_id, preference=spare, quota=1, attempt_limit=1)
    with CaptureQueriesContext(connection) as asked, sql.together():
        sql.write("UPDATE annotation_anchor SET wins = 9 WHERE id = %s", [0], lambda: missed.append("none"))
        sql.write(RAISED, [4, row.pk])
        assert sql.Table(Anchor).insert(new)
    assert len(asked) == (1 if connection.vendor == "postgresql" else 3)
    assert (Comparison.objects.get(pk=row.pk).needed, missed) == (5, ["none"])
    assert Anchor.objects.get(preference=spare).pk == new.pk


@pytest.mark.parametrize(
    ("changes", "taken", "written"), [(1, False, True), (0, False, False), (1, True, False)]
)
def test_a_row_that_depends_on_an_update_is_written_only_after_it(
    cast: Cast, changes: int, taken: bool, written: bool
) -> None:
    row = _compared(cast, "iterative")
    without = Preference.objects.exclude(pk__in=Anchor.objects.values("preference")).values_list(
        "pk", flat=True
    )
    preference = Anchor.objects.get(comparisons=row).preference_id if taken else without[0]
    new = Anchor(pool_id=row.pool_id, preference_id=preference, quota=1, attempt_limit=1)
    once = "ON CONFLICT (preference_id) DO NOTHING"
    with CaptureQueriesContext(connection) as asked:
        done = sql.Table(Anchor).insert_after(new, RAISED, [4, row.pk if changes else 0], unless=once)
    assert len(asked) == 1 or connection.vendor == "sqlite"
    assert done is written
    assert Anchor.objects.filter(pk=new.pk, preference=preference, quota=1).exists() is written
    assert Comparison.objects.get(pk=row.pk).needed == (5 if changes else 1)


def test_what_was_written_together_waits_for_nobody_after_an_error(cast: Cast) -> None:
    row = _compared(cast)

    def fail() -> None:
        with sql.together():
            sql.write(RAISED, [4, row.pk])
            raise RuntimeError

    with pytest.raises(RuntimeError), transaction.atomic():
        fail()
    sql.write(RAISED, [1, row.pk])
    assert Comparison.objects.get(pk=row.pk).needed == 2
