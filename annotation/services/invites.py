"""Invite links: made by an admin, followed by whoever gets the secret. Only its SHA-256 is stored."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from annotation import rules
from annotation.errors import Conflict, Invalid, NotFound
from annotation.models import Invite, Membership, Project, Role, User
from annotation.services import audit


@transaction.atomic
def create(
    *, project: Project, role: str, by: User, at: datetime, max_uses: int = 1, valid_days: int = 14
) -> tuple[Invite, str]:
    """Make a link. The secret is returned once and cannot be read again."""
    rules.check_manage(by, project)
    errors: dict[str, list[str]] = {}
    if role not in {Role.ADMIN, Role.REVIEWER, Role.ANNOTATOR}:
        errors["role"] = ["An invite makes an admin, a reviewer or an annotator."]
    if not 1 <= max_uses <= 10_000:
        errors["max_uses"] = ["Between 1 and 10,000."]
    if not 1 <= valid_days <= 365:
        errors["valid_days"] = ["Between 1 and 365 days."]
    if errors:
        raise Invalid("invalid_invite", "This invite cannot be made.", errors)
    secret = secrets.token_urlsafe(32)
    invite = Invite.objects.create(
        project=project,
        role=role,
        digest=_digest(secret),
        created_by=by,
        created_at=at,
        expires_at=at + timedelta(days=valid_days),
        max_uses=max_uses,
    )
    audit.record(
        by=by, at=at, verb="invite.created", project=project, target=invite.pk, details={"role": role}
    )
    return invite, secret


@transaction.atomic
def revoke(*, invite: Invite, by: User, at: datetime) -> Invite:
    rules.check_manage(by, invite.project)
    if Invite.objects.filter(pk=invite.pk, revoked_at=None).update(revoked_at=at):
        audit.record(by=by, at=at, verb="invite.revoked", project=invite.project, target=invite.pk)
    return Invite.objects.get(pk=invite.pk)


def revoke_made_by(*, user: User, project: Project, at: datetime) -> int:
    """Revoke the open invites of somebody who manages the project no longer; how many there were."""
    return Invite.objects.filter(project=project, created_by=user, revoked_at=None).update(revoked_at=at)


def find(secret: str, at: datetime) -> Invite:
    """The invite behind a secret that can still be used.

    Raises:
        NotFound: unknown, expired, revoked or used up; the message says which.
    """
    invite = _by_secret(secret)
    reason = _why_dead(invite, at)
    if reason:
        raise NotFound("invite_over", reason)
    return invite


@transaction.atomic
def accept(*, secret: str, by: User, at: datetime) -> Membership:
    """Join the project. Following the link again as a member changes nothing and uses nothing up."""
    invite = _by_secret(secret)
    member = Membership.objects.filter(project=invite.project, user=by).first()
    if member:
        return member
    find(secret, at)
    if invite.project.state == Project.State.ARCHIVED:
        raise Conflict("archived", "This project is archived; nobody can join it.")
    taken = Invite.objects.filter(
        pk=invite.pk, uses__lt=F("max_uses"), expires_at__gt=at, revoked_at=None
    ).update(uses=F("uses") + 1)
    if not taken:
        raise NotFound("invite_over", "This invite was used up by somebody else a moment ago.")
    try:
        with transaction.atomic():
            member = Membership.objects.create(
                project=invite.project, user=by, role=invite.role, joined_at=at
            )
    except IntegrityError:  # two tabs at once: the other one joined, give this use back
        Invite.objects.filter(pk=invite.pk).update(uses=F("uses") - 1)
        return Membership.objects.get(project=invite.project, user=by)
    audit.record(by=by, at=at, verb="invite.accepted", project=invite.project, target=by.username)
    return member


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _by_secret(secret: str) -> Invite:
    invite = Invite.objects.select_related("project", "created_by").filter(digest=_digest(secret)).first()
    if invite is None:
        raise NotFound("invite_unknown", "This invite link is not valid. Ask for a new one.")
    return invite


def _why_dead(invite: Invite, at: datetime) -> str:
    if invite.revoked_at:
        return "This invite was revoked. Ask for a new one."
    if invite.expires_at <= at:
        return "This invite has expired. Ask for a new one."
    if invite.uses >= invite.max_uses:
        return "This invite has been used up. Ask for a new one."
    # Or an admin who was removed or stepped down would come back by a link made before.
    if not rules.can_manage(invite.created_by, invite.project):
        return "Whoever made this invite no longer manages the project. Ask for a new one."
    return ""
