"""Signing out, joining, the list of projects and the error pages, without a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.views.csrf import csrf_failure
from django.views.defaults import bad_request, permission_denied, server_error

from annotation.errors import Conflict, Invalid
from annotation.models import Membership, Role
from annotation.services import invites
from frontend import refusals
from tests.cast import PASSWORD, join, make_project

if TYPE_CHECKING:
    from annotation.models import Project, User

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_list_of_projects_costs_the_same_for_one_and_for_six(owner: User, ann_one: User) -> None:
    client = client_of(ann_one)
    with CaptureQueriesContext(connection) as one:
        client.get(reverse("home"))
    for number in range(5):
        join(make_project(owner, name=f"More {number}"), ann_one)
    with CaptureQueriesContext(connection) as six:
        response = client.get(reverse("home"))
    assert response.content.count(b"project-card__name") == 6
    assert len(six) == len(one)


def test_only_managers_are_offered_to_manage(project: Project, admin: User, ann_one: User) -> None:
    manage = f"Manage {project.name}".encode()
    setup = f"Set up {project.name}".encode()
    assert setup in client_of(admin).get(reverse("home")).content
    page = client_of(ann_one).get(reverse("home")).content
    assert manage not in page
    assert setup not in page


@pytest.mark.parametrize(
    ("role", "said"),
    [(Role.ANNOTATOR, "an annotator"), (Role.REVIEWER, "a reviewer"), (Role.ADMIN, "an admin")],
)
def test_an_invite_says_what_it_is_for(project: Project, owner: User, role: Role, said: str) -> None:
    _, secret = invites.create(project=project, role=role, by=owner, at=timezone.now())
    page = Client().get(reverse("invite-accept", args=[secret])).content.decode()
    assert f"You are invited as {said}<" in page
    assert ("you decide" in page) is (role == Role.REVIEWER)


def test_following_an_invite_twice_joins_once(project: Project, owner: User, outsider: User) -> None:
    invite, secret = invites.create(
        project=project, role=Role.ANNOTATOR, by=owner, at=timezone.now(), max_uses=2
    )
    client = client_of(outsider)
    for _ in range(2):
        assert client.post(reverse("invite-accept", args=[secret])).status_code == 302
    invite.refresh_from_db()
    assert invite.uses == 1
    assert Membership.objects.filter(project=project, user=outsider).count() == 1


def test_a_taken_name_is_said_at_its_field(project: Project, owner: User, outsider: User) -> None:
    _, secret = invites.create(project=project, role=Role.ANNOTATOR, by=owner, at=timezone.now())
    body = {"username": "OUTSIDER", "password": PASSWORD, "again": PASSWORD}
    response = Client().post(reverse("invite-accept", args=[secret]), body)
    assert response.status_code == 422
    assert b"This name is taken" in response.content


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_out_never_leads_to_another_site(ann_one: User, onward: str) -> None:
    response = client_of(ann_one).post(reverse("logout") + f"?next={onward}")
    assert response.headers["Location"] == reverse("login")


def test_signing_out_needs_a_post(ann_one: User) -> None:
    client = client_of(ann_one)
    assert client.get(reverse("logout")).status_code == 405
    assert client.get(reverse("home")).status_code == 200


def test_error_pages_stand_without_a_user_or_a_database() -> None:
    request = RequestFactory().get("/")
    pages = {
        400: bad_request(request, ValueError()),
        403: permission_denied(request, PermissionError("Only owners may do this.")),
        500: server_error(request),
    }
    for status, page in pages.items():
        assert page.status_code == status
        assert b"<h1>" in page.content
    assert b"open for too long" in csrf_failure(request).content


def test_an_upload_over_the_limit_is_refused_with_a_page(ann_one: User) -> None:
    response = client_of(ann_one).post(
        reverse("home"), b"x", content_type="text/plain", CONTENT_LENGTH=str(settings.MAX_UPLOAD_BYTES + 1)
    )
    assert response.status_code == 413
    assert b"This file is too large" in response.content
    assert b"Nothing was stored" in response.content
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_only_imports_take_large_files() -> None:
    """Anybody could fill the disk by posting files to the sign-in form: Django stores what it is sent."""
    kind = "multipart/form-data; boundary=x"
    length = str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    large: dict[str, Any] = {"content_type": kind, "CONTENT_LENGTH": length}
    assert Client().post(reverse("login"), b"x", **large).status_code == 413
    assert Client().post("/api/v1/projects/", b"x", **large).status_code == 413
    assert Client().post("/api/v1/projects/1/imports/", b"x", **large).status_code != 413
    assert Client().post(reverse("project-imports", args=["any"]), b"x", **large).status_code != 413


def test_a_length_that_is_no_number_is_no_error_of_the_server() -> None:
    assert Client().get(reverse("login"), CONTENT_LENGTH="\xb2").status_code == 200


def test_a_refusal_is_a_page_for_people_and_json_for_scripts() -> None:
    factory = RequestFactory()
    page = refusals.answer(factory.get("/"), Conflict("late", "Too late <now>."))
    assert page.status_code == 409
    assert b"Too late &lt;now&gt;." in page.content
    error = Invalid("bad", "Look again.", {"k": ["At least 1."]})
    for headers in ({"Accept": "application/json"}, {"HX-Request": "true"}):
        answer = refusals.answer(factory.get("/", headers=headers), error)
        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/json"
        assert b'"k": ["At least 1."]' in answer.content


def test_a_fragment_asked_for_after_signing_out_sends_the_whole_page_to_sign_in() -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/projects/x/?tab=1"}
    response = Client().get(reverse("home"), headers=headers)
    assert response.status_code == 204
    assert response.headers["HX-Redirect"] == "/login/?next=%2Fprojects%2Fx%2F"


def test_every_page_forbids_inline_script_and_style(ann_one: User) -> None:
    page = client_of(ann_one).get(reverse("home"))
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
