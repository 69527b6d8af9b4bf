"""The imports of a project. Managers only: refused rows show what was in the file."""

from __future__ import annotations

from django.db.models import QuerySet

from annotation import rules
from annotation.errors import NotFound
from annotation.models import ImportRejection, PreferenceImport, Project, User


def of_project(user: User, project: Project) -> QuerySet[PreferenceImport]:
    rules.check_manage(user, project)
    return PreferenceImport.objects.filter(project=project).select_related("created_by")


def get(user: User, import_id: int) -> PreferenceImport:
    """One import.

    Raises:
        NotFound: there is none, or it is in a project this person is not a member of.
        NotAllowed: to annotators of its project.
    """
    found = PreferenceImport.objects.select_related("project", "created_by").filter(pk=import_id).first()
    if found is None or not rules.can_view(user, found.project):
        raise NotFound("no_import", "No such import.")
    rules.check_manage(user, found.project)
    return found


def rejections(user: User, preference_import: PreferenceImport) -> QuerySet[ImportRejection]:
    """The refused rows that were kept, by line."""
    rules.check_manage(user, preference_import.project)
    return ImportRejection.objects.filter(preference_import=preference_import)
