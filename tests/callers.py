"""Callers of the API: a browser session or a token, both through Django's test client."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from annotation.models import ApiToken, User
from annotation.services import tokens

ALL_SCOPES = tuple(str(scope) for scope in ApiToken.Scope.values)


def anonymous() -> APIClient:
    return APIClient()


def signed_in(user: User) -> APIClient:
    """A browser that signed in; CSRF is checked where a test asks for it."""
    client = APIClient()
    client.force_login(user, backend="config.people.PeopleBackend")
    return client


def secret_of(user: User, *scopes: str) -> str:
    """A new token's secret."""
    _, secret = tokens.create(name="test", scopes=scopes or ALL_SCOPES, by=user, at=timezone.now())
    return secret


def by_token(user: User, *scopes: str) -> APIClient:
    """A program with a token of these scopes (all of them when none are named)."""
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret_of(user, *scopes)}")
    return client


def post(client: APIClient, url: str, body: Any = None) -> Any:
    return client.post(url, {} if body is None else body, format="json")
