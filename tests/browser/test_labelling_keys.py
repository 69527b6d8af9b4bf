"""An annotator who never touches the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from annotation.models import Assignment, Label
from tests.cast import add_preferences

if TYPE_CHECKING:
    from annotation.models import Project
    from tests.browser.labelling import Labelling

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def pool(project: Project) -> None:
    add_preferences(project, 12)


def test_each_key_gives_its_answer(labelling: Labelling) -> None:
    labelling.open()
    for key in ("1", "2", "0"):
        labelling.press(key)
    labelling.all_sent()
    assert list(Label.objects.values_list("verdict", flat=True)) == ["first", "second", "too_close"]


def test_cannot_judge_asks_for_a_reason_and_takes_none_too(labelling: Labelling) -> None:
    labelling.open()
    seen = labelling.look()
    labelling.page.keyboard.press("x")
    expect(labelling.page.locator("#reason-dialog")).to_be_visible()
    labelling.page.keyboard.press("Enter")
    labelling.moved_on_from(seen)
    seen = labelling.look()
    labelling.page.keyboard.press("x")
    labelling.page.get_by_label("In your words").fill("Both 1 and 2 are in Latin")
    labelling.page.keyboard.press("Enter")
    labelling.moved_on_from(seen)
    labelling.all_sent()
    assert list(Label.objects.values_list("verdict", "reason")) == [
        ("cannot_judge", ""),
        ("cannot_judge", "Both 1 and 2 are in Latin"),
    ]


def test_escape_leaves_the_reason_dialog_without_an_answer(labelling: Labelling) -> None:
    labelling.open()
    seen = labelling.look()
    labelling.page.keyboard.press("x")
    labelling.page.keyboard.press("1")  # picks nothing, answers nothing: a dialog is open
    labelling.page.keyboard.press("Escape")
    expect(labelling.page.locator("#reason-dialog")).to_be_hidden()
    assert labelling.texts() == seen
    assert labelling.unsent() == 0
    assert not Label.objects.exists()


def test_looks_swapped_is_flagged_by_key_and_stored_with_the_answer(labelling: Labelling) -> None:
    labelling.open()
    labelling.look()
    labelling.page.keyboard.press("f")
    labelling.page.keyboard.press("2")
    labelling.page.keyboard.press("f")
    expect(labelling.page.locator("#swapped-dialog")).to_be_hidden()
    expect(labelling.page.locator("[data-flag=second]")).to_have_attribute("aria-pressed", "true")
    labelling.press("1")
    labelling.press("1")
    labelling.all_sent()
    flags = Label.objects.values_list("first_looks_swapped", "second_looks_swapped")
    assert list(flags) == [(False, True), (False, False)]


def test_the_order_shown_is_the_order_recorded(labelling: Labelling) -> None:
    labelling.open()
    labelling.look()
    prompt_a = labelling.cards.first.locator(".text--prompt .prose").inner_text()
    labelling.press("1")
    labelling.all_sent()
    label = Label.objects.select_related("comparison__low", "comparison__high").get()
    shown_first = label.comparison.low if label.low_first else label.comparison.high
    assert shown_first.prompt[0]["content"] == prompt_a


def test_undo_brings_the_comparison_back_and_it_is_answered_once(labelling: Labelling) -> None:
    labelling.open()
    answered = labelling.press("1")
    labelling.all_sent()
    after = labelling.look()
    labelling.page.keyboard.press("z")
    labelling.moved_on_from(after)
    assert labelling.texts() == answered
    labelling.press("2")
    assert labelling.texts() == after, "the comparison that was on screen comes next"
    labelling.all_sent()
    assert Label.objects.get(is_current=True).verdict == "second"
    assert Label.objects.filter(is_current=False).count() == 1


def test_guidelines_and_keys_are_one_key_away(labelling: Labelling, project: Project) -> None:
    type(project).objects.filter(pk=project.pk).update(guidelines="Look at the **gap**, not the topic.")
    labelling.open()
    labelling.look()
    labelling.page.keyboard.press("g")
    expect(labelling.page.locator("#guidelines strong", has_text="gap")).to_be_visible()
    labelling.page.keyboard.press("Escape")
    labelling.page.keyboard.press("?")
    expect(labelling.page.locator("#keys")).to_be_visible()


def test_a_double_press_answers_once(labelling: Labelling) -> None:
    labelling.open()
    seen = labelling.look()
    labelling.page.keyboard.press("1")
    labelling.page.keyboard.press("1")
    labelling.moved_on_from(seen)
    labelling.look()
    labelling.all_sent()
    assert Label.objects.count() == 1


def test_a_held_key_answers_once(labelling: Labelling) -> None:
    labelling.open()
    seen = labelling.look()
    labelling.page.keyboard.down("1")
    labelling.moved_on_from(seen)
    labelling.look()
    labelling.page.keyboard.down("1")  # Playwright sends a repeat while the key is down
    labelling.page.keyboard.up("1")
    labelling.all_sent()
    assert Label.objects.count() == 1


def test_tab_and_enter_work_too_and_the_focus_stays(labelling: Labelling) -> None:
    labelling.open()
    seen = labelling.look()
    button = labelling.page.get_by_role("button", name="A is stronger")
    button.focus()
    labelling.page.keyboard.press("Enter")
    labelling.moved_on_from(seen)
    expect(button).to_be_focused()
    labelling.all_sent()
    assert Label.objects.get().verdict == "first"


def test_one_comparison_is_shown_and_one_fetched_ahead(labelling: Labelling) -> None:
    labelling.open()
    labelling.press("1")
    labelling.all_sent()
    held = Assignment.objects.filter(state="leased")
    labelling.page.wait_for_function("() => document.querySelectorAll('.pref').length === 2")
    assert held.count() == 2
