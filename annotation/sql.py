"""Statements of the labelling path as text: building them with the ORM took most of a label's time (ADR 7).

Only what runs for each label is written so. The text is the same for PostgreSQL and SQLite but for the words
that lock rows: SQLite's write transactions run one after the other and need none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection
from django.db.models import (
    BigIntegerField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    ForeignKey,
    IntegerField,
    Model,
    UUIDField,
)

M = TypeVar("M", bound=Model)
_AS_THEY_ARE = (BigIntegerField, BooleanField, CharField, DateTimeField, ForeignKey, IntegerField, UUIDField)
Row = tuple[Any, ...]
Convert = Callable[[Any], Any]


def rows(statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
    """Run it; the rows it gives back. For statements that give rows back, be they none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[Row] = cursor.fetchall()
        return found


def first(statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
    """Run it; the first row it gives back."""
    return next(iter(rows(statement, values)), None)


def changed(statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> int:
    """Run it; how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


class _Write(NamedTuple):
    statement: str
    values: Sequence[Any]
    otherwise: Callable[[], object] | None


class _Waiting(threading.local):
    """The writes of this thread's `together` block; None outside of one."""

    writes: list[_Write] | None = None


_waiting = _Waiting()


@contextmanager
def together() -> Iterator[None]:
    """Writes in this block go to PostgreSQL as one statement: at its end, or with the next `Table.insert`.

    For writes to different rows, none of which is read again in the block. SQLite, which has no round trips,
    does each at once.
    """
    if connection.vendor != "postgresql" or _waiting.writes is not None:
        yield
        return
    _waiting.writes = []
    try:
        yield
        _send("SELECT ", [])
    finally:
        _waiting.writes = None


def write(statement: str, values: Sequence[Any], otherwise: Callable[[], object] | None = None) -> None:
    """Run it, in a `together` block with the others there. `otherwise` is called when it changed no row."""
    if _waiting.writes is not None:
        _waiting.writes.append(_Write(statement, values, otherwise))
    elif not changed(statement, values) and otherwise:
        otherwise()


def _send(last: str, values: Sequence[Any]) -> Row | None:
    """Run the waiting writes with a last statement that gives something back: its first row.

    `last` ends where more columns may follow: in them each write says how many rows it changed. An insert
    that met its like says nothing: whoever gave a write an `otherwise` begins afresh then.
    """
    writes = _waiting.writes or []
    bare = last == "SELECT "
    if not writes:
        return None if bare else first(last, values)
    _waiting.writes = []
    parts = ", ".join(f"w{place} AS ({one.statement} RETURNING 1)" for place, one in enumerate(writes))
    counts = ", ".join(f"(SELECT count(*) FROM w{place})" for place in range(len(writes)))  # noqa: S608
    statement = f"WITH {parts} {last}{'' if bare else ', '}{counts}"
    found = first(statement, [value for one in writes for value in one.values] + [*values])
    if found is None:
        return None
    for one, count in zip(writes, found[-len(writes) :], strict=True):
        if not count and one.otherwise:
            one.otherwise()
    return found


def locking(of: str, *, skip: bool = False) -> str:
    """The words that lock the rows read from the table with this alias, or pass by those that are locked."""
    if connection.vendor != "postgresql":
        return ""
    return f"FOR NO KEY UPDATE OF {of}{' SKIP LOCKED' if skip else ''}"


def stored(model: type[Model], name: str, value: Any) -> Any:
    """The value as the database keeps it in this field."""
    return _field(model, name).get_db_prep_save(value, connection)


@cache
def _field(model: type[Model], name: str) -> Field[Any, Any]:
    return next(one for one in model._meta.concrete_fields if one.name == name)


class Table(Generic[M]):
    """Rows of a model out of a statement of ours. Columns left out are read when they are asked for."""

    def __init__(self, model: type[M], *, without: Sequence[str] = ()) -> None:
        self.model = model
        self.fields = [one for one in model._meta.concrete_fields if one.name not in without]
        self.names = [one.attname for one in self.fields]
        self.name = model._meta.db_table
        self._converted: dict[str, list[tuple[int, Convert]]] = {}
        self._statements: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.fields)

    def columns(self, alias: str = "") -> str:
        prefix = f"{alias}." if alias else ""
        return ", ".join(f"{prefix}{one.column}" for one in self.fields)

    def insert(self, row: M, *, unless: str = "") -> bool:
        """Write a new row and give the instance its id. `unless`: words on what to do in a conflict.

        False when they left it unwritten.
        """
        fields = [one for one in self.fields if not one.primary_key]
        statement = self._kept(f"insert {unless}", lambda: _insert(self.name, fields, unless))
        found = _send(f"{statement} RETURNING id", _values(fields, row))
        if found is None:
            return False
        row.pk = found[0]
        row._state.adding = False
        return True

    def insert_after(self, row: M, update: str, given: Sequence[Any], *, unless: str = "") -> bool:
        """Run the update; only if it changed a row, write the new one, in one statement on PostgreSQL.

        Not for a `together` block: the writes that wait there are not sent with it.
        False when nothing was written, be it for the update or for `unless`: nobody can go on from there.
        """
        if connection.vendor != "postgresql":
            return changed(update, given) > 0 and self.insert(row, unless=unless)
        fields = [one for one in self.fields if not one.primary_key]
        insert = self._kept(f"after {unless}", lambda: _insert(self.name, fields, unless, of="changed"))
        found = first(
            f"WITH changed AS ({update} RETURNING 1) {insert} RETURNING id", [*given, *_values(fields, row)]
        )
        if found is None:
            return False
        row.pk = found[0]
        row._state.adding = False
        return True

    def add(self, row: M) -> None:
        """Write a new row whose id nobody asks for."""
        fields = [one for one in self.fields if not one.primary_key]
        statement = self._kept("insert ", lambda: _insert(self.name, fields, ""))
        write(statement, _values(fields, row))

    def update(self, row: M, *names: str) -> None:
        """Write these fields of the row."""
        fields = [_field(self.model, name) for name in names]
        statement = self._kept("/".join(names), lambda: _update(self.name, fields))
        write(statement, [*_values(fields, row), row.pk])

    def made(self, values: Sequence[Any]) -> M:
        """The row as an instance; `values` in the order of `columns`."""
        row = list(values)
        for index, convert in self._converters():
            row[index] = convert(row[index])
        return self.model.from_db(connection.alias, self.names, row)

    def _kept(self, name: str, build: Callable[[], str]) -> str:
        if name not in self._statements:
            self._statements[name] = build()
        return self._statements[name]

    def _converters(self) -> list[tuple[int, Convert]]:
        """What the ORM does to a value on its way from the database, for this kind of database."""
        known = self._converted.get(connection.vendor)
        if known is None:
            known = [(index, convert) for index, one in enumerate(self.fields) for convert in _of_field(one)]
            self._converted[connection.vendor] = known
        return known


def _insert(table: str, fields: Sequence[Field[Any, Any]], unless: str, of: str = "") -> str:
    """`of`: write it once for each row of this."""
    names = ", ".join(str(one.column) for one in fields)
    places = ", ".join(["%s"] * len(fields))
    values = f"SELECT {places} FROM {of}" if of else f"VALUES ({places})"  # noqa: S608 - names of ours
    return f"INSERT INTO {table} ({names}) {values} {unless}"


def _update(table: str, fields: Sequence[Field[Any, Any]]) -> str:
    places = ", ".join(f"{one.column} = %s" for one in fields)
    return f"UPDATE {table} SET {places} WHERE id = %s"  # noqa: S608 - names of ours


def _values(fields: Sequence[Field[Any, Any]], row: Model) -> list[Any]:
    """As the database keeps them. PostgreSQL's driver does that itself for most kinds of field."""
    if connection.vendor == "postgresql":
        return [
            getattr(row, one.attname)
            if isinstance(one, _AS_THEY_ARE)
            else one.get_db_prep_save(getattr(row, one.attname), connection)
            for one in fields
        ]
    return [one.get_db_prep_save(getattr(row, one.attname), connection) for one in fields]


def _of_field(field: Field[Any, Any]) -> list[Convert]:
    column = field.get_col(field.model._meta.db_table)
    found = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    return [_bound(convert, column) for convert in found]


def _bound(convert: Callable[..., Any], column: Any) -> Convert:
    return lambda value: convert(value, column, connection)
