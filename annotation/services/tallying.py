"""Counting what a person does in a pool: each in a row of their own, so that nobody waits for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from django.db.models import BigIntegerField, Case, F, Value, When

from annotation import sql
from annotation.models import Label, Tally

LONGEST_COUNTED_MS = 600_000  # an answer over night says nothing about the time it took
_TODAY = "day_labels = CASE WHEN day = %s THEN day_labels + 1 ELSE 1 END, day = %s, last_at = %s"
Changes = dict[str, int]


def add(*, pool_id: int, annotator_id: int, changes: Mapping[str, int], **fields: object) -> None:
    """Add to the person's counts; `fields` are set as they are. Taken last: after comparisons and anchors."""
    sums = {name: change for name, change in changes.items() if change}
    if not fields:
        if sums:
            _add(pool_id, annotator_id, sums)
        return
    raised = {name: F(name) + change for name, change in sums.items()}
    mine = Tally.objects.filter(pool_id=pool_id, annotator_id=annotator_id)
    if not mine.update(**raised, **fields):
        Tally.objects.get_or_create(pool_id=pool_id, annotator_id=annotator_id)
        mine.update(**raised, **fields)


def labelled(label: Label, pool_id: int, changes: Mapping[str, int], at: datetime) -> None:
    """Count a work label that was given just now, and what came of it."""
    # Zeros and all, so that the statement is one that the database has planned before.
    sums = _merged(dict.fromkeys(Label.Verdict.values, 0) | _of_label(label, 1), changes)
    day = sql.stored(Tally, "day", _day(at))
    _add(pool_id, label.annotator_id, sums, _TODAY, [day, day, sql.stored(Tally, "last_at", at)])


def _add(
    pool_id: int, annotator_id: int, sums: Mapping[str, int], more: str = "", values: Sequence[object] = ()
) -> None:
    """Everything on the right is what stood there before."""
    parts = ", ".join([*(f"{name} = {name} + %s" for name in sums), *([more] if more else [])])
    statement = f"UPDATE annotation_tally SET {parts} WHERE pool_id = %s AND annotator_id = %s"  # noqa: S608
    given = [*sums.values(), *values, pool_id, annotator_id]

    def begin() -> None:
        Tally.objects.get_or_create(pool_id=pool_id, annotator_id=annotator_id)
        sql.changed(statement, given)

    sql.write(statement, given, otherwise=begin)


def unlabelled(label: Label, pool_id: int, changes: Mapping[str, int]) -> None:
    """Take a work label out of the counts again, with what came of it."""
    day = _day(label.created_at)
    add(
        pool_id=pool_id,
        annotator_id=label.annotator_id,
        changes=_merged(_of_label(label, -1), changes),
        day_labels=Case(
            When(day=day, then=F("day_labels") - 1),
            default=F("day_labels"),
            output_field=BigIntegerField(),
        ),
    )


def replaced(old: Label, new: Label, pool_id: int, changes: Mapping[str, int]) -> None:
    """One work label stands in the place of another: the day it is counted on stays the first one's."""
    both = _merged(_of_label(old, -1), _of_label(new, 1))
    add(pool_id=pool_id, annotator_id=new.annotator_id, changes=_merged(both, changes))


def _of_label(label: Label, sign: int) -> Changes:
    timed = label.duration_ms is not None
    return {
        "labels": sign,
        label.verdict: sign,
        "flags": sign * (label.first_looks_swapped + label.second_looks_swapped),
        "timed": sign * timed,
        "milliseconds": sign * min(label.duration_ms or 0, LONGEST_COUNTED_MS),
    }


def _merged(one: Mapping[str, int], other: Mapping[str, int]) -> Changes:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {*one, *other}}


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def checked(label: Label, pool_id: int, changes: Mapping[str, int], at: datetime | None) -> None:
    """Count an answer to a gold or a retest given `at` this moment; None takes it back.

    Today's labels include it: whoever sees their own count cannot tell it from work.
    """
    given = at is not None
    day = _day(at or label.created_at)
    other = {"day": day, "last_at": at} if given else {}
    today = Case(
        When(day=day, then=F("day_labels") + (1 if given else -1)),
        default=Value(1) if given else F("day_labels"),
        output_field=BigIntegerField(),
    )
    add(pool_id=pool_id, annotator_id=label.annotator_id, changes=changes, day_labels=today, **other)
