"""API tokens. The secret is shown once; knox stores its SHA-512 only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from knox.models import get_digest_token
from knox.settings import CONSTANTS

from annotation.errors import Invalid, NotFound
from annotation.models import ApiToken, User
from annotation.services import audit

TOUCH_EVERY = timedelta(minutes=1)  # `last_used_at` is for people: no write on every request


@transaction.atomic
def create(
    *, name: str, scopes: Iterable[str], by: User, at: datetime, days: int | None = None
) -> tuple[ApiToken, str]:
    """Make a token that acts as `by` within `scopes`; without `days` it never expires."""
    wanted = sorted(set(scopes))
    errors: dict[str, list[str]] = {}
    if not name.strip() or len(name.strip()) > 100:
        errors["name"] = ["Give it a name of at most 100 characters."]
    if not wanted or not set(wanted) <= set(ApiToken.Scope.values):
        errors["scopes"] = [f"Choose at least one of: {', '.join(ApiToken.Scope.values)}."]
    if days is not None and not 1 <= days <= 3650:
        errors["days"] = ["Between 1 and 3,650 days."]
    if errors:
        raise Invalid("invalid_token", "This token cannot be made.", errors)
    digest, secret = get_digest_token()
    token = ApiToken(
        digest=digest,
        token_key=secret[: CONSTANTS.TOKEN_KEY_LENGTH],
        user=by,
        name=name.strip(),
        scopes=wanted,
        expiry=None if days is None else at + timedelta(days=days),
    )
    token.save(force_insert=True)
    audit.record(by=by, at=at, verb="token.created", target=token.name, details={"scopes": wanted})
    return token, secret


@transaction.atomic
def revoke(*, token: ApiToken, by: User, at: datetime) -> None:
    """Delete a token of one's own. Whoever holds it is refused from the next request on."""
    if token.user_id != by.pk and not by.is_superuser:
        raise NotFound("no_token", "No such token.")
    if ApiToken.objects.filter(pk=token.pk).delete()[0]:
        audit.record(by=by, at=at, verb="token.revoked", target=token.name)


def touch(token: ApiToken, at: datetime) -> None:
    """Note that a token was used, at most once a minute."""
    old = Q(last_used_at=None) | Q(last_used_at__lt=at - TOUCH_EVERY)
    if token.last_used_at is None or token.last_used_at < at - TOUCH_EVERY:
        ApiToken.objects.filter(old, pk=token.pk).update(last_used_at=at)
