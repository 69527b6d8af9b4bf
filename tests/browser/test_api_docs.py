"""The API's page works in a real browser under the content security policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from annotation.models import User
    from tests.browser.conftest import Console
    from tests.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_page_lists_the_operations(live_server: LiveServer, console: Console, page: Page) -> None:
    page.goto(f"{live_server.url}/api/docs/")
    expect(page.get_by_text("/api/v1/projects/{project}/next", exact=False).first).to_be_visible()
    assert page.locator(".opblock").count() > 50


def test_a_signed_in_person_tries_a_writing_operation(
    live_server: LiveServer, console: Console, page: Page, cast: Cast, sign_in: Callable[[User], None]
) -> None:
    sign_in(cast.owner)
    page.goto(f"{live_server.url}/api/docs/")
    pause = page.locator("#operations-projects-projects_pause_create")
    pause.locator(".opblock-summary-control").click()
    pause.get_by_role("button", name="Try it out").click()
    pause.get_by_placeholder("project").fill(cast.project.slug)
    pause.get_by_role("button", name="Execute").click()
    expect(pause.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    cast.project.refresh_from_db()
    assert cast.project.state == "paused"
