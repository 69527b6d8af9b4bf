"""The answers of a project as a file: streamed, and without names unless they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.utils.crypto import salted_hmac

from annotation import rules
from annotation.consensus import vote_of
from annotation.models import Label, Project, User
from annotation.selectors.audit import csv_line, plain

FORMATS = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
# As in the file, with where each comes from; the sides and the annotator are worked out.
FIELDS = {
    "comparison": "comparison_id",
    "annotator": "annotator__username",
    "kind": "kind",
    "verdict": "verdict",
    "low_id": "comparison__low__content_hash",
    "high_id": "comparison__high__content_hash",
    "low_first": "low_first",
    "reason": "reason",
    "first_looks_swapped": "first_looks_swapped",
    "second_looks_swapped": "second_looks_swapped",
    "duration_ms": "duration_ms",
    "created_at": "created_at",
}
COLUMNS = (*FIELDS, "stronger_id")
_CHUNK = 1_000
_LENGTH = 16  # hex digits of a pseudonym


def of_project(user: User, project: Project, *, kind: str, pseudonymise: bool) -> Iterator[bytes]:
    """Every answer that counts now, oldest first, as lines of `kind`. Managers only.

    `stronger_id` is the content hash of the preference called stronger; null where none was.
    """
    rules.check_manage(user, project)
    return _lines(project, kind, pseudonymise)


def pseudonym(project: Project, annotator_id: int) -> str:
    """Always the same for a person in a project, another in each project; the server's secret keeps it so.

    Without SECRET_KEY nobody can work it out from names or ids.
    """
    key = f"annotation.label_export:{project.pk}:{project.seed}"
    digest = salted_hmac(key, str(annotator_id), algorithm="sha256").hexdigest()
    return f"annotator-{digest[:_LENGTH]}"


def _lines(project: Project, kind: str, pseudonymise: bool) -> Iterator[bytes]:
    known = cache(lambda pk: pseudonym(project, pk))
    if kind == "csv":
        yield csv_line(COLUMNS)
    current = Label.objects.filter(project=project, is_current=True).order_by("pk")
    for annotator_id, *values in current.values_list("annotator_id", *FIELDS.values()).iterator(_CHUNK):
        row = dict(zip(FIELDS, values, strict=True))
        if pseudonymise:
            row["annotator"] = known(annotator_id)
        row["created_at"] = row["created_at"].isoformat()
        side = vote_of(row["verdict"], row["low_first"])
        row["stronger_id"] = row.get(f"{side}_id")
        yield _line(row, kind)


def _line(row: dict[str, Any], kind: str) -> bytes:
    if kind == "csv":
        return csv_line(["" if value is None else plain(str(value)) for value in row.values()])
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
