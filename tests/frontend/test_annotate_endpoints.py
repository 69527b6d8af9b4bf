"""The endpoints of the comparison page: who may call them, what they take, and what they never give away."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import Assignment, Label, Preference
from frontend.views import annotate
from tests.cast import add_preferences

if TYPE_CHECKING:
    from django.http import HttpResponse

    from annotation.models import Project, User

pytestmark = [pytest.mark.database, pytest.mark.django_db]

ENDPOINTS = ("next", "answer", "undo", "heartbeat", "release")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, project: Project, name: str, body: dict[str, Any]) -> HttpResponse:
    url = reverse(f"annotate-{name}", args=[project.slug])
    return cast("HttpResponse", client.post(url, json.dumps(body), content_type="application/json"))


def reply(client: Client, project: Project, name: str, body: dict[str, Any]) -> dict[str, Any]:
    response = post(client, project, name, body)
    assert response.status_code == 200, response.content
    found: dict[str, Any] = json.loads(response.content)
    return found


@pytest.fixture
def client_one(ann_one: User, project: Project) -> Client:
    add_preferences(project, 8)
    return client_of(ann_one)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_whoever_is_signed_out_is_told_so_in_json(project: Project, name: str) -> None:
    response = post(Client(), project, name, {})
    assert response.status_code == 401
    assert json.loads(response.content)["code"] == "signed_out"


@pytest.mark.parametrize("name", ENDPOINTS)
def test_for_an_outsider_there_is_no_such_project(project: Project, outsider: User, name: str) -> None:
    add_preferences(project, 4)
    body = {"assignment": 1, "verdict": "first", "key": str(uuid.uuid4())} if name == "answer" else {}
    body |= {"assignments": []} if name == "heartbeat" else {}
    assert post(client_of(outsider), project, name, body).status_code == 404
    assert not Assignment.objects.exists()


@pytest.mark.parametrize("name", ENDPOINTS)
def test_reading_changes_nothing(client_one: Client, project: Project, name: str) -> None:
    assert client_one.get(reverse(f"annotate-{name}", args=[project.slug])).status_code == 405


def test_a_form_of_another_site_is_refused(project: Project, ann_one: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann_one)
    assert post(client, project, "next", {}).status_code == 403


def test_opening_the_page_leases_nothing(client_one: Client, project: Project) -> None:
    assert client_one.get(reverse("annotate", args=[project.slug])).status_code == 200
    assert not Assignment.objects.exists()


def test_the_browser_gets_texts_and_an_assignment_and_nothing_else(
    client_one: Client, project: Project
) -> None:
    Preference.objects.update(score_chosen=7.125, score_rejected=3.375)
    page = client_one.get(reverse("annotate", args=[project.slug])).content.decode()
    given = reply(client_one, project, "next", {})
    assert set(given) == {"task", "counts"}
    assert set(given["task"]) == {"id", "html"}
    everything = page + json.dumps(given)
    for secret in ("7.125", "3.375", "secret-", "content_hash", "score"):
        assert secret not in everything
    for preference in Preference.objects.all():
        assert preference.content_hash not in everything


def test_the_answer_brings_the_next_comparison(client_one: Client, project: Project) -> None:
    first = reply(client_one, project, "next", {})["task"]["id"]
    second = reply(client_one, project, "next", {"exclude": [first]})["task"]["id"]
    body = {"assignment": first, "verdict": "second", "key": str(uuid.uuid4()), "exclude": [second]}
    given = reply(client_one, project, "answer", body)
    assert given["task"]["id"] not in {first, second}
    assert given["counts"]["today"] == given["counts"]["total"] == given["counts"]["labels"] == 1
    assert Label.objects.get().verdict == "second"


def test_the_same_key_twice_is_one_label(client_one: Client, project: Project) -> None:
    task = reply(client_one, project, "next", {})["task"]["id"]
    body = {"assignment": task, "verdict": "first", "key": str(uuid.uuid4()), "want_next": False}
    assert reply(client_one, project, "answer", body)["counts"]["total"] == 1
    assert reply(client_one, project, "answer", body)["counts"]["total"] == 1
    assert Label.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "third"},
        {"key": "no uuid"},
        {"assignment": "one"},
        {"reason": "x" * 501},
        {"duration_ms": -1},
        {"exclude": list(range(50))},
        {"score": 1},
    ],
)
def test_a_malformed_answer_is_refused_and_stores_nothing(
    client_one: Client, project: Project, change: dict[str, Any]
) -> None:
    task = reply(client_one, project, "next", {})["task"]["id"]
    body = {"assignment": task, "verdict": "first", "key": str(uuid.uuid4())} | change
    response = post(client_one, project, "answer", body)
    assert response.status_code == 422
    assert json.loads(response.content)["detail"]
    assert not Label.objects.exists()


def test_what_is_no_json_is_refused(client_one: Client, project: Project) -> None:
    url = reverse("annotate-next", args=[project.slug])
    assert client_one.post(url, b"\xff{", content_type="application/json").status_code == 422


def test_an_assignment_of_somebody_else_does_not_exist(
    client_one: Client, project: Project, ann_two: User
) -> None:
    task = reply(client_of(ann_two), project, "next", {})["task"]["id"]
    body = {"assignment": task, "verdict": "first", "key": str(uuid.uuid4())}
    assert post(client_one, project, "answer", body).status_code == 404
    assert reply(client_one, project, "heartbeat", {"assignments": [task]}) == {"live": []}


def test_undo_and_release(client_one: Client, project: Project) -> None:
    task = reply(client_one, project, "next", {})["task"]
    body = {"assignment": task["id"], "verdict": "first", "key": str(uuid.uuid4()), "want_next": False}
    reply(client_one, project, "answer", body)
    assert reply(client_one, project, "undo", {})["task"] == task
    assert post(client_one, project, "undo", {}).status_code == 409
    reply(client_one, project, "release", {})
    assert not Assignment.objects.filter(state="leased").exists()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("heartbeat", {"assignments": [2**70]}),
        ("next", {"exclude": [2**70]}),
        ("answer", {"assignment": 2**70, "verdict": "first", "key": str(uuid.UUID(int=1))}),
    ],
)
def test_a_number_no_database_can_hold_is_refused_in_words(
    client_one: Client, project: Project, name: str, body: dict[str, Any]
) -> None:
    assert post(client_one, project, name, body).status_code == 422


def test_two_that_wait_for_a_lock_do_not_stop_everybody_else(client_one: Client, project: Project) -> None:
    held = [annotate._AT_ONCE.acquire(blocking=False) for _ in range(2)]
    try:
        assert held == [True, True]
        assert reply(client_one, project, "next", {"exclude": []})["task"]
    finally:
        for _ in held:
            annotate._AT_ONCE.release()
    reply(client_one, project, "next", {"exclude": []})
    with pytest.raises(ValueError, match="released too many times"):
        annotate._AT_ONCE.release()  # as many turns as before
