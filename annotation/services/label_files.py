"""A project's answers taken out as a file: names leave the server with an entry in the trail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from annotation.models import Project, User
from annotation.selectors import label_export
from annotation.services import audit


def take(*, project: Project, by: User, at: datetime, kind: str, pseudonymise: bool) -> Iterator[bytes]:
    """The answers as lines, see `label_export.of_project`. Managers only."""
    lines = label_export.of_project(by, project, kind=kind, pseudonymise=pseudonymise)
    if not pseudonymise:
        details: dict[str, object] = {"format": kind}
        verb = "labels.exported_with_names"
        audit.record(by=by, at=at, verb=verb, project=project, target=project.slug, details=details)
    return lines
