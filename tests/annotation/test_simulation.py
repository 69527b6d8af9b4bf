from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Comparison, Gold, Label, Membership, Preference, Project, User
from annotation.selectors import tallies
from tests.annotation import invariants
from tests.annotation.checked import golds, project_with
from tests.cast import Cast, add_preferences, make_user

pytestmark = pytest.mark.either


def _simulate(project: Project, **options: object) -> str:
    out = StringIO()
    call_command("simulate_annotators", project.slug, stdout=out, **options)
    return out.getvalue()


def _margin(preference: Preference) -> float:
    assert preference.score_chosen is not None
    assert preference.score_rejected is not None
    return preference.score_chosen - preference.score_rejected


def test_noiseless_annotators_find_the_larger_margin(cast: Cast) -> None:
    add_preferences(cast.project, 20)
    said = _simulate(cast.project, labels=30, noise=0.0, min_gap=0.5)
    assert "30 labels given" in said
    assert Label.objects.count() == 30
    for comparison in Comparison.objects.select_related("low", "high"):
        gap = _margin(comparison.low) - _margin(comparison.high)
        expected = "none" if abs(gap) < 0.5 else "low" if gap > 0 else "high"
        assert comparison.outcome == expected
    invariants.check(cast.project)


def test_full_noise_turns_every_decisive_answer_round(cast: Cast) -> None:
    add_preferences(cast.project, 12)
    _simulate(cast.project, labels=10, noise=1.0, min_gap=0.0)
    decided = Comparison.objects.exclude(outcome="none").select_related("low", "high")
    assert decided
    for comparison in decided:
        assert comparison.outcome == ("high" if _margin(comparison.low) > _margin(comparison.high) else "low")


def test_a_second_simulation_with_the_same_seed_goes_on(cast: Cast) -> None:
    add_preferences(cast.project, 20)
    _simulate(cast.project, labels=5, seed=1)
    _simulate(cast.project, labels=5, seed=1)
    assert Label.objects.count() == 10


def test_simulated_people_are_members_who_cannot_sign_in(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    _simulate(cast.project, labels=3, annotators=3)
    _simulate(cast.project, labels=3, annotators=3)
    people = User.objects.filter(username__startswith="sim-")
    assert [person.has_usable_password() for person in people] == [False] * 3
    assert Membership.objects.filter(user__in=people, role="annotator").count() == 3


def test_a_real_persons_account_is_left_alone(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    make_user("sim-1")
    with pytest.raises(CommandError, match="real person"):
        _simulate(cast.project)


def test_empty_queue_stops_with_the_reason(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    said = _simulate(cast.project, labels=10)
    assert "Stopped after 1 of 10 labels: Everything is labelled." in said


def test_missing_scores_are_named(cast: Cast) -> None:
    add_preferences(cast.project, 4, scored=False)
    with pytest.raises(CommandError, match=r"4 preferences of .* have no scores"):
        _simulate(cast.project)


def test_unknown_project_is_named_with_those_there_are(cast: Cast) -> None:
    with pytest.raises(CommandError, match=cast.project.slug):
        call_command("simulate_annotators", "nowhere")


@pytest.mark.parametrize("options", [{"noise": 2.0}, {"annotators": 0}, {"labels": 0}, {"min_gap": -1.0}])
def test_senseless_options_are_refused(cast: Cast, options: dict[str, float]) -> None:
    with pytest.raises(CommandError):
        _simulate(cast.project, **options)


def test_simulated_annotators_practise_and_answer_gold_and_retests(cast: Cast) -> None:
    project_with(cast, size=40, practice_size=2, gold_percent=20, retest_percent=20)
    golds(cast, 6)
    golds(cast, 2, Gold.Use.PRACTICE)
    _simulate(cast.project, annotators=2, labels=120, noise=0.0, min_gap=0.0)
    sums = tallies.of_project(cast.project)
    assert Label.objects.filter(kind="practice").count() == 4
    assert sums.gold == sums.gold_right == Label.objects.filter(kind="gold", is_current=True).count() > 0
    assert sums.retests == sums.retests_same > 0
    invariants.check(cast.project)
