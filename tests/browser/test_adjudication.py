"""A reviewer at the disputed comparisons, by keyboard; axe finds nothing on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Adjudication, Comparison, Label, Preference
from tests.annotation.disputes import differ, settings
from tests.browser.test_accessibility import findings, theme, width
from tests.cast import reviewer_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from annotation.models import User
    from tests.browser.conftest import Console
    from tests.cast import Cast

__all__ = ["theme", "width"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "A sentence that goes on for a while, with `code` and **weight**.\n\n" * 40


class Queue:
    """The adjudication page on screen."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    def number(self) -> str:
        return self.page.locator("#case h2").first.inner_text()

    def press(self, key: str) -> None:
        """Look for as long as the guard against double presses lasts, press, wait for another case."""
        before = self.number()
        self.page.wait_for_function(
            "since => performance.now() - since > 400", arg=self.page.evaluate("performance.now()")
        )
        self.page.keyboard.press(key)
        expect(self.page.locator("#case h2").first).not_to_have_text(before)


@pytest.fixture
def waiting(cast: Cast) -> list[Comparison]:
    """Three comparisons that the annotators answered differently."""
    settings(cast, 8)
    differ(cast, 3)
    Label.objects.filter(annotator=cast.ann_one).update(reason="The other is *much* worse.")
    Label.objects.filter(annotator=cast.ann_two).update(first_looks_swapped=True)
    return list(Comparison.objects.filter(disputed=True).order_by("pk"))


@pytest.fixture
def queue(
    *,
    live_server: LiveServer,
    page: Page,
    cast: Cast,
    console: Console,
    sign_in: Callable[[User], None],
    waiting: list[Comparison],
) -> Queue:
    sign_in(reviewer_of(cast.project))
    return Queue(page, live_server.url + reverse("adjudication", args=[cast.project.slug]))


def test_a_reviewer_decides_skips_and_withdraws_by_keyboard(queue: Queue, waiting: list[Comparison]) -> None:
    page, names = queue.page, [f"Comparison {one.pk}" for one in waiting]
    page.goto(queue.url)
    assert queue.number() == names[0]
    expect(page.get_by_text("3 waiting")).to_be_visible()
    queue.press("s")
    assert queue.number() == names[1]
    page.keyboard.press("r")
    page.keyboard.type("1 and 2 are no keys here")
    expect(page.locator("#reason")).to_be_focused()
    page.keyboard.press("Escape")
    queue.press("2")
    assert queue.number() == names[2]
    expect(page.locator("#told-live")).to_have_text(f"{names[1]}: B is stronger.")
    expect(page.locator("#case .stage")).to_be_focused()
    queue.press("0")
    queue.press("1")
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_focused()
    made = Adjudication.objects.order_by("pk").values_list("comparison", "outcome", "reason")
    assert list(made) == [
        (waiting[1].pk, "high", "1 and 2 are no keys here"),
        (waiting[2].pk, "none", ""),
        (waiting[0].pk, "low", ""),
    ]
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="Decided").click()
    page.get_by_role("button", name=f"Withdraw the decision about comparison {waiting[1].pk}").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("is withdrawn")).to_be_visible()
    page.get_by_role("link", name="Waiting").click()
    assert queue.number() == names[1]


def test_a_double_press_decides_one_and_looks_at_the_next(queue: Queue, waiting: list[Comparison]) -> None:
    queue.page.goto(queue.url)
    queue.press("1")
    queue.page.keyboard.press("1")
    queue.press("s")
    assert Adjudication.objects.count() == 1
    assert queue.number() == f"Comparison {waiting[2].pk}"


def test_a_manager_sees_the_count_of_the_tab_go_down(
    queue: Queue, cast: Cast, sign_in: Callable[[User], None]
) -> None:
    sign_in(cast.owner)
    queue.page.goto(queue.url)
    expect(queue.page.locator("[data-disputes-count]")).to_have_text("3")
    queue.press("1")
    expect(queue.page.locator("[data-disputes-count]")).to_have_text("2")


@pytest.mark.parametrize("who", ["reviewer", "owner"])
def test_axe_finds_nothing_and_nothing_overflows(
    *, queue: Queue, cast: Cast, sign_in: Callable[[User], None], who: str, theme: str, width: int
) -> None:
    Preference.objects.update(chosen=[{"role": "assistant", "content": LONG + "x" * 300}])
    sign_in(cast.owner if who == "owner" else reviewer_of(cast.project))
    page = queue.page
    page.goto(queue.url)
    for key in ("", "1", "2", "0"):
        if key:
            queue.press(key)
        assert findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Decided").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert findings(page) == []
    page.locator("tbody a").first.click()
    expect(page.get_by_role("button", name="Withdraw…")).to_be_visible()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
