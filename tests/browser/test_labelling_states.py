"""What the comparison page says when there is no comparison, and in iterative projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from annotation.models import Assignment, Project
from annotation.services import assignments
from tests.cast import NOW, add_preferences

if TYPE_CHECKING:
    from annotation.models import User
    from tests.browser.conftest import Console
    from tests.browser.labelling import Labelling

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def says(labelling: Labelling, heading: str) -> None:
    expect(labelling.page.get_by_role("heading", name=heading)).to_be_visible()
    expect(labelling.page.get_by_role("button", name="A is stronger")).to_be_disabled()


def test_no_preferences_yet(labelling: Labelling) -> None:
    labelling.open()
    says(labelling, "Nothing to compare yet")


@pytest.mark.parametrize(
    ("state", "heading"), [("paused", "This project is paused"), ("archived", "This project is closed")]
)
def test_a_project_that_is_not_open(labelling: Labelling, project: Project, state: str, heading: str) -> None:
    add_preferences(project, 4)
    Project.objects.filter(pk=project.pk).update(state=state)
    labelling.open()
    says(labelling, heading)


def test_others_hold_what_is_left(labelling: Labelling, project: Project, ann_two: User) -> None:
    add_preferences(project, 2)  # one pair
    held = assignments.next_for(project=project, by=ann_two, at=NOW)
    assert held
    Assignment.objects.update(expires_at=NOW.replace(year=NOW.year + 9))
    labelling.open()
    says(labelling, "Others are at the last ones")


def test_the_last_answer_ends_in_thanks_and_can_still_be_undone(
    labelling: Labelling, project: Project
) -> None:
    add_preferences(project, 2)
    labelling.open()
    labelling.press("1")
    says(labelling, "All labels are in")
    labelling.all_sent()
    labelling.page.keyboard.press("z")
    labelling.press("2")
    says(labelling, "All labels are in")
    labelling.all_sent()
    assert project.labels.get(is_current=True).verdict == "second"


def test_others_have_still_to_answer(labelling: Labelling, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(labels_per_comparison=2)
    add_preferences(project, 2)
    labelling.open()
    labelling.press("1")
    says(labelling, "You have labelled all you can")


def test_new_preferences_appear_when_the_page_is_looked_at_again(
    labelling: Labelling, project: Project
) -> None:
    labelling.open()
    says(labelling, "Nothing to compare yet")
    add_preferences(project, 4)
    labelling.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    labelling.look()


def test_a_server_error_is_waited_out(labelling: Labelling, project: Project, console: Console) -> None:
    console.expected = ("Failed to load resource",)
    add_preferences(project, 4)
    labelling.page.route("**/label/next", lambda route: route.fulfill(status=502, body="bad gateway"))
    labelling.open()
    expect(labelling.page.get_by_role("heading", name="No connection")).to_be_visible()
    labelling.page.unroute("**/label/next")
    labelling.page.get_by_role("button", name="Try now").click()
    labelling.look()
    expect(labelling.banner).to_be_hidden()


def test_the_card_that_stays_is_marked_as_the_same(labelling: Labelling, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(strategy="iterative", k=4, reuse=False)
    add_preferences(project, 10)
    labelling.open()
    before = labelling.press("0").split(" | ")
    after = labelling.texts().split(" | ")
    marks = [labelling.cards.nth(side).locator("[data-kept]:not([hidden])").count() for side in (0, 1)]
    assert marks == [int(text in before) for text in after]
    assert sum(marks) == 1, "an anchor with places left stays"
