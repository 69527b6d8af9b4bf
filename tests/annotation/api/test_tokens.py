"""Tokens by API: made, listed, revoked, never widened."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from annotation.models import ApiToken
from annotation.services import tokens
from tests.callers import by_token, post, signed_in
from tests.cast import Cast

pytestmark = pytest.mark.either
TOKENS = "/api/v1/tokens/"


def test_the_secret_is_in_the_first_answer_only(cast: Cast) -> None:
    made = post(signed_in(cast.ann_one), TOKENS, {"name": "laptop", "scopes": ["annotate"], "days": 7})
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret.startswith(made.json()["key"])
    listed = signed_in(cast.ann_one).get(TOKENS)
    assert listed.json()["count"] == 1
    assert secret not in listed.content.decode()
    assert ApiToken.objects.get().digest not in listed.content.decode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["read"]}, "name"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["root"]}, "scopes"),
        ({"name": "x", "scopes": ["read"], "days": 0}, "days"),
    ],
)
def test_a_wrong_token_is_refused_by_field(cast: Cast, body: dict[str, object], field: str) -> None:
    answer = post(signed_in(cast.owner), TOKENS, body)
    assert answer.status_code == 422
    assert any(name.startswith(field) for name in answer.json()["fields"])
    assert not ApiToken.objects.exists()


def test_a_token_makes_no_wider_token(cast: Cast) -> None:
    narrow = by_token(cast.owner, "manage", "read")
    assert post(narrow, TOKENS, {"name": "x", "scopes": ["read"]}).status_code == 201
    refused = post(narrow, TOKENS, {"name": "x", "scopes": ["read", "train"]})
    assert refused.status_code == 403
    assert refused.json()["code"] == "wider_token"


def test_a_token_makes_no_token_that_outlives_it(cast: Cast) -> None:
    _, secret = tokens.create(name="week", scopes=["manage"], by=cast.owner, at=timezone.now(), days=7)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert post(client, TOKENS, {"name": "x", "scopes": ["manage"]}).status_code == 403
    assert post(client, TOKENS, {"name": "x", "scopes": ["manage"], "days": 8}).status_code == 403
    assert post(client, TOKENS, {"name": "x", "scopes": ["manage"], "days": 6}).status_code == 201
    made = ApiToken.objects.exclude(name="week").get()
    assert made.expiry is not None
    assert made.expiry < timezone.now() + timedelta(days=7)


def test_revoking_is_for_ones_own_tokens(cast: Cast) -> None:
    mine, _ = tokens.create(name="mine", scopes=["read"], by=cast.owner, at=timezone.now())
    url = f"{TOKENS}{mine.token_key}/"
    assert signed_in(cast.admin).delete(url).status_code == 404
    assert ApiToken.objects.count() == 1
    assert signed_in(cast.owner).delete(url).status_code == 204
    assert not ApiToken.objects.exists()


def test_making_tokens_is_throttled(cast: Cast) -> None:
    client = signed_in(cast.owner)
    answers = [post(client, TOKENS, {"name": "x", "scopes": []}).status_code for _ in range(31)]
    assert answers == [422] * 30 + [429]
    refused = post(client, TOKENS, {"name": "x", "scopes": ["read"]})
    assert refused.json()["code"] == "too_often"
    assert int(refused["Retry-After"]) > 0
