"""A person's first minutes in a project: practice, and what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from annotation.models import Gold, Label, Project
from annotation.services import gold, gold_sampling
from tests.browser.test_accessibility import findings
from tests.cast import NOW, add_preferences

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotation.models import User
    from tests.browser.conftest import Console
    from tests.browser.labelling import Labelling
    from tests.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def round_of_two(project: Project, cast: Cast) -> None:
    add_preferences(project, 30)
    Project.objects.filter(pk=project.pk).update(practice_size=2)
    gold_sampling.from_scores(
        project=project, count=2, min_gap=2, use=Gold.Use.PRACTICE, by=cast.owner, at=NOW
    )
    Gold.objects.update(explanation="One answer is right, its other is nonsense.")


def known(labelling: Labelling) -> str:
    """The key of the right answer to the comparison on screen."""
    lease = labelling.project.assignments.filter(kind="practice", state="leased").order_by("pk").first()
    assert lease
    return "1" if (lease.comparison.gold.answer == "low") == lease.low_first else "2"


def test_practice_by_keyboard_tells_after_each_answer_and_then_work_begins(labelling: Labelling) -> None:
    page = labelling.page
    labelling.open()
    seen = labelling.look()
    expect(page.locator("#practice")).to_contain_text("Practice 1 of 2")
    page.keyboard.press(known(labelling))
    expect(page.get_by_role("heading", name="Right")).to_be_visible()
    expect(page.locator("#told")).to_contain_text("its other is nonsense")
    expect(page.get_by_role("button", name="Continue")).to_be_focused()
    assert labelling.texts() == seen, "the comparison stays while its answer is told"
    page.keyboard.press("1")
    page.keyboard.press("z")
    expect(labelling.notice).to_contain_text("cannot be taken back")
    page.get_by_role("button", name="Continue").focus()
    page.keyboard.press("Enter")
    labelling.moved_on_from(seen)
    expect(page.locator("#practice")).to_contain_text("Practice 2 of 2")
    seen = labelling.look()
    page.keyboard.press("0")
    expect(page.get_by_role("heading", name="is stronger")).to_be_visible()
    expect(page.locator("#told")).to_contain_text("You said neither.")
    page.locator("#stage").focus()
    page.keyboard.press("Enter")
    labelling.moved_on_from(seen)
    expect(page.locator("#practice")).to_be_hidden()
    expect(page.locator("#total")).to_have_text("0")
    labelling.press("1")
    labelling.all_sent()
    assert list(Label.objects.order_by("pk").values_list("kind", flat=True)) == [
        "practice",
        "practice",
        "work",
    ]


def test_practice_answered_offline_waits_for_the_network_to_be_told(
    labelling: Labelling, console: Console
) -> None:
    page = labelling.page
    console.expected = ("ERR_INTERNET_DISCONNECTED",)
    labelling.open()
    seen = labelling.look()
    page.context.set_offline(True)
    page.keyboard.press("1")
    expect(labelling.banner).to_contain_text("No connection")
    assert labelling.texts() == seen
    assert labelling.unsent() == 1
    page.context.set_offline(False)
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    labelling.moved_on_from(seen)
    labelling.all_sent()


def test_a_manager_may_skip_practice(
    labelling: Labelling, cast: Cast, sign_in: Callable[[User], None]
) -> None:
    sign_in(cast.admin)
    labelling.open()
    seen = labelling.look()
    labelling.page.get_by_role("button", name="Skip practice").click()
    labelling.moved_on_from(seen)
    expect(labelling.page.locator("#practice")).to_be_hidden()
    labelling.press("2")
    labelling.all_sent()
    assert Label.objects.get().kind == "work"


def test_annotators_are_not_offered_to_skip(labelling: Labelling) -> None:
    labelling.open()
    labelling.look()
    expect(labelling.page.get_by_role("button", name="Skip practice")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_while_the_answer_is_told(labelling: Labelling, theme: str, width: int) -> None:
    labelling.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    labelling.page.set_viewport_size({"width": width, "height": 900})
    labelling.open()
    labelling.look()
    labelling.page.keyboard.press("0")
    expect(labelling.page.get_by_role("button", name="Continue")).to_be_visible()
    assert findings(labelling.page) == []
    assert labelling.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    labelling.page.keyboard.press("Enter")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_on_the_checks_page(
    labelling: Labelling, cast: Cast, sign_in: Callable[[User], None], theme: str, width: int
) -> None:
    gold_sampling.from_scores(
        project=labelling.project, count=3, min_gap=1, use=Gold.Use.CHECK, by=cast.owner, at=NOW
    )
    gold.retire(gold=Gold.objects.latest("pk"), by=cast.owner, at=NOW)
    sign_in(cast.owner)
    labelling.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    labelling.page.set_viewport_size({"width": width, "height": 900})
    labelling.page.goto(f"{labelling.base}/projects/{labelling.project.slug}/checks/")
    assert findings(labelling.page) == []
    assert labelling.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
