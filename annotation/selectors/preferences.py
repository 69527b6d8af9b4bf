"""The imported preferences. Managers only: scores are among them."""

from __future__ import annotations

from django.db.models import QuerySet

from annotation import rules
from annotation.models import Preference, Project, User


def of_project(user: User, project: Project) -> QuerySet[Preference]:
    rules.check_manage(user, project)
    return Preference.objects.filter(project=project)
