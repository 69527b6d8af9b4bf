from __future__ import annotations

import pytest

from annotation import rules
from annotation.errors import NotAllowed, NotFound
from tests.cast import Cast, make_user

pytestmark = pytest.mark.either


def test_owner_may_do_everything(cast: Cast) -> None:
    rules.check_view(cast.owner, cast.project)
    rules.check_annotate(cast.owner, cast.project)
    rules.check_manage(cast.owner, cast.project)
    rules.check_own(cast.owner, cast.project)


def test_admin_manages_but_does_not_own(cast: Cast) -> None:
    rules.check_manage(cast.admin, cast.project)
    with pytest.raises(NotAllowed):
        rules.check_own(cast.admin, cast.project)


def test_annotator_labels_but_does_not_manage(cast: Cast) -> None:
    rules.check_annotate(cast.ann_one, cast.project)
    with pytest.raises(NotAllowed):
        rules.check_manage(cast.ann_one, cast.project)


@pytest.mark.parametrize(
    "check", [rules.check_view, rules.check_annotate, rules.check_manage, rules.check_own]
)
def test_project_does_not_exist_for_outsiders(cast: Cast, check: object) -> None:
    assert callable(check)
    with pytest.raises(NotFound):
        check(cast.outsider, cast.project)


def test_superuser_counts_as_owner(cast: Cast) -> None:
    root = make_user("root", is_superuser=True)
    assert rules.can_own(root, cast.project)
    assert rules.can_create_project(root)


def test_deactivated_member_is_an_outsider(cast: Cast) -> None:
    cast.owner.is_active = False
    assert not rules.can_view(cast.owner, cast.project)


def test_only_people_with_the_right_create_projects(cast: Cast) -> None:
    rules.check_create_project(cast.owner)
    with pytest.raises(NotAllowed):
        rules.check_create_project(cast.ann_one)
