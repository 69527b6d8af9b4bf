"""The trail of admin deeds. Services call `record` inside the transaction of the deed itself."""

from __future__ import annotations

from datetime import datetime

from annotation.models import AuditEntry, Project, User


def record(
    *,
    by: User,
    at: datetime,
    verb: str,
    project: Project | None = None,
    target: object = "",
    details: dict[str, object] | None = None,
) -> AuditEntry:
    """Write one entry: `verb` is `noun.deed` (`project.paused`), `target` what it was done to."""
    return AuditEntry.objects.create(
        actor=by, at=at, verb=verb, project=project, target=str(target)[:200], details=details or {}
    )
