from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation import tasks
from annotation.models import Analysis, Comparison, Label, Preference, PreferenceFlag, Strength
from tests.callers import signed_in
from tests.cast import NOW, Cast, add_preferences
from tests.pairs import answered_pairs

pytestmark = pytest.mark.either


def url(cast: Cast, name: str) -> str:
    return f"/api/v1/projects/{cast.project.slug}/{name}"


def got(cast: Cast, path: str) -> Any:
    answer = signed_in(cast.owner).get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()


def recomputed(cast: Cast) -> None:
    assert signed_in(cast.owner).post(url(cast, "consistency/recompute")).status_code == 202
    for row in Analysis.objects.all():
        tasks.run_analysis(row.pk)


def flag(comparison: Comparison, preference: Preference) -> None:
    label = Label.objects.get(comparison=comparison)
    PreferenceFlag.objects.create(project=label.project, preference=preference, label=label, at=NOW)


def test_consistency_says_what_was_found_and_when(cast: Cast) -> None:
    assert got(cast, url(cast, "consistency/")) == {"strengths": None, "cycles": None}
    one, two, three = add_preferences(cast.project, 3)
    answered_pairs(cast, [(one, two, "low"), (two, three, "low"), (one, three, "high")])
    signed_in(cast.owner).post(url(cast, "consistency/recompute"))
    assert got(cast, url(cast, "consistency/"))["cycles"]["state"] == "queued"
    recomputed(cast)
    found = got(cast, url(cast, "consistency/"))
    assert found["strengths"]["state"] == "done"
    assert found["strengths"]["result"]["splits"]["train"]["answers"] == 3
    assert found["cycles"]["result"]["splits"]["train"]["circles"] == 1
    assert found["cycles"]["computed_at"]


def test_strengths_come_in_pages_also_where_many_are_equal(cast: Cast) -> None:
    made = add_preferences(cast.project, 24)
    answered_pairs(cast, [(made[place], made[place + 1], "low") for place in range(0, 24, 2)])
    recomputed(cast)
    for query, sign in (("", -1), ("&weakest=true", 1)):
        path, ids, thetas = f"{url(cast, 'strengths/')}?page_size=5{query}", [], []
        while path:
            page = got(cast, path)
            ids += [row["preference_id"] for row in page["results"]]
            thetas += [row["theta"] for row in page["results"]]
            path = page["next"]
        assert sorted(ids) == [preference.pk for preference in made]
        assert thetas == sorted(thetas, key=lambda theta: sign * theta)
    assert got(cast, f"{url(cast, 'strengths/')}?split=heldout")["results"] == []


@pytest.mark.parametrize("after", ["x", "1", "nan_1", "1e999_2", "0.5_-1", "0.5_99999999999999999999"])
def test_a_place_that_was_never_written_is_unknown(cast: Cast, after: str) -> None:
    answer = signed_in(cast.owner).get(f"{url(cast, 'strengths/')}?after={after}")
    assert answer.status_code == 404


def test_flagged_preferences_with_their_counts(cast: Cast) -> None:
    one, two, three, four = add_preferences(cast.project, 4)
    first, second, third = answered_pairs(
        cast, [(one, two, "low"), (two, three, "low"), (three, four, "low")]
    )
    flag(first, two)
    flag(second, two)
    flag(third, four)
    Label.objects.filter(comparison=third).update(is_current=False)
    (row,) = got(cast, url(cast, "flags/"))["results"]
    assert (row["preference"]["id"], row["flags"]) == (two.pk, 2)
    answer = signed_in(cast.owner).post(
        f"/api/v1/preferences/{two.pk}/exclude", {"reason": "Swapped."}, format="json"
    )
    assert answer.json()["exclusion_reason"] == "Swapped."
    assert got(cast, url(cast, "flags/"))["results"] == []


def test_out_back_and_corrected(cast: Cast) -> None:
    one, two = add_preferences(cast.project, 2)
    answered_pairs(cast, [(one, two, "low")])
    caller, path = signed_in(cast.owner), f"/api/v1/preferences/{one.pk}"
    assert caller.post(f"{path}/exclude").json()["excluded_at"]
    assert caller.post(f"{path}/include").json()["excluded_at"] is None
    made = caller.post(f"{path}/correct").json()
    assert made["replaces_id"] == one.pk
    assert caller.post(f"{path}/include").status_code == 409
    assert caller.post(f"{path}/correct").status_code == 409
    assert caller.post("/api/v1/preferences/999999/exclude").status_code == 404


@pytest.mark.parametrize("name", ["strengths/", "flags/"])
def test_longer_lists_ask_no_more_queries(cast: Cast, name: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert got(cast, url(cast, name))["results"]
        return len(seen)

    made = add_preferences(cast.project, 12)
    for comparison in answered_pairs(cast, [(made[0], made[1], "low")]):
        flag(comparison, made[0])
    recomputed(cast)
    before = queries()
    for comparison in answered_pairs(cast, [(made[n], made[n + 1], "low") for n in range(2, 10)]):
        flag(comparison, comparison.low)
    recomputed(cast)
    assert Strength.objects.count() == 11
    assert queries() == before
