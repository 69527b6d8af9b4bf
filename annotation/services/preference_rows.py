"""Writes new preferences: by COPY on PostgreSQL, by INSERTs elsewhere. The rows are the same."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from annotation import sql
from annotation.imports.records import Record, Row, RowError, prepared
from annotation.models import Preference, PreferenceImport, Split

_COLUMNS = (
    "content_hash, prompt, chosen, rejected, score_chosen, score_rejected, external_id, source, "
    "exclusion_reason, project_id, preference_import_id, split, number"
)
_COPY = f"COPY annotation_preference ({_COLUMNS}) FROM STDIN (FORMAT binary)"
# PostgreSQL's binary COPY: a signature, then a field count a row and a length a field, big-endian.
_BEGIN = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = struct.pack("!h", -1)
_NULL = struct.pack("!i", -1)
_FIELDS = struct.pack("!h", 13)
_BIGINT, _DOUBLE, _LENGTH = struct.Struct("!iq"), struct.Struct("!id"), struct.Struct("!i")
_JSONB = b"\x01"  # the version that goes before its text
_SENT = 256 * 1024  # bytes handed to the connection at once
# One look into the index a hash, whatever the planner believes of a table that grows while it is read. Asked
# with IN and a thousand values it read the whole project for each batch, and took half of an import's time.
_KNOWN = """
    SELECT given.hash FROM unnest(string_to_array(%s, ',')) AS given (hash)
    CROSS JOIN LATERAL (
        SELECT 1 FROM annotation_preference WHERE project_id = %s AND content_hash = given.hash LIMIT 1
    ) AS found
"""


@dataclass(frozen=True, slots=True)
class Ready:
    """A record with its hash and the part of its row in a binary COPY that does not depend on its place."""

    record: Record
    content_hash: str
    packed: bytes


@dataclass(frozen=True, slots=True)
class Numbered:
    """A new preference and its place: `number` in the pool of `split`."""

    ready: Ready
    split: str
    number: int


def ready(row: Row) -> Ready | RowError:
    """The row as `insert` wants it; refused rows as they are. Most of the work on a row is done here."""
    return row if isinstance(row, RowError) else _ready(row)


def weight(row: Ready | RowError) -> int:
    """Its texts' bytes."""
    return 0 if isinstance(row, RowError) else len(row.packed)


def known(project_id: int, hashes: Sequence[str]) -> set[str]:
    """Those of the hashes that the project has preferences of."""
    if connection.vendor == "postgresql":
        return {digest for (digest,) in sql.rows(_KNOWN, [",".join(hashes), project_id])}
    mine = Preference.objects.filter(project=project_id, content_hash__in=hashes)
    return set(mine.values_list("content_hash", flat=True))


def insert(job: PreferenceImport, rows: Sequence[Numbered]) -> None:
    """Insert them all. The caller holds the locks of the project's pools."""
    if not rows:
        return
    if connection.vendor == "postgresql":
        _copy(job, rows)
    else:
        Preference.objects.bulk_create(_model(job, row) for row in rows)


def _copy(job: PreferenceImport, rows: Sequence[Numbered]) -> None:
    whose = _bigint(job.project_id) + _bigint(job.pk)
    places = {split: whose + _text(split) for split in Split.values}
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        part = bytearray(_BEGIN)
        for row in rows:
            part += row.ready.packed
            part += places[row.split]
            part += _bigint(row.number)
            if len(part) > _SENT:
                copy.write(bytes(part))
                part.clear()
        copy.write(bytes(part + _END))


def _ready(record: Record) -> Ready:
    made = prepared(record)
    packed = (
        _FIELDS,
        _text(made.content_hash),
        _jsonb(made.prompt),
        _jsonb(made.chosen),
        _jsonb(made.rejected),
        _double(record.score_chosen),
        _double(record.score_rejected),
        _text(record.external_id),
        _text(record.source),
        _text(""),
    )
    return Ready(record, made.content_hash, b"".join(packed))


def _bigint(value: int) -> bytes:
    return _BIGINT.pack(8, value)


def _double(value: float | None) -> bytes:
    return _NULL if value is None else _DOUBLE.pack(8, value)


def _text(value: str) -> bytes:
    raw = value.encode()
    return _LENGTH.pack(len(raw)) + raw


def _jsonb(value: bytes) -> bytes:
    return _LENGTH.pack(len(value) + 1) + _JSONB + value


def _model(job: PreferenceImport, row: Numbered) -> Preference:
    record = row.ready.record
    return Preference(
        project_id=job.project_id,
        preference_import=job,
        split=row.split,
        number=row.number,
        content_hash=row.ready.content_hash,
        prompt=record.prompt,
        chosen=record.chosen,
        rejected=record.rejected,
        score_chosen=record.score_chosen,
        score_rejected=record.score_rejected,
        external_id=record.external_id,
        source=record.source,
    )
