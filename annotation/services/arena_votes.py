"""Votes of an arena as preferences of another project: an import like any other, of a file made here."""

from __future__ import annotations

import tempfile
from datetime import datetime

from django.core.files import File

from annotation import kinds, rules
from annotation.errors import Conflict
from annotation.models import PreferenceImport, Project, User
from annotation.selectors import arena as selectors
from annotation.selectors import arena_files
from annotation.services import audit, imports

IN_MEMORY = 4 * 1024 * 1024  # bytes of the file before it goes to the disk


def make_preferences(*, arena: Project, into: Project, by: User, at: datetime) -> PreferenceImport:
    """Queue the import of every battle with a winner: the better response is chosen, the other rejected.

    What `into` has already is a duplicate, as in any import, so that doing it again adds only what is new.

    Raises:
        NotFound, NotAllowed: not a manager of both projects.
        Conflict: no arena, nothing decided yet, or `into` takes no imports.
    """
    rules.check_manage(by, arena)
    kinds.check_arena(arena)
    rules.check_manage(by, into)
    kinds.check_preferences(into, kinds.NO_IMPORTS)
    if not selectors.decided(arena).exists():
        raise Conflict("nothing_decided", "No battle of this arena has a winner yet.")
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as lines:
        lines.writelines(arena_files.winners(by, arena))
        upload = File(lines, name=f"arena-{arena.slug}.jsonl")
        upload.size = _size(lines)
        started = imports.start_file(project=into, upload=upload, by=by, at=at, format="jsonl")
    audit.record(
        by=by,
        at=at,
        verb="arena.preferences_made",
        project=arena,
        target=into.slug,
        details={"import": started.pk},
    )
    return started


def _size(lines: tempfile.SpooledTemporaryFile[bytes]) -> int:
    lines.seek(0, 2)
    size = lines.tell()
    lines.seek(0)
    return size
