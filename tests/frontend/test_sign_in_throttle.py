"""Wrong passwords lock an account for the address they come from, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import User
from tests.cast import PASSWORD

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3


def sign_in(password: str, forwarded: str, username: str = "owner") -> int:
    body = {"username": username, "password": password}
    headers = {"X-Forwarded-For": forwarded}
    return Client().post(reverse("login"), body, headers=headers).status_code


def lock(forwarded: str) -> None:
    for _ in range(3):
        answer = sign_in("wrong", forwarded)
    assert answer == 429


def test_behind_a_proxy_an_attacker_locks_out_nobody_else(owner: User, settings: Any) -> None:
    settings.PROXY_COUNT = 1
    lock("203.0.113.6")
    assert sign_in(PASSWORD, "203.0.113.6") == 429
    assert sign_in(PASSWORD, "203.0.113.7") == 302


def test_an_address_a_client_made_up_frees_it_from_no_lock(owner: User, settings: Any) -> None:
    settings.PROXY_COUNT = 1
    lock("203.0.113.6")
    assert sign_in(PASSWORD, "198.51.100.1, 203.0.113.6") == 429


def test_two_proxies_are_two_entries_from_the_end(owner: User, settings: Any) -> None:
    settings.PROXY_COUNT = 2
    lock("198.51.100.1, 203.0.113.6, 10.0.0.2")
    assert sign_in(PASSWORD, "203.0.113.6, 10.0.0.3") == 429
    assert sign_in(PASSWORD, "203.0.113.7, 10.0.0.2") == 302


@pytest.mark.parametrize("count", [0, 3])
def test_without_that_many_proxies_the_header_is_not_believed(owner: User, settings: Any, count: int) -> None:
    settings.PROXY_COUNT = count
    lock("203.0.113.6")
    assert sign_in(PASSWORD, "203.0.113.7") == 429


def test_what_is_no_address_counts_as_the_proxys(owner: User, settings: Any) -> None:
    settings.PROXY_COUNT = 1
    lock("<script>")
    assert sign_in(PASSWORD, "unknown") == 429
    assert sign_in(PASSWORD, "2001:db8::7") == 302
