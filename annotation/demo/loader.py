"""Makes the demo project, or what is missing of it. Calling it again changes nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.core.files import File

from annotation.demo import people
from annotation.models import Project, Role, User
from annotation.selectors import projects as project_selectors
from annotation.services import imports, members, projects

HERE = Path(__file__).resolve().parent
NAME = "Demo: which preference is stronger?"
SLUG = "demo-which-preference-is-stronger"
K = 2


def load(at: datetime) -> Project:
    """The demo project with its members and preferences, imported here and now (no worker needed).

    Raises:
        DomainError: the preferences could not be imported.
    """
    admin, annotator = people.ensure()
    project = Project.objects.filter(slug=SLUG).first() or _make(admin, at)
    if project_selectors.role_of(annotator, project) is None and project.created_by_id == admin.pk:
        members.set_role(project=project, user=annotator, role=Role.ANNOTATOR, by=admin, at=at)
    if not project.preferences.exists():
        _import(project, admin, at)
    return project


def _make(admin: User, at: datetime) -> Project:
    return projects.create(
        name=NAME,
        guidelines=(HERE / "guidelines.md").read_text(encoding="utf-8"),
        strategy="iterative",
        k=K,
        holdout_percent=20,  # of so few, a tenth would evaluate on nine
        by=admin,
        at=at,
    )


def _import(project: Project, admin: User, at: datetime) -> None:
    with (HERE / "preferences.jsonl").open("rb") as file:
        upload = File(file, name="preferences.jsonl")
        started = imports.start_file(project=project, upload=upload, by=admin, at=at)
    imports.run(started.pk)
