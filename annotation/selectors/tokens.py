"""A person's own API tokens."""

from __future__ import annotations

from django.db.models import QuerySet

from annotation.errors import NotFound
from annotation.models import ApiToken, User


def tokens_of(user: User) -> QuerySet[ApiToken]:
    tokens: QuerySet[ApiToken] = ApiToken.objects.filter(user=user)
    return tokens


def get(user: User, token_key: str) -> ApiToken:
    """One token by the first characters of its secret, the part that lists show.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    token = tokens_of(user).filter(token_key=token_key).first()
    if token is None:
        raise NotFound("no_token", "No such token.")
    return token
