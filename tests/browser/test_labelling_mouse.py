"""An annotator with a mouse, and one with a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from annotation.models import Label, Preference
from tests.cast import add_preferences

if TYPE_CHECKING:
    from annotation.models import Project
    from tests.browser.labelling import Labelling

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def pool(project: Project) -> None:
    add_preferences(project, 8)


def test_buttons_answer_flag_and_undo(labelling: Labelling) -> None:
    labelling.open()
    labelling.look()
    labelling.page.get_by_role("button", name="A: Looks swapped").click()
    labelling.click("B is stronger")
    labelling.click("Too close")
    labelling.all_sent()
    labelling.click("Undo")
    labelling.click("A is stronger")
    labelling.all_sent()
    current = Label.objects.filter(is_current=True).values_list("verdict", "first_looks_swapped")
    assert list(current) == [("second", True), ("first", False)]


def test_space_after_a_click_scrolls_and_does_not_answer_again(labelling: Labelling) -> None:
    labelling.open()
    labelling.click("A is stronger")
    labelling.look()
    labelling.page.keyboard.press("Space")
    labelling.look()
    labelling.all_sent()
    assert Label.objects.count() == 1


def test_a_double_click_answers_once(labelling: Labelling) -> None:
    labelling.open()
    seen = labelling.look()
    labelling.page.get_by_role("button", name="A is stronger").dblclick()
    labelling.moved_on_from(seen)
    labelling.look()
    labelling.all_sent()
    assert Label.objects.count() == 1


def test_a_reason_can_be_picked(labelling: Labelling) -> None:
    labelling.open()
    seen = labelling.look()
    labelling.page.get_by_role("button", name="Cannot judge").click()
    labelling.page.get_by_label("A text is broken, cut off or empty").check()
    labelling.page.get_by_role("button", name="Answer “cannot judge”").click()
    labelling.moved_on_from(seen)
    labelling.all_sent()
    assert Label.objects.get().reason == "A text is broken, cut off or empty"


def test_counts_follow_each_answer(labelling: Labelling) -> None:
    labelling.open()
    labelling.click("A is stronger")
    expect(labelling.page.locator("#today")).to_have_text("1")
    labelling.click("A is stronger")
    labelling.all_sent()
    expect(labelling.page.locator("#today")).to_have_text("2")
    expect(labelling.page.locator("#done")).to_have_text("2")


def test_long_texts_are_shortened_and_shown_whole_on_demand(labelling: Labelling) -> None:
    Preference.objects.update(chosen=[{"role": "assistant", "content": "A line.\n\n" * 80}])
    labelling.open()
    labelling.look()
    buttons = labelling.page.locator(".text--chosen [data-expand]")
    body = labelling.page.locator(".text--chosen .text__body").first
    expect(buttons.first).to_be_visible()
    short = body.bounding_box()
    buttons.first.click()
    expect(buttons.first).to_have_attribute("aria-expanded", "true")
    whole = body.bounding_box()
    assert short
    assert whole
    assert whole["height"] > 2 * short["height"]
    labelling.page.keyboard.press("e")
    expect(buttons.nth(1)).to_have_attribute("aria-expanded", "true")
    labelling.page.keyboard.press("e")
    expect(buttons.first).to_have_attribute("aria-expanded", "false")


def test_of_a_long_conversation_the_latest_turn_is_in_sight(labelling: Labelling) -> None:
    turns = [{"role": ("user", "assistant")[i % 2], "content": f"Turn {i}.\n\n" * 6} for i in range(5)]
    Preference.objects.update(prompt=turns)
    labelling.open()
    labelling.look()
    prompt = labelling.page.locator(".text--prompt .text__body").first
    box, latest = prompt.bounding_box(), prompt.locator(".turn p").last.bounding_box()
    assert box
    assert latest
    assert box["y"] <= latest["y"] < box["y"] + box["height"]


def test_on_a_phone_nothing_is_cut_off_and_the_answers_stay_in_reach(labelling: Labelling) -> None:
    labelling.page.set_viewport_size({"width": 390, "height": 844})
    labelling.open()
    labelling.look()
    width = labelling.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, "the page scrolls sideways"
    first, second = (labelling.cards.nth(index).bounding_box() for index in (0, 1))
    assert first
    assert second
    assert second["y"] >= first["y"] + first["height"], "the cards stand one above the other"
    labelling.page.mouse.wheel(0, 400)
    for name in ("A is stronger", "Too close", "B is stronger", "Cannot judge", "Undo"):
        expect(labelling.page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    labelling.click("B is stronger")
    labelling.all_sent()
    assert Label.objects.get().verdict == "second"


def test_done_for_now_gives_back_what_was_held(labelling: Labelling, project: Project) -> None:
    labelling.open()
    labelling.click("A is stronger")
    labelling.all_sent()
    labelling.page.get_by_role("button", name="Done").click()
    labelling.page.wait_for_url(f"{labelling.base}/")
    assert not project.assignments.filter(state="leased").exists()
