from __future__ import annotations

from datetime import datetime

import pytest

from annotation.errors import Conflict, Invalid, NotAllowed, NotFound
from annotation.models import AuditEntry, Membership, Pool, Project
from annotation.selectors import preferences
from annotation.selectors import projects as selector
from annotation.services import projects
from tests.cast import Cast, add_preferences

pytestmark = pytest.mark.either


def test_a_new_project_has_two_empty_pools_and_its_owner(cast: Cast, at: datetime) -> None:
    made = projects.create(name="  Which is kinder? ", by=cast.owner, at=at, strategy="iterative", k=3)
    assert (made.slug, made.name, made.k) == ("which-is-kinder", "Which is kinder?", 3)
    assert sorted(Pool.objects.filter(project=made).values_list("split", "size")) == [
        ("heldout", 0),
        ("train", 0),
    ]
    assert Membership.objects.get(project=made).role == "owner"
    assert AuditEntry.objects.get(project=made).verb == "project.created"


def test_equal_names_get_different_addresses(cast: Cast, at: datetime) -> None:
    slugs = [projects.create(name="Twice", by=cast.owner, at=at).slug for _ in range(3)]
    assert slugs == ["twice", "twice-2", "twice-3"]
    assert projects.create(name="好的", by=cast.owner, at=at).slug == "project"


def test_only_who_may_create_projects_creates_one(cast: Cast, at: datetime) -> None:
    with pytest.raises(NotAllowed):
        projects.create(name="Mine", by=cast.ann_one, at=at)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("k", 0),
        ("k", 65),
        ("strategy", "psychic"),
        ("holdout_percent", 51),
        ("gold_percent", 51),
        ("retest_percent", -1),
        ("practice_size", 21),
        ("labels_per_comparison", 0),
        ("lease_minutes", 0),
        ("seed", 2**70),
    ],
)
def test_a_setting_out_of_range_is_named(cast: Cast, at: datetime, field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        projects.create(**{"name": "Fine", "by": cast.owner, "at": at, field: value})  # type: ignore[arg-type]
    assert list(refused.value.fields) == [field]
    assert not Project.objects.filter(name="Fine").exists()


def test_checks_can_always_be_changed_and_leave_half_to_the_work(cast: Cast, at: datetime) -> None:
    Pool.objects.filter(project=cast.project, split="train").update(counter=1)
    changed = projects.update(
        project=cast.project, by=cast.admin, at=at, gold_percent=30, retest_percent=20, practice_size=4
    )
    assert (changed.gold_percent, changed.retest_percent, changed.practice_size) == (30, 20, 4)
    with pytest.raises(Invalid) as refused:
        projects.update(project=cast.project, by=cast.admin, at=at, gold_percent=31)
    assert list(refused.value.fields) == ["retest_percent"]


def test_settings_that_shape_the_draw_are_fixed_once_drawing_began(cast: Cast, at: datetime) -> None:
    changed = projects.update(
        project=cast.project, by=cast.admin, at=at, k=5, holdout_percent=20, guidelines="New"
    )
    assert (changed.k, changed.holdout_percent, changed.guidelines) == (5, 20, "New")
    Pool.objects.filter(project=cast.project, split="train").update(counter=1)
    with pytest.raises(Conflict, match="seed can no longer"):
        projects.update(project=cast.project, by=cast.admin, at=at, seed=6, name="Renamed")
    assert Project.objects.get(pk=cast.project.pk).name == "Tone"
    projects.update(project=cast.project, by=cast.admin, at=at, k=5, name="Renamed", lease_minutes=3)
    assert Project.objects.get(pk=cast.project.pk).name == "Renamed"


def test_the_holdout_is_fixed_once_preferences_are_in(cast: Cast, at: datetime) -> None:
    add_preferences(cast.project, 2)
    with pytest.raises(Conflict, match="holdout_percent"):
        projects.update(project=cast.project, by=cast.owner, at=at, holdout_percent=11)
    assert projects.update(project=cast.project, by=cast.owner, at=at, k=7).k == 7


def test_unknown_fields_cannot_be_changed(cast: Cast, at: datetime) -> None:
    with pytest.raises(Invalid) as refused:
        projects.update(project=cast.project, by=cast.owner, at=at, created_by=cast.admin)
    assert "created_by" in refused.value.fields


def test_pausing_twice_leaves_one_trace(cast: Cast, at: datetime) -> None:
    for _ in range(2):
        assert projects.pause(project=cast.project, by=cast.admin, at=at).state == "paused"
    assert projects.archive(project=cast.project, by=cast.admin, at=at).state == "archived"
    assert projects.reopen(project=cast.project, by=cast.admin, at=at).state == "open"
    verbs = list(selector.audit(cast.owner, cast.project).values_list("verb", flat=True))
    assert verbs == ["project.reopened", "project.archived", "project.paused"]


def test_an_archived_project_is_not_paused_but_reopened(cast: Cast, at: datetime) -> None:
    projects.archive(project=cast.project, by=cast.admin, at=at)
    with pytest.raises(Conflict, match="archived"):
        projects.pause(project=cast.project, by=cast.admin, at=at)
    assert projects.reopen(project=cast.project, by=cast.admin, at=at).state == "open"


def test_annotators_manage_nothing_and_outsiders_see_nothing(cast: Cast, at: datetime) -> None:
    for person, refusal in ((cast.ann_one, NotAllowed), (cast.outsider, NotFound)):
        for deed in (projects.pause, projects.reopen, projects.archive, projects.update):
            with pytest.raises(refusal):
                deed(project=cast.project, by=person, at=at)
        for question in (selector.members, selector.invites, selector.audit, preferences.of_project):
            with pytest.raises(refusal):
                question(person, cast.project)


def test_a_project_is_found_by_slug_or_number_by_its_members_only(cast: Cast) -> None:
    for key in (cast.project.slug, cast.project.pk, str(cast.project.pk)):
        assert selector.get(cast.ann_one, key) == cast.project
    with pytest.raises(NotFound):
        selector.get(cast.outsider, cast.project.slug)
    for nonsense in ("no-such", "9" * 40, "٣"):
        with pytest.raises(NotFound):
            selector.get(cast.owner, nonsense)
    cast.outsider.is_superuser = True
    assert selector.get(cast.outsider, cast.project.slug) == cast.project
    assert selector.role_of(cast.outsider, cast.project) == "owner"
