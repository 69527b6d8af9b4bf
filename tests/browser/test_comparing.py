"""From the list of runs to their comparison, in Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.test_manager_pages import manager
from tests.frontend.conftest import Desk, desk, folders, make_run
from training.models import RunEvent

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from tests.browser.conftest import Console

__all__ = ["desk", "folders", "manager"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_ticked_runs_stay_ticked_while_the_list_moves_and_are_drawn_together(
    manager: Page, live_server: LiveServer, desk: Desk
) -> None:
    moving = make_run(desk.dataset, name="Moving", state="running", slot="a/0", stage="train")
    RunEvent.objects.create(
        run=moving, seq=1, kind="metrics", step=1, at=moving.created_at, data={"loss": 0.5, "grad_norm": 2.0}
    )
    listed = live_server.url + reverse("runs", args=[desk.project.slug])
    manager.goto(listed)
    manager.get_by_label("Compare Run 1").check()
    manager.get_by_label("Compare Moving").focus()
    manager.keyboard.press("Space")
    with manager.expect_response(lambda answer: answer.url == listed):
        pass  # the list asks again while a run is going
    manager.locator("#runs:not(.htmx-request)").wait_for()
    expect(manager.get_by_label("Compare Run 1")).to_be_checked()
    expect(manager.get_by_label("Compare Moving")).to_be_checked()
    manager.get_by_role("button", name="Compare chosen runs").click()
    loss = manager.locator("#plot-loss .plot__canvas")
    expect(loss).to_have_attribute("role", "img")
    expect(loss).to_have_attribute(
        "aria-label",
        "Loss: training loss, nats. Latest: Moving #2 0.5 at optimizer "
        "step 1; Run 1 0.35 at optimizer step 2. The data table below has the values.",
    )
    expect(loss.locator(".scatterlayer .trace")).to_have_count(2)


def test_a_refused_arena_is_said_in_its_form_and_nothing_typed_is_lost(
    manager: Page, live_server: LiveServer, desk: Desk, console: Console
) -> None:
    console.expected = ("status of 422",)
    manager.goto(f"{live_server.url}{reverse('compare', args=[desk.project.slug])}?run={desk.run.pk}")
    expect(manager.locator("#plot-loss .scatterlayer .trace")).to_have_count(1)
    manager.get_by_text("New arena of 1 run").click()
    manager.get_by_label("Name").fill("Spring models")
    manager.get_by_label("Models are told").select_option("answered")
    for _ in range(2):  # the form that took its place is sent again in the same way
        with manager.expect_response(lambda answer: answer.request.method == "POST"):
            manager.get_by_role("button", name="Make the arena").click()
        expect(manager.locator("#ask [role=alert]")).to_contain_text("wrote no responses")
        expect(manager.get_by_label("Name")).to_have_value("Spring models")
        expect(manager.get_by_label("Models are told")).to_have_value("answered")
    expect(manager.locator("#plot-loss .scatterlayer .trace")).to_have_count(1)
    expect(manager.locator("#flashes li")).to_have_count(0)
