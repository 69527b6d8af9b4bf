"""Who a command acts as: services ask who does it, and the trail names them."""

from __future__ import annotations

from django.core.management.base import CommandError

from annotation import rules
from annotation.models import Membership, Project, Role, User


def manager_of(slug: str, username: str) -> tuple[Project, User]:
    """The project, and the person of this name or its first owner. CommandError when they are not there."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise CommandError(f"There is no project “{slug}”.")
    owners = Membership.objects.filter(project=project, role=Role.OWNER).select_related("user")
    owner = owners.order_by("pk").first()
    person = owner.user if owner else None
    if username:
        person = User.objects.filter(username=username).first()
    if person is None or not rules.can_manage(person, project):
        raise CommandError(f"{username or 'Nobody'} manages this project: name a manager with --as.")
    return project, person
