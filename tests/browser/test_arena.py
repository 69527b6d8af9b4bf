"""Voting in an arena, in Chromium: blind before the answer, told after it where the arena does so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Label
from tests.annotation.arenas import MODELS, make_arena
from tests.browser.labelling import Labelling

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Dialog, Page
    from pytest_django.live_server_helper import LiveServer

    from annotation.models import User
    from tests.browser.conftest import Console
    from tests.cast import Cast

TOLD = re.compile(rf"^({'|'.join(MODELS)}) is better than ({'|'.join(MODELS)})\.$")
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_vote_by_keyboard_is_told_whose_responses_they_were_and_stands(
    page: Page, live_server: LiveServer, cast: Cast, console: Console, sign_in: Callable[[User], None]
) -> None:
    console.expected = ("status of 409",)
    project = make_arena(cast, names_told="answered")
    sign_in(cast.ann_one)
    voting = Labelling(page, live_server.url, project)
    voting.open()
    expect(page.locator("article.pref")).to_have_count(2)
    expect(page.locator(".stage__prompt")).to_have_count(1)
    assert not any(name in page.content() for name in MODELS)
    page.keyboard.press("f")  # nothing could be swapped
    expect(page.locator("dialog[open]")).to_have_count(0)
    voting.look()
    page.keyboard.press("1")
    expect(page.locator("#names-words")).to_have_text(TOLD)
    voting.look()
    page.keyboard.press("z")
    expect(page.locator("#notice-words")).to_contain_text("an answer stands as it is")
    assert Label.objects.get().is_current


def test_a_refused_file_stays_chosen_and_is_added_once_its_model_is_named(
    page: Page, live_server: LiveServer, cast: Cast, console: Console, sign_in: Callable[[User], None]
) -> None:
    console.expected = ("status of 422",)
    project = make_arena(cast)
    sign_in(cast.owner)
    page.goto(live_server.url + reverse("arena-add", args=[project.slug]))
    lines = b"prompt,response\nQuestion 0?,Caw\n"
    page.get_by_label("File of responses").set_input_files(
        {"name": "said.csv", "mimeType": "text/csv", "buffer": lines}
    )
    page.get_by_label("Battles").fill("14")
    page.get_by_role("button", name="Add them").click()
    expect(page.locator("#add .field__errors")).to_have_text("Response 1 has no model.")
    expect(page.get_by_label("Battles")).to_have_value("14")
    page.get_by_label("Model").fill("Crow")
    page.get_by_role("button", name="Add them").click()
    expect(page.locator("#flashes")).to_contain_text("with Crow as new in the arena")
    expect(page.locator("table.strengths")).to_contain_text("Crow")


def test_a_response_is_excluded_after_a_question(
    page: Page, live_server: LiveServer, cast: Cast, console: Console, sign_in: Callable[[User], None]
) -> None:
    project = make_arena(cast, prompts=1)
    sign_in(cast.owner)
    page.goto(live_server.url + reverse("arena-responses", args=[project.slug]))
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.once("dialog", agree)
    page.get_by_label("Exclude response 0").click()
    page.get_by_label("Reason").first.fill("It broke off.")
    page.get_by_role("button", name="Exclude it…").first.click()
    expect(page.locator(".pref .badge--warn")).to_have_text("Excluded")
    assert "Its battles are withdrawn" in asked[0]
    page.get_by_label("Include response 0 again").click()
    expect(page.locator(".pref .badge--warn")).to_have_count(0)
