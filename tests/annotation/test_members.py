from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from annotation import rules
from annotation.errors import Conflict, Invalid, NotAllowed, NotFound
from annotation.models import AuditEntry, Invite, Membership, Role, User
from annotation.services import accounts, invites, members
from tests.cast import Cast

pytestmark = pytest.mark.either


def test_an_admin_changes_roles_but_never_owners(cast: Cast, at: datetime) -> None:
    assert (
        members.set_role(project=cast.project, user=cast.ann_one, role="admin", by=cast.admin, at=at).role
        == "admin"
    )
    with pytest.raises(NotAllowed, match="owner"):
        members.set_role(project=cast.project, user=cast.ann_one, role="owner", by=cast.admin, at=at)
    with pytest.raises(NotAllowed, match="owner"):
        members.set_role(project=cast.project, user=cast.owner, role="annotator", by=cast.admin, at=at)
    with pytest.raises(NotAllowed, match="owner"):
        members.remove(project=cast.project, user=cast.owner, by=cast.admin, at=at)
    with pytest.raises(Invalid):
        members.set_role(project=cast.project, user=cast.ann_one, role="king", by=cast.owner, at=at)


def test_the_last_owner_can_neither_leave_nor_step_down(cast: Cast, at: datetime) -> None:
    with pytest.raises(Conflict, match="owner first"):
        members.remove(project=cast.project, user=cast.owner, by=cast.owner, at=at)
    with pytest.raises(Conflict, match="owner first"):
        members.set_role(project=cast.project, user=cast.owner, role="admin", by=cast.owner, at=at)
    members.set_role(project=cast.project, user=cast.admin, role="owner", by=cast.owner, at=at)
    members.remove(project=cast.project, user=cast.owner, by=cast.owner, at=at)
    assert not Membership.objects.filter(project=cast.project, user=cast.owner).exists()


def test_removing_a_member_leaves_a_trace_and_needs_a_manager(cast: Cast, at: datetime) -> None:
    with pytest.raises(NotAllowed):
        members.remove(project=cast.project, user=cast.ann_two, by=cast.ann_one, at=at)
    members.remove(project=cast.project, user=cast.ann_two, by=cast.admin, at=at)
    assert AuditEntry.objects.get(verb="member.removed").target == "ann_two"
    with pytest.raises(NotFound):
        members.remove(project=cast.project, user=cast.ann_two, by=cast.admin, at=at)


def test_an_invite_makes_one_member_and_keeps_its_secret_hashed(cast: Cast, at: datetime) -> None:
    invite, secret = invites.create(project=cast.project, role="annotator", by=cast.admin, at=at)
    assert len(secret) > 40
    assert secret not in str(Invite.objects.values().get())
    joined = invites.accept(secret=secret, by=cast.outsider, at=at)
    assert (joined.user, joined.role) == (cast.outsider, "annotator")
    assert invites.accept(secret=secret, by=cast.outsider, at=at).pk == joined.pk
    invite.refresh_from_db()
    assert invite.uses == 1


def test_a_used_up_expired_revoked_or_unknown_invite_says_so(cast: Cast, at: datetime) -> None:
    used, used_secret = invites.create(project=cast.project, role="annotator", by=cast.owner, at=at)
    Invite.objects.filter(pk=used.pk).update(uses=1)
    _, old_secret = invites.create(
        project=cast.project, role="admin", by=cast.owner, at=at - timedelta(days=15)
    )
    gone, gone_secret = invites.create(project=cast.project, role="admin", by=cast.owner, at=at)
    assert invites.revoke(invite=gone, by=cast.admin, at=at).revoked_at == at
    words = {
        used_secret: "used up",
        old_secret: "expired",
        gone_secret: "revoked",
        "guess": "not valid",
        "\ud800": "not",
    }
    for secret, word in words.items():
        for deed in (
            lambda s: invites.find(s, at),
            lambda s: invites.accept(secret=s, by=cast.outsider, at=at),
            lambda s: accounts.register(secret=s, username="new", password="tall green hills", at=at),
        ):
            with pytest.raises(NotFound, match=word):
                deed(secret)
    assert not User.objects.filter(username="new").exists()


def test_an_invite_may_make_a_reviewer(cast: Cast, at: datetime) -> None:
    _, secret = invites.create(project=cast.project, role="reviewer", by=cast.admin, at=at)
    assert invites.accept(secret=secret, by=cast.outsider, at=at).role == Role.REVIEWER
    assert rules.can_review(cast.outsider, cast.project)
    assert not rules.can_manage(cast.outsider, cast.project)


def test_an_invite_never_makes_an_owner(cast: Cast, at: datetime) -> None:
    with pytest.raises(Invalid) as refused:
        invites.create(project=cast.project, role="owner", by=cast.owner, at=at, max_uses=0, valid_days=0)
    assert set(refused.value.fields) == {"role", "max_uses", "valid_days"}
    with pytest.raises(NotAllowed):
        invites.create(project=cast.project, role="annotator", by=cast.ann_one, at=at)


def test_registering_through_an_invite_makes_account_and_membership(cast: Cast, at: datetime) -> None:
    _, secret = invites.create(project=cast.project, role="annotator", by=cast.owner, at=at, max_uses=2)
    user = accounts.register(secret=secret, username="mara", password="tall green hills", at=at)
    assert user.check_password("tall green hills")
    assert Membership.objects.get(user=user).project == cast.project
    with pytest.raises(Invalid) as refused:
        accounts.register(secret=secret, username="MARA", password="short", at=at)
    assert set(refused.value.fields) == {"username", "password"}
    assert Invite.objects.get().uses == 1
    with pytest.raises(Invalid) as refused:
        accounts.register(secret=secret, username="a b", password="tall green hills", at=at)
    assert set(refused.value.fields) == {"username"}


def test_ensuring_an_account_never_changes_one_that_is_there(cast: Cast) -> None:
    made = accounts.ensure("demo", "first password", can_create_projects=True)
    again = accounts.ensure("demo", "second password")
    assert again.pk == made.pk
    assert again.can_create_projects
    assert again.check_password("first password")


@pytest.mark.parametrize("deed", ["removed", "demoted", "deactivated"])
def test_who_no_longer_manages_comes_back_by_no_invite_of_their_own(
    cast: Cast, at: datetime, deed: str
) -> None:
    _, secret = invites.create(project=cast.project, role="admin", by=cast.admin, at=at, max_uses=9)
    if deed == "removed":
        members.remove(project=cast.project, user=cast.admin, by=cast.owner, at=at)
    elif deed == "demoted":
        members.set_role(project=cast.project, user=cast.admin, role="annotator", by=cast.owner, at=at)
    else:
        User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    with pytest.raises(NotFound, match="invite"):
        invites.accept(secret=secret, by=cast.outsider, at=at)
    with pytest.raises(NotFound, match="invite"):
        accounts.register(secret=secret, username="friend", password="quite a long one", at=at)
    assert not Membership.objects.filter(project=cast.project, user=cast.outsider).exists()
    # Shown as what they are, where managers look.
    assert (Invite.objects.get().revoked_at is None) == (deed == "deactivated")


def test_invites_of_others_outlive_a_removed_member(cast: Cast, at: datetime) -> None:
    _, secret = invites.create(project=cast.project, role="annotator", by=cast.owner, at=at)
    members.remove(project=cast.project, user=cast.admin, by=cast.owner, at=at)
    assert invites.accept(secret=secret, by=cast.outsider, at=at).role == "annotator"
