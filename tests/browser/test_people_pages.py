"""Signing in, joining, the list of projects, and the pages that say that something went wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import expect

from annotation.models import Membership, User
from annotation.services import invites
from tests.cast import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from annotation.models import Project
    from tests.browser.conftest import Console

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def link(project: Project, owner: User, live_server: LiveServer) -> str:
    _, secret = invites.create(project=project, role="annotator", by=owner, at=timezone.now(), max_uses=2)
    return f"{live_server.url}/join/{secret}/"


def sign_in_form(page: Page, username: str, password: str) -> None:
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def test_signing_in_and_out(live_server: LiveServer, page: Page, ann_one: User, console: Console) -> None:
    page.goto(live_server.url)
    sign_in_form(page, ann_one.username, "not this one")
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    sign_in_form(page, ann_one.username, PASSWORD)
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    page.locator("summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_too_many_attempts_lock_with_a_page_in_words(
    live_server: LiveServer, page: Page, ann_one: User, console: Console
) -> None:
    console.expected = ("429",)
    page.goto(f"{live_server.url}/login/")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in_form(page, ann_one.username, "wrong")
    expect(page.get_by_role("heading", name="Too many attempts")).to_be_visible()
    expect(page.get_by_text("Wait 10 minutes")).to_be_visible()


def test_an_invite_makes_an_account_and_a_member(
    page: Page, link: str, project: Project, console: Console
) -> None:
    console.expected = ("422",)
    page.goto(link)
    page.get_by_label("User name").fill("newcomer")
    page.get_by_label("Password", exact=True).fill("12345678")
    page.get_by_label("Password again").fill("12345678")
    page.get_by_role("button", name="Make an account and join").click()
    expect(page.get_by_text("This password is too common")).to_be_visible()
    assert not User.objects.filter(username="newcomer").exists()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Make an account and join").click()
    expect(page.get_by_text(f"Welcome to {project.name}")).to_be_visible()
    assert Membership.objects.get(user__username="newcomer", project=project).role == "annotator"
    page.get_by_role("link", name=f"Label in {project.name}").click()
    expect(page.get_by_role("heading", name="Nothing to compare yet")).to_be_visible()


def test_an_invite_is_accepted_with_the_account_one_has(
    page: Page, link: str, project: Project, outsider: User, console: Console
) -> None:
    page.goto(link)
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    sign_in_form(page, outsider.username, PASSWORD)
    page.get_by_role("button", name=f"Join as {outsider}").click()
    expect(page.get_by_text(f"Welcome to {project.name}")).to_be_visible()
    assert Membership.objects.filter(user=outsider, project=project).count() == 1


def test_an_invite_that_is_over_says_why(
    page: Page, live_server: LiveServer, project: Project, owner: User, console: Console
) -> None:
    console.expected = ("404",)
    long_ago = timezone.now() - timedelta(days=400)
    _, secret = invites.create(project=project, role="annotator", by=owner, at=long_ago)
    page.goto(f"{live_server.url}/join/{secret}/")
    expect(page.get_by_role("main")).to_contain_text("expired")


def test_somebody_elses_project_does_not_exist(
    *,
    page: Page,
    live_server: LiveServer,
    project: Project,
    outsider: User,
    sign_in: Callable[[User], None],
    console: Console,
) -> None:
    console.expected = ("404",)
    sign_in(outsider)
    page.goto(f"{live_server.url}/projects/{project.slug}/label/")
    expect(page.get_by_role("main")).to_contain_text("No such project")
    page.goto(live_server.url)
    expect(page.get_by_role("heading", name="Waiting for an invitation")).to_be_visible()


def test_the_theme_is_chosen_and_remembered(page: Page, live_server: LiveServer, console: Console) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{live_server.url}/login/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme: light").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
