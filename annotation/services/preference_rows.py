"""Writes new preferences: by COPY on PostgreSQL, by INSERTs elsewhere. The rows are the same."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from annotation.imports.records import Prepared
from annotation.models import Preference, PreferenceImport

_COLUMNS = (
    "project_id, preference_import_id, split, number, content_hash, prompt, chosen, rejected, "
    "score_chosen, score_rejected, external_id, source, exclusion_reason"
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


@dataclass(frozen=True, slots=True)
class Numbered:
    """A new preference and its place: `number` in the pool of `split`."""

    prepared: Prepared
    split: str
    number: int


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
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        part = bytearray(_BEGIN)
        for row in rows:
            part += _binary(whose, row)
            if len(part) > _SENT:
                copy.write(bytes(part))
                part.clear()
        copy.write(bytes(part + _END))


def _binary(whose: bytes, row: Numbered) -> bytes:
    prepared, record = row.prepared, row.prepared.record
    return b"".join(
        (
            _FIELDS,
            whose,
            _text(row.split),
            _bigint(row.number),
            _text(prepared.content_hash),
            _jsonb(prepared.prompt),
            _jsonb(prepared.chosen),
            _jsonb(prepared.rejected),
            _double(record.score_chosen),
            _double(record.score_rejected),
            _text(record.external_id),
            _text(record.source),
            _text(""),
        )
    )


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
    record = row.prepared.record
    return Preference(
        project_id=job.project_id,
        preference_import=job,
        split=row.split,
        number=row.number,
        content_hash=row.prepared.content_hash,
        prompt=record.prompt,
        chosen=record.chosen,
        rejected=record.rejected,
        score_chosen=record.score_chosen,
        score_rejected=record.score_rejected,
        external_id=record.external_id,
        source=record.source,
    )
