"""Chromium against a live server. Every page of a test is watched: an error in its console fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from tests.browser.labelling import Labelling

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page
    from pytest_django.live_server_helper import LiveServer

    from annotation.models import User
    from tests.cast import Cast

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    if shutil.which(CHROMIUM) is None:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"Chromium is required and not at {CHROMIUM}")
        pytest.skip(f"Chromium is not at {CHROMIUM}")
    # Playwright's synchronous API runs an event loop in this thread; Django takes it for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    return {"executable_path": CHROMIUM, "args": FLAGS, "headless": True}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB"}


class Console:
    """What the pages complained about. A test that provokes complaints names them in `expected`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.expected: tuple[str, ...] = ()

    def watch(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.lines.append(f"uncaught: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.lines.append(f"{message.type}: {message.text}")

    def complaints(self) -> list[str]:
        return [line for line in self.lines if not any(part in line for part in self.expected)]


@pytest.fixture
def console(context: BrowserContext) -> Iterator[Console]:
    heard = Console()
    context.on("page", heard.watch)
    yield heard
    assert heard.complaints() == []


@pytest.fixture
def sign_in(live_server: LiveServer, context: BrowserContext) -> Callable[[User], None]:
    """Gives the browser a session of this person; the sign-in form has tests of its own."""

    def signed_in(user: User) -> None:
        client = Client()
        client.force_login(user)
        value = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])

    return signed_in


@pytest.fixture
def labelling(
    live_server: LiveServer, page: Page, cast: Cast, console: Console, sign_in: Callable[[User], None]
) -> Labelling:
    """Annotator one, signed in, not yet on the comparison page of the (still empty) project."""
    sign_in(cast.ann_one)
    return Labelling(page, live_server.url, cast.project)
