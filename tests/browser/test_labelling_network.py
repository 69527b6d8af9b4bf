"""What happens to answers when the network, the session or the lease goes away."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from annotation.models import Assignment, Label, LabelEvent
from annotation.services import assignments
from tests.cast import PASSWORD, add_preferences

if TYPE_CHECKING:
    from annotation.models import Project, User
    from tests.browser.conftest import Console
    from tests.browser.labelling import Labelling

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def pool(project: Project, console: Console) -> None:
    add_preferences(project, 12)
    console.expected = ("Failed to load resource",)  # the browser's own words for a failed request


def _go_offline_with_one_fetched_ahead(labelling: Labelling) -> None:
    labelling.open()
    labelling.press("1")
    labelling.all_sent()
    labelling.look()
    labelling.page.context.set_offline(True)


def test_offline_answers_wait_and_arrive_once(labelling: Labelling) -> None:
    _go_offline_with_one_fetched_ahead(labelling)
    labelling.press("2")
    labelling.look()
    labelling.page.keyboard.press("0")
    expect(labelling.banner).to_contain_text("2 labels waiting to be sent")
    expect(labelling.page.get_by_role("heading", name="No connection")).to_be_visible()
    labelling.page.context.set_offline(False)
    labelling.look()
    expect(labelling.banner).to_be_hidden()
    labelling.all_sent()
    assert list(Label.objects.values_list("verdict", flat=True)) == ["first", "second", "too_close"]
    assert LabelEvent.objects.count() == 3


def test_a_reload_while_offline_loses_nothing(labelling: Labelling) -> None:
    _go_offline_with_one_fetched_ahead(labelling)
    labelling.press("2")
    expect(labelling.banner).to_contain_text("1 label waiting to be sent")
    labelling.page.goto("about:blank")
    labelling.page.context.set_offline(False)
    labelling.open()
    labelling.look()
    labelling.all_sent()
    assert list(Label.objects.values_list("verdict", flat=True)) == ["first", "second"]


# The server has answered, the page does not hear of it: what a connection that breaks then looks like to it.
LOSE_THE_FIRST_REPLY = """
window.replies = 0;
const whole = window.fetch;
window.fetch = async (...asked) => {
  const reply = await whole(...asked);
  if (!String(asked[0]).endsWith("/label/answer")) return reply;
  window.replies += 1;
  if (window.replies === 1) throw new TypeError("The reply got lost.");
  return reply;
};
"""


def test_an_answer_whose_reply_got_lost_is_counted_once(labelling: Labelling) -> None:
    labelling.page.add_init_script(LOSE_THE_FIRST_REPLY)
    labelling.open()
    labelling.press("1")
    labelling.page.wait_for_function("() => window.replies === 2")  # the first is lost, the second is heard
    labelling.all_sent()
    assert Label.objects.count() == 1


def test_an_unsent_answer_can_be_taken_back(labelling: Labelling) -> None:
    _go_offline_with_one_fetched_ahead(labelling)
    labelling.press("2")
    expect(labelling.banner).to_contain_text("1 label waiting")
    second = labelling.press("2")
    assert labelling.unsent() == 2
    labelling.page.keyboard.press("z")
    assert labelling.texts() == second
    assert labelling.unsent() == 1
    labelling.page.context.set_offline(False)
    labelling.press("0")
    labelling.all_sent()
    assert list(Label.objects.values_list("verdict", flat=True)) == ["first", "second", "too_close"]


def test_signed_out_keeps_the_answer_until_signed_in_again(labelling: Labelling, ann_one: User) -> None:
    labelling.open()
    labelling.look()
    Session.objects.all().delete()
    labelling.page.keyboard.press("1")
    expect(labelling.banner).to_contain_text("You are signed out. 1 label waiting to be sent")
    assert not Label.objects.exists()
    labelling.page.on("dialog", lambda dialog: dialog.accept())  # "leave this page?"
    labelling.banner.get_by_role("link", name="Sign in again").click()
    labelling.page.get_by_label("User name").fill(ann_one.username)
    labelling.page.get_by_label("Password").fill(PASSWORD)
    labelling.page.get_by_role("main").get_by_role("button", name="Sign in").click()
    labelling.page.wait_for_url(labelling.url)
    labelling.look()
    labelling.all_sent()
    assert Label.objects.get().verdict == "first"


def test_a_lost_lease_is_said_in_words(labelling: Labelling, project: Project, ann_two: User) -> None:
    labelling.open()
    seen = labelling.look()
    now = timezone.now()
    Assignment.objects.filter(state="leased").update(expires_at=now - timedelta(seconds=1))
    assignments.expire(now)
    taken: list[int] = []
    for _ in range(2):  # the one on screen and the one fetched ahead
        got = assignments.next_for(project=project, by=ann_two, at=now, exclude=taken)
        assert got is not None
        taken.append(got.pk)
    labelling.page.keyboard.press("1")
    labelling.moved_on_from(seen)
    expect(labelling.notice).to_contain_text("was not counted")
    labelling.notice.get_by_role("button", name="Close").click()
    expect(labelling.notice).to_be_hidden()


def test_coming_back_after_the_lease_ran_out_says_so(labelling: Labelling) -> None:
    labelling.open()
    labelling.look()
    now = timezone.now()
    Assignment.objects.filter(state="leased").update(expires_at=now - timedelta(seconds=1))
    assignments.expire(now)
    labelling.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(labelling.notice).to_contain_text("You were away for longer than a comparison is kept for you")
    labelling.press("1")
    labelling.all_sent()
    assert Label.objects.count() == 1
