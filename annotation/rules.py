"""Who may do what: `can_x` asks, `check_x` raises.

Whoever is not a member gets `NotFound`: a project that is not yours does not exist for you.
Superusers count as owners everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotation.errors import NotAllowed, NotFound
from annotation.models import Membership, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from annotation.models import Project, User

    Person = User | AnonymousUser

MANAGERS = frozenset({Role.OWNER, Role.ADMIN})
REVIEWERS = MANAGERS | {Role.REVIEWER}
MOST_LIVE = 3  # leases one person may hold in a project: one shown, one fetched ahead, one taken back
MOST_TAKEN_BACK = 10  # leases one person may come to hold by taking answers back one after the other


def role_of(user: Person, project: Project) -> str | None:
    """The user's role in the project; None when it is not theirs to see."""
    if not user.is_active:
        return None
    if user.is_superuser:
        return Role.OWNER.value
    if user.pk is None:
        return None
    return Membership.objects.filter(project=project, user_id=user.pk).values_list("role", flat=True).first()


def can_view(user: Person, project: Project) -> bool:
    return role_of(user, project) is not None


def can_annotate(user: Person, project: Project) -> bool:
    """Every member may label: owners and admins too."""
    return role_of(user, project) is not None


def can_manage(user: Person, project: Project) -> bool:
    return role_of(user, project) in MANAGERS


def can_review(user: Person, project: Project) -> bool:
    """Who sees disputed comparisons with all votes, and decides them."""
    return role_of(user, project) in REVIEWERS


def can_own(user: Person, project: Project) -> bool:
    return role_of(user, project) == Role.OWNER


def can_create_project(user: Person) -> bool:
    return bool(user.is_active and (user.is_superuser or getattr(user, "can_create_projects", False)))


def check_view(user: Person, project: Project) -> str:
    """The user's role.

    Raises:
        NotFound: the user is not a member.
    """
    role = role_of(user, project)
    if role is None:
        raise NotFound("project_not_found", "There is no such project.")
    return role


def check_annotate(user: Person, project: Project) -> None:
    """Raises NotFound unless the user may label in the project."""
    check_view(user, project)


def check_manage(user: Person, project: Project) -> None:
    """Raises NotFound to outsiders and NotAllowed to members who are neither owner nor admin."""
    if check_view(user, project) not in MANAGERS:
        raise NotAllowed("managers_only", "Only owners and admins of the project may do this.")


def check_review(user: Person, project: Project) -> str:
    """The user's role; raises NotFound to outsiders and NotAllowed to members who only annotate."""
    role = check_view(user, project)
    if role not in REVIEWERS:
        raise NotAllowed("reviewers_only", "Only reviewers, owners and admins of the project may do this.")
    return role


def check_own(user: Person, project: Project) -> None:
    """Raises NotFound to outsiders and NotAllowed to members who are not owners."""
    if check_view(user, project) != Role.OWNER:
        raise NotAllowed("owners_only", "Only owners of the project may do this.")


def check_create_project(user: Person) -> None:
    """Raises NotAllowed unless the user may create projects."""
    if not can_create_project(user):
        raise NotAllowed("may_not_create_projects", "Your account may not create projects.")
