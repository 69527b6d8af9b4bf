"""Accounts: made through an invite link, or by a command."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from annotation.errors import Invalid
from annotation.models import User
from annotation.services import invites


@transaction.atomic
def register(*, secret: str, username: str, password: str, at: datetime) -> User:
    """Make an account and join the invite's project in one step: no invite, no account.

    Raises:
        NotFound: the invite is not usable.
        Invalid: the user name is taken or malformed, or the password too weak.
    """
    invites.find(secret, at)
    user = User(username=User.normalize_username(username.strip()))
    _check(user, password)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise _taken() from error
    invites.accept(secret=secret, by=user, at=at)
    return user


def ensure(
    username: str, password: str, *, can_create_projects: bool = False, is_superuser: bool = False
) -> User:
    """The account of this name; made with this password when there is none, untouched when there is."""
    user = User.objects.filter(username=username).first()
    if user is None:
        user = User.objects.create_user(
            username,
            password=password,
            can_create_projects=can_create_projects,
            is_superuser=is_superuser,
            is_staff=is_superuser,
        )
    return user


def _check(user: User, password: str) -> None:
    errors: dict[str, list[str]] = {}
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        errors = {field: list(messages) for field, messages in error.message_dict.items()}
    # Two names that differ in case only would be read as one person.
    if User.objects.filter(username__iexact=user.username).exists():
        errors = _taken().fields
    try:
        validate_password(password, user)
    except ValidationError as error:
        errors["password"] = list(error.messages)
    if errors:
        raise Invalid("invalid_account", "The account could not be made.", errors)


def _taken() -> Invalid:
    return Invalid(
        "invalid_account",
        "The account could not be made.",
        {"username": ["This name is taken. Choose another."]},
    )
