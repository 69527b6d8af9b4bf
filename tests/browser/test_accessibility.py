"""axe finds nothing on any page a person sees, in both themes and at both widths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from annotation.models import Preference, Project, User
from annotation.services import invites
from tests.cast import add_preferences

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from tests.browser.conftest import Console
    from tests.browser.labelling import Labelling
    from tests.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = {"light": 1440, "dark": 390}  # colours are the same at any width: each theme is looked at in one
LOOKS = ("color-contrast", "scrollable-region-focusable", "target-size")  # what theme and width change


def findings(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """What axe finds by these rules, or by all, without the details of what is right: most of its answer."""
    options: dict[str, Any] = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    results: dict[str, Any] = Axe().run(page, options=options).response
    return [
        f"{found['id']} ({found['impact']}): {node['html'][:160]} — {node['failureSummary'][:300]}"
        for found in results["violations"]
        for node in found["nodes"]
    ]


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest, page: Page) -> str:
    page.emulate_media(color_scheme=request.param, reduced_motion="reduce")
    return str(request.param)


@pytest.fixture
def width(theme: str, page: Page) -> int:
    page.set_viewport_size({"width": WIDTHS[theme], "height": 900})
    return WIDTHS[theme]


def test_the_comparison_page_with_all_it_can_show(
    labelling: Labelling, project: Project, theme: str, width: int
) -> None:
    add_preferences(project, 6)
    rich = (
        "# Title\n\nText with `code`, a [link](https://x.example) and\n\n```python\nx = 1\n```\n\n> quote\n\n"
    )
    table = "| a | b |\n|--:|---|\n| 1 | 2 |\n\n"
    Preference.objects.update(
        prompt=[{"role": role, "content": f"As {role}"} for role in ("system", "user", "assistant", "user")],
        chosen=[{"role": "assistant", "content": (rich + table) * 9 + "x" * 300}],
    )
    Project.objects.filter(pk=project.pk).update(guidelines=rich + table)
    labelling.open()
    labelling.look()
    labelling.page.locator("[data-flag=first]").click()
    assert findings(labelling.page) == []
    for key in ("g", "?", "x", "f"):
        labelling.page.keyboard.press(key)
        assert findings(labelling.page) == [], f"with the dialog of {key}"
        labelling.page.keyboard.press("Escape")


def test_the_comparison_page_with_nothing_to_compare(labelling: Labelling, theme: str) -> None:
    labelling.open()
    labelling.page.get_by_role("heading", name="Nothing to compare yet").wait_for()
    assert findings(labelling.page) == []


def test_the_comparison_page_in_trouble(
    labelling: Labelling, project: Project, theme: str, console: Console
) -> None:
    console.expected = ("Failed to load resource",)
    add_preferences(project, 6)
    labelling.open()
    labelling.look()
    labelling.page.context.set_offline(True)
    labelling.press("1")
    labelling.banner.wait_for()
    assert findings(labelling.page) == []


def test_pages_before_signing_in(
    *, page: Page, live_server: LiveServer, project: Project, owner: User, theme: str, console: Console
) -> None:
    console.expected = ("404",)
    _, secret = invites.create(project=project, role="annotator", by=owner, at=timezone.now())
    for path in ("/login/", f"/join/{secret}/", "/join/unknown/", "/nowhere/"):
        page.goto(live_server.url + path)
        assert findings(page) == [], path
    page.goto(f"{live_server.url}/login/")
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert findings(page) == []


@pytest.mark.parametrize("who", ["owner", "ann_one", "outsider"])
def test_the_list_of_projects(
    *,
    page: Page,
    live_server: LiveServer,
    cast: Cast,
    sign_in: Callable[[User], None],
    theme: str,
    who: str,
    console: Console,
) -> None:
    sign_in(getattr(cast, who))
    page.goto(live_server.url)
    page.locator("summary").click()
    assert findings(page) == []
