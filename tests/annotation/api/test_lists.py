"""Lists cost the same number of queries however many rows there are, and no page is without end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import (
    DatasetPush,
    ImportRejection,
    Invite,
    LabelEvent,
    PopDataset,
    PreferenceImport,
    Webhook,
)
from annotation.services import assignments, audit, tokens, webhooks
from tests.annotation.playing import answer
from tests.callers import signed_in
from tests.cast import Cast, add_preferences, join, make_project, make_user

pytestmark = pytest.mark.either
Maker = Callable[[Cast, int], object]


def _projects(cast: Cast, number: int) -> None:
    join(make_project(make_user(f"lead{number}")), cast.owner, "admin")


def _member(cast: Cast, number: int) -> None:
    join(cast.project, make_user(f"member{number}"))


def _invite(cast: Cast, number: int) -> None:
    Invite.objects.create(
        project=cast.project,
        digest=f"{number:064d}",
        created_by=make_user(f"inviter{number}"),
        created_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=1),
    )


def _entry(cast: Cast, number: int) -> None:
    audit.record(by=make_user(f"actor{number}"), at=timezone.now(), verb="test.done", project=cast.project)


def _import(cast: Cast, number: int) -> PreferenceImport:
    return PreferenceImport.objects.create(
        project=cast.project,
        format="jsonl",
        created_by=make_user(f"importer{number}"),
        created_at=timezone.now(),
    )


def _rejection(cast: Cast, number: int) -> None:
    first = PreferenceImport.objects.first() or _import(cast, number)
    ImportRejection.objects.create(preference_import=first, line=number + 1, reason="Too short.")


def _dataset(cast: Cast, number: int) -> None:
    PopDataset.objects.create(
        project=cast.project,
        number=number + 1,
        created_by=make_user(f"freezer{number}"),
        created_at=timezone.now(),
    )


def _preference(cast: Cast, number: int) -> None:
    add_preferences(cast.project, 1)


def _token(cast: Cast, number: int) -> None:
    tokens.create(name=f"t{number}", scopes=["read"], by=cast.owner, at=timezone.now())


def _webhook(cast: Cast, number: int) -> Webhook:
    return Webhook.objects.create(
        project=cast.project,
        url=f"https://hooks.example.org/{number}",
        events=["dataset.frozen"],
        created_by=make_user(f"hooker{number}"),
        created_at=timezone.now(),
    )


def _delivery(cast: Cast, number: int) -> None:
    webhooks.queue(Webhook.objects.first() or _webhook(cast, number), "ping", {}, timezone.now())


def _push(cast: Cast, number: int) -> None:
    if not number:
        _dataset(cast, number)
    pusher = make_user(f"pusher{number}")
    DatasetPush.objects.create(
        dataset=PopDataset.objects.get(), repo_id="a/b", created_by=pusher, created_at=timezone.now()
    )


def _correction(cast: Cast, number: int) -> None:
    if not number:
        _dataset(cast, number)
        add_preferences(cast.project, 24)
    lease = assignments.next_for(project=cast.project, by=cast.ann_one, at=timezone.now())
    assert lease
    label = answer(lease)
    LabelEvent.objects.create(
        label=label,
        kind=LabelEvent.Kind.CORRECTED,
        actor=make_user(f"corrector{number}"),
        at=timezone.now(),
        dataset=PopDataset.objects.get(),
    )


def _in_project(part: str) -> Callable[[Cast], str]:
    return lambda cast: f"/api/v1/projects/{cast.project.slug}/{part}/"


def _rejections(cast: Cast) -> str:
    return f"/api/v1/imports/{PreferenceImport.objects.get().pk}/rejections/"


def _of_dataset(part: str) -> Callable[[Cast], str]:
    return lambda cast: f"/api/v1/datasets/{PopDataset.objects.get().pk}/{part}/"


def _deliveries(cast: Cast) -> str:
    return f"/api/v1/projects/{cast.project.slug}/webhooks/{Webhook.objects.get().pk}/deliveries/"


LISTS: dict[str, tuple[Callable[[Cast], str], Maker]] = {
    "projects": (lambda cast: "/api/v1/projects/", _projects),
    "tokens": (lambda cast: "/api/v1/tokens/", _token),
    "members": (_in_project("members"), _member),
    "invites": (_in_project("invites"), _invite),
    "audit": (_in_project("audit"), _entry),
    "imports": (_in_project("imports"), _import),
    "datasets": (_in_project("datasets"), _dataset),
    "preferences": (_in_project("preferences"), _preference),
    "rejections": (_rejections, _rejection),
    "webhooks": (_in_project("webhooks"), _webhook),
    "deliveries": (_deliveries, _delivery),
    "pushes": (_of_dataset("pushes"), _push),
    "corrections": (_of_dataset("corrections"), _correction),
}


@pytest.mark.parametrize("name", LISTS)
def test_twenty_rows_cost_as_many_queries_as_two(cast: Cast, name: str) -> None:
    url_of, make = LISTS[name]
    client = signed_in(cast.owner)
    counts: dict[int, int] = {}
    made = 0
    for rows in (2, 20):
        while made < rows:
            make(cast, made)
            made += 1
        url = url_of(cast)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = client.get(url)
        assert len(answer.json()["results"]) >= rows
        counts[rows] = len(queries)
    assert counts[2] == counts[20]


def test_a_page_holds_two_hundred_at_most(cast: Cast) -> None:
    add_preferences(cast.project, 205)
    url = f"/api/v1/projects/{cast.project.slug}/preferences/"
    client = signed_in(cast.owner)
    assert len(client.get(url).json()["results"]) == 50
    assert len(client.get(url, {"page_size": 100_000}).json()["results"]) == 200


def test_numbered_pages_say_how_many_there_are(cast: Cast) -> None:
    for number in range(3):
        _member(cast, number)
    page = (
        signed_in(cast.owner).get(f"/api/v1/projects/{cast.project.slug}/members/", {"page_size": 5}).json()
    )
    assert page["count"] == 7
    assert len(page["results"]) == 5
    assert len(signed_in(cast.owner).get(page["next"]).json()["results"]) == 2
