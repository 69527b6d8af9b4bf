"""A list costs the same number of queries however long it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotation.models import DatasetPush, LabelEvent, Role
from annotation.services import audit, invites, tokens, webhooks
from tests.cast import Cast, add_preferences, join, make_user
from tests.frontend.conftest import LINES, Desk, bring, freeze, given_up, make_run

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def more_members(desk: Desk) -> None:
    for number in range(5):
        join(desk.project, make_user(f"more{number}"), Role.ANNOTATOR)
        invites.create(project=desk.project, role="annotator", by=desk.cast.admin, at=timezone.now())


def more_imports(desk: Desk) -> None:
    for number in range(5):
        bring(desk.cast, LINES.replace(b"blue", b"blue%d" % number))


def more_runs(desk: Desk) -> None:
    for _ in range(5):
        make_run(desk.dataset, state="finished")


def more_datasets(desk: Desk) -> None:
    for _ in range(3):
        freeze(desk.cast)


def more_tokens(desk: Desk) -> None:
    for number in range(5):
        tokens.create(name=f"more{number}", scopes=["read"], by=desk.cast.owner, at=timezone.now())


def more_preferences(desk: Desk) -> None:
    add_preferences(desk.project, 20)


def more_webhooks(desk: Desk) -> None:
    for number in range(5):
        given_up(desk.cast, f"https://hooks.example.org/{number}")


def more_messages(desk: Desk) -> None:
    for _ in range(30):
        webhooks.queue(desk.webhook, "dataset.frozen", {}, timezone.now())


def more_deeds(desk: Desk) -> None:
    for number in range(5):
        audit.record(by=make_user(f"by{number}"), at=timezone.now(), verb="test.done", project=desk.project)


def more_pushes(desk: Desk) -> None:
    for number in range(5):
        by = make_user(f"pusher{number}")
        DatasetPush.objects.create(
            dataset=desk.dataset, repo_id="a/b", created_by=by, created_at=timezone.now(), state="done"
        )


def more_corrections(desk: Desk) -> None:
    for _ in range(5):
        by = make_user(f"corrector{LabelEvent.objects.count()}")
        LabelEvent.objects.create(
            label=desk.label, kind="corrected", actor=by, at=timezone.now(), dataset=desk.dataset
        )


LISTS: tuple[tuple[str, Callable[[Desk], None]], ...] = (
    ("project-members", more_members),
    ("project-imports", more_imports),
    ("project-preferences", more_preferences),
    ("datasets", more_datasets),
    ("runs", more_runs),
    ("tokens", more_tokens),
    ("project-webhooks", more_webhooks),
    ("webhook", more_messages),
    ("project-audit", more_deeds),
    ("dataset-pushes", more_pushes),
    ("dataset", more_corrections),
    ("project", more_runs),
    ("project", more_members),
)


def queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(url).status_code == 200
    return len(seen)


@pytest.mark.parametrize(("name", "more"), LISTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_longer_list_asks_no_more_queries(
    name: str, more: Callable[[Desk], None], desk: Desk, owner_client: Client, cast: Cast
) -> None:
    about: dict[str, list[object]] = {"tokens": [], "webhook": [cast.project.slug, desk.webhook.pk]}
    about |= {one: [desk.dataset.pk] for one in ("dataset", "dataset-pushes")}
    url = reverse(name, args=about.get(name, [cast.project.slug]))
    if name == "dataset":
        more(desk)  # corrections that are none are not read
    before = queries(owner_client, url)
    more(desk)
    assert queries(owner_client, url) == before
