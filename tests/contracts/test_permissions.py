"""Every API endpoint against everyone who could call it, by `permission_table`; answers as in the schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.urls import URLPattern, reverse
from rest_framework.test import APIClient

from annotation.api import urls as annotation_urls
from annotation.api.base import ApiViewSet
from annotation.api.routing import actions_of
from annotation.models import User
from tests.callers import ALL_SCOPES, anonymous, by_token, signed_in
from tests.cast import Cast
from tests.contracts import answers
from tests.contracts.api_world import World
from tests.contracts.permission_table import TABLE
from training.api import urls as training_urls

PEOPLE = ("owner", "admin", "reviewer", "annotator", "outsider")
ENDPOINTS = sorted(TABLE, key=lambda key: (key[1], key[0]))
HIDDEN = "-other"  # the same view under the other spelling of its URL


def patterns() -> list[URLPattern]:
    return [*annotation_urls.urlpatterns, *training_urls.urlpatterns]


def endpoints() -> Iterator[tuple[str, str]]:
    for pattern in patterns():
        for method in actions_of(pattern)[1]:
            yield method.upper(), str(pattern.name)


@pytest.fixture
def world(cast: Cast, tmp_path: Any, settings: Any) -> World:
    cache.clear()
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    settings.RUNS_DIR = tmp_path / "runs"
    return World(cast)


def person(world: World, role: str) -> User:
    if role == "reviewer":
        return world.reviewer
    user: User = getattr(world.cast, {"annotator": "ann_one"}.get(role, role))
    return user


def call(client: APIClient, endpoint: tuple[str, str], world: World) -> int:
    method, name = endpoint
    expected = TABLE[endpoint]
    url = reverse(name, kwargs=expected.path(world))
    body = None if method == "GET" else expected.body(world)
    asked = getattr(client, method.lower())
    answer = asked(url) if body is None else asked(url, body, format="json")
    answers.check(method, url, answer)
    return int(answer.status_code)


def test_the_table_knows_every_endpoint_and_no_other() -> None:
    known = {endpoint for endpoint in endpoints() if not endpoint[1].endswith(HIDDEN)}
    assert known == set(TABLE)


def test_the_other_spelling_of_a_url_is_the_same_view() -> None:
    views = {str(p.name): actions_of(p) for p in patterns()}
    hidden = {name: view for name, view in views.items() if name.endswith(HIDDEN)}
    assert len(hidden) * 2 == len(views)
    for name, view in hidden.items():
        assert view == views[name.removesuffix(HIDDEN)]


def test_every_action_names_its_scope() -> None:
    for pattern in patterns():
        view, actions = actions_of(pattern)
        assert issubclass(view, ApiViewSet)
        for action in actions.values():
            assert view.scopes.get(action) in ALL_SCOPES, f"{view.__name__}.{action}"


@pytest.mark.parametrize("role", PEOPLE)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids="-".join)
def test_each_role_gets_what_the_table_says(world: World, endpoint: tuple[str, str], role: str) -> None:
    user = person(world, role)
    world.caller = user
    assert call(signed_in(user), endpoint, world) == getattr(TABLE[endpoint], role)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids="-".join)
def test_nobody_gets_nothing_unless_signed_in(world: World, endpoint: tuple[str, str]) -> None:
    assert call(anonymous(), endpoint, world) == 401


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids="-".join)
def test_a_token_without_the_scope_is_refused(world: World, endpoint: tuple[str, str]) -> None:
    others = [scope for scope in ALL_SCOPES if scope != TABLE[endpoint].scope]
    world.caller = world.cast.owner
    assert call(by_token(world.cast.owner, *others), endpoint, world) == 403


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids="-".join)
def test_a_token_with_the_scope_is_as_good_as_its_owner(world: World, endpoint: tuple[str, str]) -> None:
    world.caller = world.cast.owner
    assert call(by_token(world.cast.owner, TABLE[endpoint].scope), endpoint, world) == TABLE[endpoint].owner
