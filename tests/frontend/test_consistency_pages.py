"""The consistency pages: what was computed, flagged preferences, and what is done about them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation import tasks
from annotation.models import Analysis, Label, Preference, PreferenceFlag, Project
from frontend.figures import HEIGHT, columns
from tests.cast import NOW, Cast, add_preferences
from tests.frontend.conftest import signed_in
from tests.pairs import answered_pairs

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture
def owner(cast: Cast) -> Client:
    return signed_in(cast.owner)


def page(client: Client, name: str, cast: Cast, query: str = "") -> str:
    answer = client.get(reverse(name, args=[cast.project.slug]) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def circle(cast: Cast) -> list[Preference]:
    """Four preferences, three of which go round; one flag on the first."""
    made = add_preferences(cast.project, 4)
    one, two, three, four = made
    pairs = [(one, two, "low"), (two, three, "low"), (one, three, "high"), (one, four, "low")]
    flag(answered_pairs(cast, pairs)[0].labels.get(), one)
    return made


def flag(label: Label, preference: Preference) -> None:
    PreferenceFlag.objects.create(project=label.project, preference=preference, label=label, at=NOW)


def compute(client: Client, cast: Cast) -> None:
    assert client.post(reverse("consistency-recompute", args=[cast.project.slug])).status_code == 302
    for row in Analysis.objects.all():
        tasks.run_analysis(row.pk)


def test_before_anything_is_computed_the_pages_say_so(cast: Cast, owner: Client) -> None:
    assert "No strengths yet" in page(owner, "consistency", cast)
    assert "No cycles known" in page(owner, "consistency-cycles", cast)
    assert "No flags" in page(owner, "consistency-flags", cast)
    assert "Nothing is excluded" in page(owner, "consistency-flags", cast, "?show=excluded")


def test_while_a_worker_is_at_it_the_page_asks_again(cast: Cast, owner: Client) -> None:
    owner.post(reverse("consistency-recompute", args=[cast.project.slug]))
    shown = page(owner, "consistency-live", cast)
    assert 'hx-trigger="every 2s"' in shown
    for row in Analysis.objects.all():
        tasks.run_analysis(row.pk)
    ended = page(owner, "consistency-live", cast)
    assert "hx-trigger" not in ended
    assert 'hx-swap-oob="true"' in ended
    assert "disabled" not in ended


def test_strengths_are_listed_with_intervals_and_the_other_way_round(cast: Cast, owner: Client) -> None:
    made = circle(cast)
    compute(owner, cast)
    shown = page(owner, "consistency", cast)
    assert "all 4 answers on 4 preferences" in shown
    assert shown.count('class="interval"') == 4
    numbers = re.findall(r"#(\d)</span>", shown)
    assert numbers[-1] == str(made[3].number), "the one that only lost comes last"
    assert re.findall(r"#(\d)</span>", page(owner, "consistency", cast, "?order=weakest")) == numbers[::-1]


def test_pages_of_strengths_follow_each_other(cast: Cast, owner: Client) -> None:
    made = add_preferences(cast.project, 60)
    answered_pairs(cast, [(made[place], made[place + 1], "low") for place in range(0, 60, 2)])
    compute(owner, cast)
    seen: list[str] = []
    query = ""
    while True:
        shown = page(owner, "consistency", cast, query)
        seen += re.findall(r'small">#(\d+)</span>', shown)
        following = re.search(r'rel="next" href="([^"]+)"', shown)
        if following is None:
            break
        query = following[1].replace("&amp;", "&")
    assert sorted(map(int, seen)) == list(range(60))


def test_cycles_link_to_their_comparisons(cast: Cast, owner: Client) -> None:
    circle(cast)
    compute(owner, cast)
    shown = page(owner, "consistency-cycles", cast)
    links = re.findall(r"\?comparison=(\d+)", shown)
    assert len(links) == 3
    assert "circles of three, among 1 triangle<" in shown
    assert owner.get(reverse("project-labels", args=[cast.project.slug]) + f"?comparison={links[0]}")


def test_a_cycle_that_was_broken_since_is_not_shown(cast: Cast, owner: Client) -> None:
    made = circle(cast)
    compute(owner, cast)
    deed(owner, cast, made[1], "exclude")
    assert "?comparison=" not in page(owner, "consistency-cycles", cast)


def deed(client: Client, cast: Cast, preference: Preference, do: str, **more: str) -> Any:
    url = reverse("preference-change", args=[cast.project.slug, preference.pk])
    answer = client.post(url, {"do": do, **more}, follow=True)
    preference.refresh_from_db()
    return answer


def test_a_flagged_preference_is_corrected_with_one_click(cast: Cast, owner: Client) -> None:
    one = circle(cast)[0]
    assert "1 flag<" in page(owner, "consistency-flags", cast)
    answer = deed(owner, cast, one, "correct")
    assert "took its place" in answer.content.decode()
    assert Preference.objects.get(replaces=one).chosen == one.rejected
    assert "No flags" in page(owner, "consistency-flags", cast)


def test_who_flagged_a_preference_and_why_is_said(cast: Cast, owner: Client) -> None:
    circle(cast)
    label = PreferenceFlag.objects.get().label
    Label.objects.filter(pk=label.pk).update(reason="It <b>makes</b> things up.")
    shown = page(owner, "consistency-flags", cast)
    link = f'<a href="{reverse("label", args=[label.pk])}">{label.annotator}</a>'
    assert f'Flagged by {link}: <span dir="auto">“It &lt;b&gt;makes&lt;/b&gt; things up.”</span>' in shown


def test_a_correction_is_undone_from_the_list_of_the_excluded(cast: Cast, owner: Client) -> None:
    one = circle(cast)[0]
    deed(owner, cast, one, "correct")
    corrected = Preference.objects.get(replaces=one)
    shown = page(owner, "consistency-flags", cast, "?show=excluded")
    assert f"Exclude its corrected form, #{corrected.number}</button>" in shown
    assert reverse("preference-change", args=[cast.project.slug, corrected.pk]) in shown
    assert "Include again" not in shown
    deed(owner, cast, corrected, "exclude", excluded="1")
    assert "Exclude its corrected form" not in page(owner, "consistency-flags", cast, "?show=excluded")
    deed(owner, cast, one, "include", excluded="1")
    assert one.excluded_at is None


def test_excluded_and_included_again(cast: Cast, owner: Client) -> None:
    one = circle(cast)[0]
    deed(owner, cast, one, "exclude", reason="Not English.")
    assert "Not English." in page(owner, "consistency-flags", cast, "?show=excluded")
    answer = deed(owner, cast, one, "include", excluded="1")
    assert answer.redirect_chain[0][0].endswith("?show=excluded")
    assert one.excluded_at is None
    deed(owner, cast, one, "correct")
    refused = deed(owner, cast, one, "include")
    assert "corrected form is in the project" in refused.content.decode()


@pytest.mark.parametrize("name", ["consistency", "consistency-cycles", "consistency-flags"])
def test_longer_lists_ask_no_more_queries(cast: Cast, owner: Client, name: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            page(owner, name, cast)
        return len(seen)

    circle(cast)
    compute(owner, cast)
    queries()
    before = queries()
    for _ in range(3):
        circle(cast)
    compute(owner, cast)
    queries()
    assert queries() == before


def test_the_tallest_column_fills_the_drawing() -> None:
    one, other = columns({"edges": [-1.0, 0.0, 1.0], "counts": [2, 8]})
    assert (other.y, other.height, one.y) == (0, HEIGHT, 30)
    assert other.words == "0.00 to 1.00: 8"
    assert columns({}) == []


@pytest.mark.parametrize(("strategy", "shown"), [("active", True), ("iterative", True), ("random", False)])
def test_the_overview_counts_anchors_where_there_are_any(
    cast: Cast, owner: Client, strategy: str, shown: bool
) -> None:
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy)
    assert ("0 full · 0 open" in page(owner, "project", cast)) == shown
