"""Projects and their people by API."""

from __future__ import annotations

import pytest

from annotation.models import Membership, Project
from tests.callers import by_token, post, signed_in
from tests.cast import Cast, add_preferences

pytestmark = pytest.mark.either
PROJECTS = "/api/v1/projects/"


def test_a_project_is_created_with_its_maker_as_owner(cast: Cast) -> None:
    body = {"name": "Kind answers", "strategy": "iterative", "k": 3, "seed": 7}
    made = post(by_token(cast.owner, "manage"), PROJECTS, body)
    assert made.status_code == 201
    assert {**made.json(), "role": "owner", "slug": "kind-answers", "k": 3} == made.json()
    assert Project.objects.get(slug="kind-answers").seed == 7


def test_the_seed_stays_inside(cast: Cast) -> None:
    assert "seed" not in signed_in(cast.ann_one).get(f"{PROJECTS}{cast.project.slug}/").json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x", "k": 0}, "k"),
        ({"name": "x", "holdout_percent": 51}, "holdout_percent"),
        ({"name": "x", "strategy": "psychic"}, "strategy"),
        ({"name": "x", "lease_minutes": "soon"}, "lease_minutes"),
        ({"name": "x" * 201}, "name"),
        ({"name": "x", "seed": 2**63}, "seed"),
    ],
)
def test_wrong_settings_are_refused_by_field(cast: Cast, body: dict[str, object], field: str) -> None:
    answer = post(signed_in(cast.owner), PROJECTS, body)
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [field]
    assert Project.objects.count() == 1


def test_a_project_is_found_by_slug_and_by_id(cast: Cast) -> None:
    client = signed_in(cast.ann_one)
    by_slug = client.get(f"{PROJECTS}{cast.project.slug}/").json()
    assert client.get(f"{PROJECTS}{cast.project.pk}/").json() == by_slug
    assert by_slug["role"] == "annotator"


@pytest.mark.parametrize("key", ["nothing", "0", "9" * 30, "-"])
def test_no_such_project_is_404(cast: Cast, key: str) -> None:
    answer = signed_in(cast.owner).get(f"{PROJECTS}{key}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_project")


def test_the_list_holds_ones_own_projects_with_ones_role(cast: Cast) -> None:
    assert signed_in(cast.outsider).get(PROJECTS).json()["results"] == []
    listed = signed_in(cast.admin).get(PROJECTS).json()["results"]
    assert [(item["slug"], item["role"]) for item in listed] == [(cast.project.slug, "admin")]


def test_a_patch_changes_what_it_names_and_nothing_else(cast: Cast) -> None:
    url = f"{PROJECTS}{cast.project.slug}/"
    answer = signed_in(cast.admin).patch(url, {"guidelines": "# Be fair"}, format="json")
    assert answer.status_code == 200
    assert answer.json()["guidelines"] == "# Be fair"
    assert answer.json()["question"] == cast.project.question
    assert answer.json()["strategy"] == cast.project.strategy


def test_a_patch_that_comes_too_late_is_409(cast: Cast) -> None:
    add_preferences(cast.project, 3)
    url = f"{PROJECTS}{cast.project.slug}/"
    answer = signed_in(cast.owner).patch(url, {"holdout_percent": 20}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_late")


def test_pause_reopen_and_archive_move_the_state(cast: Cast) -> None:
    client = by_token(cast.owner, "manage")
    for verb, state in (("pause", "paused"), ("reopen", "open"), ("archive", "archived")):
        assert post(client, f"{PROJECTS}{cast.project.slug}/{verb}").json()["state"] == state


def test_deeds_are_in_the_trail(cast: Cast) -> None:
    post(signed_in(cast.admin), f"{PROJECTS}{cast.project.slug}/pause")
    trail = signed_in(cast.owner).get(f"{PROJECTS}{cast.project.slug}/audit/").json()["results"]
    assert [(entry["actor"], entry["verb"]) for entry in trail] == [("admin", "project.paused")]


def test_roles_change_but_the_last_owner_stays(cast: Cast) -> None:
    members = f"{PROJECTS}{cast.project.slug}/members/"
    client = signed_in(cast.owner)
    raised = client.patch(f"{members}{cast.ann_one.pk}/", {"role": "admin"}, format="json")
    assert raised.json()["role"] == "admin"
    last = client.patch(f"{members}{cast.owner.pk}/", {"role": "admin"}, format="json")
    assert (last.status_code, last.json()["code"]) == (409, "last_owner")
    assert client.delete(f"{members}{cast.outsider.pk}/").status_code == 404
    assert client.patch(f"{members}{cast.ann_one.pk}/", {"role": "king"}, format="json").status_code == 422


def test_an_admin_makes_no_owner(cast: Cast) -> None:
    url = f"{PROJECTS}{cast.project.slug}/members/{cast.ann_one.pk}/"
    answer = signed_in(cast.admin).patch(url, {"role": "owner"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "owners_only")


def test_an_invite_is_made_followed_and_revoked(cast: Cast) -> None:
    invites = f"{PROJECTS}{cast.project.slug}/invites/"
    client = signed_in(cast.admin)
    made = post(client, invites, {"role": "annotator", "max_uses": 2})
    assert made.status_code == 201
    assert made.json()["link"] == f"http://testserver/join/{made.json()['secret']}/"
    joined = post(signed_in(cast.outsider), "/api/v1/invites/accept", {"secret": made.json()["secret"]})
    assert (joined.status_code, joined.json()["role"]) == (200, "annotator")
    assert Membership.objects.filter(project=cast.project, user=cast.outsider).exists()
    listed = client.get(invites)
    assert listed.json()["results"][0]["uses"] == 1
    assert made.json()["secret"] not in listed.content.decode()
    assert client.delete(f"{invites}{made.json()['id']}/").status_code == 204
    assert client.get(invites).json()["results"][0]["revoked_at"]


def test_an_unknown_invite_is_404_and_guessing_is_throttled(cast: Cast) -> None:
    client = signed_in(cast.outsider)
    tries = [post(client, "/api/v1/invites/accept", {"secret": f"guess-{n}"}).status_code for n in range(31)]
    assert tries == [404] * 30 + [429]
