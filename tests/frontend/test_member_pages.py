"""Members, invites and API tokens: secrets are shown once, refusals are said in words."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import ApiToken, Invite, Membership
from annotation.services import invites
from tests.cast import Cast
from tests.frontend.conftest import Desk, signed_in
from tests.frontend.test_project_pages import text

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def secret_in(answer: Any, place: str) -> str:
    found = re.search(rf'id="{place}">([^<]+)<', answer.content.decode())
    return found.group(1).strip() if found else ""


def test_an_invite_link_is_shown_once_and_works(owner_client: Client, cast: Cast) -> None:
    url = reverse("project-members", args=[cast.project.slug])
    answer = owner_client.post(url, {"role": "annotator", "max_uses": "2", "valid_days": "3"})
    link = secret_in(answer, "invite-link")
    assert link.startswith("http://testserver/join/")
    assert "no-store" in answer["Cache-Control"]
    assert not secret_in(owner_client.get(url), "invite-link")
    secret = link.rstrip("/").rpartition("/")[2]
    assert invites.find(secret, timezone.now()).max_uses == 2


def test_a_wrong_invite_is_refused_and_kept(owner_client: Client, cast: Cast) -> None:
    url = reverse("project-members", args=[cast.project.slug])
    answer = owner_client.post(url, {"role": "admin", "max_uses": "0", "valid_days": "9"})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"max_uses"}
    assert 'value="9"' in text(answer)
    assert not Invite.objects.exists()


def test_an_invite_is_revoked(owner_client: Client, desk: Desk) -> None:
    owner_client.post(reverse("invite-revoke", args=[desk.project.slug, desk.invite.pk]))
    desk.invite.refresh_from_db()
    assert desk.invite.revoked_at


def test_a_role_is_changed_and_a_member_removed(owner_client: Client, desk: Desk) -> None:
    member = desk.member
    owner_client.post(reverse("member-role", args=[desk.project.slug, member.pk]), {"role": "admin"})
    member.refresh_from_db()
    assert member.role == "admin"
    owner_client.post(reverse("member-remove", args=[desk.project.slug, member.pk]))
    assert not Membership.objects.filter(pk=member.pk).exists()


def test_an_admin_is_told_that_only_owners_change_owners(cast: Cast) -> None:
    owner = Membership.objects.get(project=cast.project, user=cast.owner)
    url = reverse("member-role", args=[cast.project.slug, owner.pk])
    page = text(signed_in(cast.admin).post(url, {"role": "annotator"}, follow=True))
    assert "Only an owner can make, change or remove an owner." in page
    owner.refresh_from_db()
    assert owner.role == "owner"


def test_the_last_owner_cannot_leave(owner_client: Client, cast: Cast) -> None:
    owner = Membership.objects.get(project=cast.project, user=cast.owner)
    url = reverse("member-remove", args=[cast.project.slug, owner.pk])
    page = text(owner_client.post(url, follow=True))
    assert "A project needs an owner" in page
    assert Membership.objects.filter(pk=owner.pk).exists()


def test_an_admin_who_leaves_lands_on_the_projects(cast: Cast) -> None:
    own = Membership.objects.get(project=cast.project, user=cast.admin)
    answer = signed_in(cast.admin).post(reverse("member-remove", args=[cast.project.slug, own.pk]))
    assert answer["Location"] == reverse("home")


def test_a_token_is_shown_once_works_and_is_revoked(cast: Cast) -> None:
    client = signed_in(cast.ann_one)
    typed = {"name": "Cluster", "scopes": ["read"], "days": "30"}
    answer = client.post(reverse("tokens"), typed)
    secret = secret_in(answer, "new-token")
    token = ApiToken.objects.get(user=cast.ann_one)
    assert secret.startswith(token.token_key)
    assert "no-store" in answer["Cache-Control"]
    assert secret not in text(client.get(reverse("tokens")))
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Token {secret}"}).status_code == 200
    client.post(reverse("token-revoke", args=[token.token_key]))
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Token {secret}"}).status_code == 401


def test_a_token_without_scopes_is_refused_and_the_name_kept(owner_client: Client) -> None:
    answer = owner_client.post(reverse("tokens"), {"name": "Nothing"})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"scopes"}
    assert 'value="Nothing"' in text(answer)


def test_a_key_no_token_can_have_is_unknown(owner_client: Client) -> None:
    """PostgreSQL takes no NUL in a text it is asked for."""
    assert owner_client.post("/tokens/pop_%00/revoke/").status_code == 404
