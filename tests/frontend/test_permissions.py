"""Every page and every deed of the website, asked for by everyone."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client, override_settings
from django.urls import reverse

from annotation.models import Project
from frontend import urls
from tests.cast import make_cast, make_project, reviewer_of
from tests.frontend.conftest import Desk, below, make_desk, make_run, signed_in

pytestmark = [pytest.mark.either, pytest.mark.django_db]

OK, MOVED, WRONG, NO, UNKNOWN = 200, 302, 422, 403, 404
PEOPLE = ("owner", "admin", "annotator", "outsider", "anonymous")
MANAGERS_READ = (OK, OK, NO, UNKNOWN, MOVED)
MANAGERS_DO = (MOVED, MOVED, NO, UNKNOWN, MOVED)
MANAGERS_WRONG = (WRONG, WRONG, NO, UNKNOWN, MOVED)  # a form sent empty: read, and refused in words
REVIEWERS_READ: dict[str, Any] = {"expected": MANAGERS_READ, "reviewer": OK}
REVIEWERS_DO: dict[str, Any] = {"expected": MANAGERS_DO, "reviewer": MOVED}
SIGNED_IN = (OK, OK, OK, OK, MOVED)
MEMBERS_READ = (OK, OK, OK, UNKNOWN, MOVED)
MEMBERS_SEND = (OK, OK, OK, UNKNOWN, 401)
NO_LEASE = {"assignment": 2**62, "verdict": "first", "key": "0b8f1d6e-6f0e-4f0e-9d55-0c5fb5f0a001"}
CREATORS = (OK, NO, NO, NO, MOVED)  # only the owner's account may create projects


@dataclass(frozen=True)
class Row:
    """One address, how it is asked for, and the answer to each of `PEOPLE`."""

    name: str
    method: str
    about: str  # what the address is about: an attribute of `Desk`, or nothing
    expected: tuple[int, ...]
    reviewer: int | None = None  # what an annotator gets, unless said otherwise
    body: dict[str, Any] | None = None  # JSON, for what the comparison page's script sends

    @property
    def answers(self) -> dict[str, int]:
        answers = dict(zip(PEOPLE, self.expected, strict=True))
        return {**answers, "reviewer": answers["annotator"] if self.reviewer is None else self.reviewer}


TABLE = (
    Row("home", "get", "", SIGNED_IN),
    Row("studies", "get", "", SIGNED_IN),
    Row("study", "get", "study", SIGNED_IN),
    Row("study-data", "get", "study", SIGNED_IN),
    Row("study-file", "get", "study's file", (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, MOVED)),  # none computed
    Row("login", "get", "", (MOVED, MOVED, MOVED, MOVED, OK)),
    Row("login", "post", "", (MOVED, MOVED, MOVED, MOVED, OK)),
    Row("logout", "post", "", (MOVED, MOVED, MOVED, MOVED, MOVED)),
    Row("invite-accept", "get", "secret", (OK,) * 5),
    Row("invite-accept", "post", "secret", (MOVED, MOVED, MOVED, MOVED, OK)),  # a form sent empty
    Row("annotate", "get", "project", MEMBERS_READ),
    Row("annotate-next", "post", "project", MEMBERS_SEND, body={}),
    Row("annotate-answer", "post", "project", (UNKNOWN,) * 4 + (401,), body=NO_LEASE),
    Row("annotate-undo", "post", "project", (409, 409, 409, UNKNOWN, 401), body={}),  # it is in a dataset
    Row("annotate-heartbeat", "post", "project", MEMBERS_SEND, body={"assignments": []}),
    Row("annotate-skip-practice", "post", "project", (OK, OK, NO, UNKNOWN, 401), body={}),
    Row("annotate-release", "post", "project", MEMBERS_SEND, body={}),
    Row("my-labels", "get", "project", MEMBERS_READ),
    Row("label", "get", "label", (OK, OK, OK, UNKNOWN, MOVED), UNKNOWN),
    Row("label-undo", "post", "label", (MOVED, MOVED, MOVED, UNKNOWN, MOVED), UNKNOWN),  # theirs alone: words
    Row("project-new", "get", "", CREATORS),
    Row("project-new", "post", "", (WRONG, NO, NO, NO, MOVED)),
    Row("project-estimate", "get", "", CREATORS),
    Row("project", "get", "project", MANAGERS_READ),
    Row("project-live", "get", "project", MANAGERS_READ),
    Row("project-settings", "get", "project", MANAGERS_READ),
    Row("project-settings", "post", "project", MANAGERS_WRONG),
    Row("raise-preview", "get", "project", MANAGERS_READ),
    Row("project-state", "post", "project", MANAGERS_WRONG),
    Row("project-audit", "get", "project", MANAGERS_READ),
    Row("project-members", "get", "project", MANAGERS_READ),
    Row("project-members", "post", "project", MANAGERS_WRONG),
    Row("member-role", "post", "member", MANAGERS_DO),
    Row("member-remove", "post", "member", MANAGERS_DO),
    Row("invite-revoke", "post", "invite", MANAGERS_DO),
    Row("project-checks", "get", "project", MANAGERS_READ),
    Row("project-checks", "post", "project", MANAGERS_WRONG),
    Row("gold-change", "post", "gold", MANAGERS_WRONG),
    Row("arena", "get", "arena", MANAGERS_READ),
    Row("arena-add", "get", "arena", MANAGERS_READ),
    Row("arena-add", "post", "arena", MANAGERS_WRONG),
    Row("arena-responses", "get", "arena", MANAGERS_READ),
    Row("arena-responses", "post", "arena", (UNKNOWN, UNKNOWN, NO, UNKNOWN, MOVED)),  # names no response
    Row("arena-standings", "get", "arena", MANAGERS_READ),
    Row("arena-votes", "get", "arena's votes", MANAGERS_READ),
    Row("arena", "post", "arena", MANAGERS_WRONG),
    Row("project-quality", "get", "project", MANAGERS_READ),
    Row("quality-live", "get", "project", MANAGERS_READ),
    Row("quality-csv", "get", "project", MANAGERS_READ),
    Row("project-preferences", "get", "project", MANAGERS_READ),
    Row("consistency", "get", "project", MANAGERS_READ),
    Row("consistency-cycles", "get", "project", MANAGERS_READ),
    Row("consistency-flags", "get", "project", MANAGERS_READ),
    Row("consistency-live", "get", "project", MANAGERS_READ),
    Row("consistency-recompute", "post", "project", MANAGERS_DO),
    Row("preference-change", "post", "preference", MANAGERS_WRONG),
    Row("project-labels", "get", "project", MANAGERS_READ),
    Row("project-imports", "get", "project", MANAGERS_READ),
    Row("project-imports", "post", "project", MANAGERS_WRONG),
    Row("import-detail", "get", "import", MANAGERS_READ),
    Row("import-live", "get", "import", MANAGERS_READ),
    Row("import-cancel", "post", "import", MANAGERS_DO),
    Row("import-rejections", "get", "import", MANAGERS_READ),
    Row("adjudication", "get", "project", **REVIEWERS_READ),
    Row("adjudicated", "get", "project", **REVIEWERS_READ),
    Row("dispute", "get", "dispute", **REVIEWERS_READ),
    Row("dispute-decide", "post", "dispute", **REVIEWERS_DO),
    Row("dispute-withdraw", "post", "dispute", **REVIEWERS_DO),
    Row("project-webhooks", "get", "project", MANAGERS_READ),
    Row("project-webhooks", "post", "project", MANAGERS_WRONG),
    Row("webhook", "get", "webhook", MANAGERS_READ),
    Row("webhook", "post", "webhook", MANAGERS_WRONG),
    Row("webhook-log", "get", "webhook", MANAGERS_READ),
    Row("webhook-test", "post", "webhook", MANAGERS_DO),
    Row("webhook-rotate", "post", "webhook", MANAGERS_READ),
    Row("webhook-delete", "post", "webhook", MANAGERS_DO),
    Row("webhook-redeliver", "post", "delivery", MANAGERS_DO),
    Row("datasets", "get", "project", MANAGERS_READ),
    Row("datasets", "post", "project", MANAGERS_WRONG),
    Row("freeze-preview", "get", "project", MANAGERS_READ),
    Row("dataset", "get", "dataset", MANAGERS_READ),
    Row("dataset-live", "get", "dataset", MANAGERS_READ),
    Row("dataset-download", "get", "download", MANAGERS_READ),
    Row("dataset-pushes", "get", "dataset", MANAGERS_READ),
    Row("dataset-pushes", "post", "dataset", MANAGERS_WRONG),
    Row("pushes-live", "get", "dataset", MANAGERS_READ),
    Row("dataset-cancel", "post", "dataset", MANAGERS_DO),
    Row("dataset-delete", "post", "dataset", MANAGERS_DO),
    Row("runs", "get", "project", MANAGERS_READ),
    Row("run-new", "get", "project", MANAGERS_READ),
    Row("run-new", "post", "project", MANAGERS_WRONG),
    Row("run-form-parts", "post", "project", MANAGERS_READ),
    Row("compare", "get", "project", MANAGERS_READ),
    Row("compare", "post", "project", MANAGERS_WRONG),
    Row("compare-data", "get", "project", MANAGERS_READ),
    Row("compare-file", "get", "comparison", MANAGERS_READ),
    Row("leaderboard", "get", "project", MANAGERS_READ),
    Row("run", "get", "run", MANAGERS_READ),
    Row("run-evaluate", "get", "run", MANAGERS_READ),
    Row("run-evaluate", "post", "run", MANAGERS_WRONG),
    Row("run-live", "get", "run", MANAGERS_READ),
    Row("run-log", "get", "live run", MANAGERS_READ),
    Row("run-data", "get", "run", MANAGERS_READ),
    Row("run-model", "get", "run", (UNKNOWN, UNKNOWN, NO, UNKNOWN, MOVED)),  # this run left no model
    Row("run-preference", "get", "run's preference", MANAGERS_READ),
    Row("run-annotations", "post", "run", MANAGERS_DO),
    Row("run-alpaca-file", "get", "alpaca file", (UNKNOWN, UNKNOWN, NO, UNKNOWN, MOVED)),  # it made none
    Row("run-responses", "get", "run", MANAGERS_READ),
    Row("run-responses-file", "get", "run", (UNKNOWN, UNKNOWN, NO, UNKNOWN, MOVED)),  # it wrote none
    Row("run-cancel", "post", "run", MANAGERS_DO),
    Row("run-resume", "post", "run", MANAGERS_DO),
    Row("run-delete", "post", "run", MANAGERS_DO),
    Row("tokens", "get", "", SIGNED_IN),
    Row("tokens", "post", "", (WRONG, WRONG, WRONG, WRONG, MOVED)),
    Row("token-revoke", "post", "token", (MOVED, UNKNOWN, UNKNOWN, UNKNOWN, MOVED)),
)


@pytest.fixture(scope="module")
def shared(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Desk, dict[str, Any]]]:
    """One desk for all rows, and its settings: what a test changes, its own transaction takes back."""
    settings = below(tmp_path_factory.mktemp("desk"))
    with django_db_blocker.unblock(), transaction.atomic():
        with override_settings(**settings):
            made = make_desk(make_cast())
        yield made, settings
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def folders(settings: Any, shared: tuple[Desk, dict[str, Any]]) -> None:
    for name, value in shared[1].items():
        setattr(settings, name, value)


@pytest.fixture
def desk(shared: tuple[Desk, dict[str, Any]], db: None) -> Desk:
    """A copy: what a test changes in memory is its own."""
    return deepcopy(shared[0])


def address(row: Row, desk: Desk) -> str:
    slug = desk.project.slug
    arguments: dict[str, list[object]] = {
        "": [],
        "project": [slug],
        "member": [slug, desk.member.pk],
        "invite": [slug, desk.invite.pk],
        "gold": [slug, desk.gold.pk if row.about == "gold" else 0],
        "dispute": [slug, desk.dispute.pk if row.about == "dispute" else 0],
        "arena": [desk.arena.slug if row.about == "arena" else ""],
        "arena's votes": [desk.arena.slug if row.about == "arena's votes" else "", "csv"],
        "preference": [slug, desk.project.preferences.earliest("pk").pk],
        "webhook": [slug, desk.webhook.pk if row.about == "webhook" else 0],
        "delivery": [slug, *(desk.delivery if row.about == "delivery" else (0, 0))],
        "secret": [desk.invite_secret],
        "study": ["sanity"],
        "study's file": ["sanity", "report.md"],
        "label": [desk.label.pk],
        "import": [desk.done_import.pk],
        "dataset": [desk.dataset.pk],
        "download": [desk.dataset.pk, "jsonl"],
        "comparison": [slug, "csv"],
        "run": [desk.run.pk],
        "alpaca file": [desk.run.pk, "outputs"],
        "run's preference": [desk.run.pk, desk.project.preferences.earliest("pk").content_hash],
        "live run": [make_run(desk.dataset).pk if row.about == "live run" else 0],
        "token": [desk.token.token_key],
    }
    return reverse(row.name, args=arguments[row.about])


def client_of(person: str, desk: Desk) -> Client:
    people = {
        "owner": desk.cast.owner,
        "admin": desk.cast.admin,
        "annotator": desk.cast.ann_one,
        "outsider": desk.cast.outsider,
        "reviewer": reviewer_of(desk.project),
    }
    for arena in Project.objects.filter(kind="arena"):
        reviewer_of(arena)
    return signed_in(people[person]) if person in people else Client()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.method} {row.name}")
def test_everyone_gets_the_answer_that_is_theirs(row: Row, desk: Desk) -> None:
    url = address(row, desk)
    answers = {person: as_if_alone(person, row, url, desk) for person in row.answers}
    assert {person: answer.status_code for person, answer in answers.items()} == row.answers
    if row.answers["anonymous"] == MOVED:
        assert answers["anonymous"]["Location"].startswith(reverse("login"))


def as_if_alone(person: str, row: Row, url: str, desk: Desk) -> Any:
    """The person's answer; what the deed changed is taken back before the next one asks."""
    with transaction.atomic():
        sent = {} if row.body is None else {"data": row.body, "content_type": "application/json"}
        answer = getattr(client_of(person, desk), row.method)(url, **sent)
        transaction.set_rollback(True)
    return answer


