"""The progress of a project as each member may know it: whoever only annotates must not tell checks by it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from annotation import rules
from annotation.models import Project, User
from annotation.selectors import progress

# Work alone moves these: in a quiet moment an answer that leaves them as they are was a check.
WORK_ONLY = (
    "comparisons_open",
    "decided",
    "undecided",
    "rows_train",
    "rows_heldout",
    "labels_last_hour",
    "eta_seconds",
    "anchors",
)


def of_project(user: User, project: Project, at: datetime) -> dict[str, Any]:
    """The fields of `progress.Progress` and the person's own counts, as `mine`.

    To those who only annotate the labels count checks like work, as on their pages, and `WORK_ONLY` is None.

    Raises:
        NotFound: not a member.
    """
    seen = {**vars(progress.of_project(user, project, at)), "mine": progress.mine(user, project, at)}
    if rules.can_review(user, project):
        return seen
    return {**seen, **dict.fromkeys(WORK_ONLY), **asdict(progress.totals(user, project))}
