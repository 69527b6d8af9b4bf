from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from knox.crypto import hash_token

from annotation.errors import Invalid, NotFound
from annotation.models import ApiToken
from annotation.selectors import tokens as selector
from annotation.services import tokens
from tests.cast import Cast

pytestmark = pytest.mark.either


def test_a_token_is_stored_as_a_digest_with_its_scopes(cast: Cast, at: datetime) -> None:
    token, secret = tokens.create(
        name=" laptop ", scopes=["read", "train", "read"], by=cast.owner, at=at, days=7
    )
    stored = ApiToken.objects.get()
    assert stored.digest == hash_token(secret)
    assert secret not in str(ApiToken.objects.values().get())
    assert (stored.name, stored.scopes, stored.expiry) == (
        "laptop",
        ["read", "train"],
        at + timedelta(days=7),
    )
    assert selector.get(cast.owner, token.token_key) == stored


def test_a_token_with_no_known_scope_is_refused(cast: Cast, at: datetime) -> None:
    with pytest.raises(Invalid) as refused:
        tokens.create(name="", scopes=["root"], by=cast.owner, at=at, days=0)
    assert set(refused.value.fields) == {"name", "scopes", "days"}


def test_a_person_sees_and_revokes_only_own_tokens(cast: Cast, at: datetime) -> None:
    token, _ = tokens.create(name="ci", scopes=["read"], by=cast.owner, at=at)
    assert not selector.tokens_of(cast.admin).exists()
    with pytest.raises(NotFound):
        selector.get(cast.admin, token.token_key)
    with pytest.raises(NotFound):
        tokens.revoke(token=token, by=cast.admin, at=at)
    tokens.revoke(token=token, by=cast.owner, at=at)
    assert not ApiToken.objects.exists()


def test_use_is_noted_at_most_once_a_minute(cast: Cast, at: datetime) -> None:
    token, _ = tokens.create(name="ci", scopes=["read"], by=cast.owner, at=at)
    for seconds, expected in ((0, 0), (30, 0), (61, 61)):
        token.refresh_from_db()
        tokens.touch(token, at + timedelta(seconds=seconds))
        assert ApiToken.objects.get().last_used_at == at + timedelta(seconds=expected)
