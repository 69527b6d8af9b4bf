"""Managing one project opens no door into another; a superuser is an owner everywhere."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.urls import reverse

from annotation.models import User
from tests.callers import post, signed_in
from tests.cast import Cast, make_project, make_user
from tests.contracts.api_world import World
from tests.contracts.permission_table import TABLE

pytestmark = pytest.mark.either
ENDPOINTS = sorted(TABLE, key=lambda key: (key[1], key[0]))


@pytest.fixture
def world(cast: Cast, tmp_path: Any, settings: Any) -> World:
    cache.clear()
    settings.RUNS_DIR = tmp_path / "runs"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    return World(cast)


@pytest.fixture
def neighbour(world: World) -> User:
    """The owner of another project."""
    user = make_user("neighbour", can_create_projects=True)
    make_project(user, slug="next-door")
    return user


def status_for(user: User, world: World, endpoint: tuple[str, str]) -> int:
    world.caller = user
    method, name = endpoint
    url = reverse(name, kwargs=TABLE[endpoint].path(world))
    asked = getattr(signed_in(user), method.lower())
    answer = asked(url) if method == "GET" else asked(url, TABLE[endpoint].body(world), format="json")
    return int(answer.status_code)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids="-".join)
def test_an_owner_next_door_is_an_outsider_here(
    world: World, neighbour: User, endpoint: tuple[str, str]
) -> None:
    own = endpoint in {("POST", "api-projects"), ("POST", "api-arenas")}
    expected = 201 if own else TABLE[endpoint].outsider
    assert status_for(neighbour, world, endpoint) == expected


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids="-".join)
def test_a_superuser_is_as_good_as_an_owner(world: World, endpoint: tuple[str, str]) -> None:
    root = make_user("root", is_superuser=True)
    if endpoint == ("POST", "api-undo"):
        world.answer(root)
    assert status_for(root, world, endpoint) == TABLE[endpoint].owner


def test_ones_own_project_in_the_url_opens_nothing_of_anothers(world: World, neighbour: User) -> None:
    client, mine = signed_in(neighbour), "/api/v1/projects/next-door"
    invite, member = world.invite_and_secret[0].pk, world.cast.ann_one.pk
    assert client.delete(f"{mine}/invites/{invite}/").status_code == 404
    assert client.delete(f"{mine}/members/{member}/").status_code == 404
    assert client.patch(f"{mine}/members/{member}/", {"role": "admin"}, format="json").status_code == 404
    listed = client.get(f"{mine}/preferences/", {"import": world.import_id}).json()["results"]
    assert listed == []


def test_a_run_on_somebody_elses_dataset_is_refused_as_if_there_were_none(
    world: World, neighbour: User
) -> None:
    client = signed_in(neighbour)
    theirs = post(client, "/api/v1/runs/", {"dataset": world.dataset_row().pk})
    none = post(client, "/api/v1/runs/", {"dataset": 999_999})
    assert theirs.status_code == none.status_code == 404
    assert theirs.json() == none.json()


@pytest.mark.parametrize("thing", ["projects", "imports", "datasets", "runs"])
def test_what_is_not_ones_own_and_what_is_not_look_the_same(
    world: World, neighbour: User, thing: str
) -> None:
    ids = {
        "projects": lambda: world.cast.project.pk,
        "imports": lambda: world.import_id,
        "datasets": lambda: world.dataset_row().pk,
        "runs": lambda: world.run().pk,
    }
    client = signed_in(neighbour)
    theirs, none = (client.get(f"/api/v1/{thing}/{pk}/") for pk in (ids[thing](), 999_999))
    assert theirs.status_code == none.status_code == 404
    assert theirs.json() == none.json()
