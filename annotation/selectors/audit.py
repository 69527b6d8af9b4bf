"""The trail of a project: filtered, and as a file that is never held whole in memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from django.db.models import QuerySet

from annotation import rules
from annotation.models import AuditEntry, Project, User

FORMATS = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
COLUMNS = ("id", "at", "actor", "verb", "target", "details")
_CHUNK = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def of_project(user: User, project: Project, *, actor: str = "", verb: str = "") -> QuerySet[AuditEntry]:
    """Newest first; `actor` is a user name, `verb` a whole verb or its noun (`dataset`). Managers only."""
    rules.check_manage(user, project)
    entries = AuditEntry.objects.filter(project=project).select_related("actor").order_by("-id")
    if actor:
        entries = entries.filter(actor__username=actor)
    if verb:
        entries = entries.filter(verb=verb) if "." in verb else entries.filter(verb__startswith=f"{verb}.")
    return entries


def exported(entries: QuerySet[AuditEntry], kind: str) -> Iterator[bytes]:
    """The entries as lines of `kind`, `FORMATS` has them."""
    if kind == "csv":
        yield csv_line(COLUMNS)
    for entry in entries.iterator(chunk_size=_CHUNK):
        row = {
            "id": entry.pk,
            "at": entry.at.isoformat(),
            "actor": entry.actor.username,
            "verb": entry.verb,
            "target": entry.target,
            "details": entry.details,
        }
        if kind == "csv":
            details = json.dumps(row.pop("details"), ensure_ascii=False)
            yield csv_line([plain(str(value)) for value in (*row.values(), details)])
        else:
            yield json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def plain(value: str) -> str:
    """A spreadsheet must read text as text, not as a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def csv_line(values: tuple[str, ...] | list[str]) -> bytes:
    """One line of a CSV file."""
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue().encode("utf-8", "replace")
