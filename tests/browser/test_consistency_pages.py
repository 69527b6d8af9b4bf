"""The consistency pages in Chromium: computed while one watches, a flag corrected; axe finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from annotation.models import Analysis, PreferenceFlag
from annotation.services import analyses
from tests.browser.test_accessibility import findings, theme, width
from tests.cast import NOW, add_preferences
from tests.pairs import answered_pairs

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from annotation.models import User
    from tests.browser.conftest import Console
    from tests.cast import Cast

__all__ = ["theme", "width"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def manager(
    page: Page, cast: Cast, sign_in: Callable[[User], None], live_server: LiveServer, console: Console
) -> Page:
    """On the consistency page of a project with a cycle and a flag."""
    one, two, three, four = add_preferences(cast.project, 4)
    pairs = [(one, two, "low"), (two, three, "low"), (one, three, "high"), (one, four, "low")]
    label = answered_pairs(cast, pairs)[0].labels.get()
    PreferenceFlag.objects.create(project=cast.project, preference=one, label=label, at=NOW)
    sign_in(cast.owner)
    page.goto(f"{live_server.url}/projects/{cast.project.slug}/consistency/")
    return page


def compute() -> None:
    """The worker's part."""
    for row in Analysis.objects.all():
        analyses.run(row.pk)


def test_it_is_computed_while_the_manager_watches(manager: Page) -> None:
    manager.get_by_role("button", name="Compute").click()
    expect(manager.get_by_text("Being computed…")).to_be_visible()
    compute()
    manager.get_by_role("link", name="Show it").click()
    expect(manager.get_by_role("row")).to_have_count(5)
    manager.get_by_role("link", name="Cycles", exact=True).click()
    expect(manager.get_by_text("3 preferences", exact=True)).to_be_visible()
    manager.get_by_role("link", name="Flagged", exact=True).click()
    manager.get_by_role("button", name="Correct").click()
    expect(manager.get_by_text("Its corrected form took its place.")).to_be_visible()


def test_axe_finds_nothing_and_nothing_overflows(manager: Page, cast: Cast, theme: str, width: int) -> None:
    manager.get_by_role("button", name="Compute").click()
    assert findings(manager) == []
    compute()
    for path in ("", "cycles/", "flags/", "flags/?show=excluded"):
        manager.goto(f"{manager.url.split('/projects/')[0]}/projects/{cast.project.slug}/consistency/{path}")
        assert findings(manager) == [], path
        assert manager.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
