"""Voting in an arena, in Chromium: blind before the answer, told after it where the arena does so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from annotation.models import Label
from tests.annotation.arenas import MODELS, make_arena
from tests.browser.labelling import Labelling

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
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