def test_the_table_names_every_address_of_a_page() -> None:
    assert {row.name for row in TABLE} == {pattern.name for pattern in urls.urlpatterns}


@pytest.mark.parametrize("row", [row for row in TABLE if row.method == "post"], ids=lambda row: row.name)
def test_a_deed_without_the_csrf_token_is_refused(row: Row, desk: Desk) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(desk.cast.owner)
    assert client.post(address(row, desk)).status_code == NO


ONLY_DEEDS = [
    row for row in TABLE if row.name not in {other.name for other in TABLE if other.method == "get"}
]


@pytest.mark.parametrize("row", ONLY_DEEDS, ids=lambda row: row.name)
def test_a_deed_is_never_done_by_following_a_link(row: Row, desk: Desk) -> None:
    assert signed_in(desk.cast.owner).get(address(row, desk)).status_code == 405


def test_another_projects_things_do_not_exist_below_ones_own(desk: Desk) -> None:
    other = make_project(desk.cast.outsider, "Other")
    client = signed_in(desk.cast.outsider)
    for name, pk in (("invite-revoke", desk.invite.pk), ("member-remove", desk.member.pk)):
        assert client.post(reverse(name, args=[other.slug, pk])).status_code == UNKNOWN
    desk.invite.refresh_from_db()
    assert desk.invite.revoked_at is None
    assert desk.member.pk


def test_a_fragment_asked_for_after_signing_out_leads_to_the_sign_in_form_and_back(desk: Desk) -> None:
    url = reverse("run", args=[desk.run.pk])
    asked = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{url}?page=2"}
    answer = Client().get(reverse("run-live", args=[desk.run.pk]), headers=asked)
    assert answer["HX-Redirect"] == f"{reverse('login')}?next={quote(url, safe='')}"
    assert not answer.content
