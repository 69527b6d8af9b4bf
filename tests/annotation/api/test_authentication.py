"""Who the API lets in, and with what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from annotation.models import ApiToken
from annotation.services import tokens
from tests.callers import anonymous, by_token, post, secret_of, signed_in
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.either
ME = "/api/v1/me/"


def with_header(value: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=value)
    return client


def test_a_token_signs_its_owner_in(cast: Cast) -> None:
    answer = by_token(cast.admin, "read").get(ME)
    assert answer.status_code == 200
    assert answer.json()["username"] == "admin"
    assert answer.json()["scopes"] == ["read"]


def test_a_session_has_every_scope(cast: Cast) -> None:
    assert signed_in(cast.admin).get(ME).json()["scopes"] is None


@pytest.mark.parametrize(
    "header", ["Token", "Token nope", "Token a b", "Token pop_\xff", "Token pop_" + "0" * 64]
)
def test_a_wrong_token_is_refused_and_told_the_scheme(cast: Cast, header: str) -> None:
    answer = with_header(header).get(ME)
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_signed_in"
    assert answer["WWW-Authenticate"] == "Token"


def test_nobody_is_refused_in_the_common_shape(db: None) -> None:
    answer = anonymous().get(ME)
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "detail"}


def test_an_expired_token_is_refused_and_kept_for_its_owner_to_see(cast: Cast) -> None:
    secret = secret_of(cast.owner)
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert with_header(f"Token {secret}").get(ME).status_code == 401
    assert ApiToken.objects.count() == 1


def test_a_revoked_token_is_refused_at_once(cast: Cast) -> None:
    token, secret = tokens.create(name="ci", scopes=["read"], by=cast.owner, at=timezone.now())
    assert with_header(f"Token {secret}").get(ME).status_code == 200
    tokens.revoke(token=token, by=cast.owner, at=timezone.now())
    assert with_header(f"Token {secret}").get(ME).status_code == 401


def test_a_token_of_a_deactivated_person_is_refused(cast: Cast) -> None:
    client = by_token(cast.owner)
    cast.owner.is_active = False
    cast.owner.save()
    assert client.get(ME).status_code == 401


def test_use_is_recorded_at_most_once_a_minute(cast: Cast) -> None:
    client = by_token(cast.owner)
    client.get(ME)
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    client.get(ME)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    client.get(ME)
    assert ApiToken.objects.get().last_used_at > first


def test_a_session_needs_the_csrf_token_and_a_token_does_not(cast: Cast) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(cast.owner, backend="config.people.PeopleBackend")
    body = {"name": "x", "scopes": ["read"]}
    refused = post(browser, "/api/v1/tokens/", body)
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    assert post(by_token(cast.owner), "/api/v1/tokens/", body).status_code == 201


def test_a_password_is_no_way_into_the_api(cast: Cast) -> None:
    import base64

    basic = base64.b64encode(f"owner:{PASSWORD}".encode()).decode()
    assert with_header(f"Basic {basic}").get(ME).status_code == 401
