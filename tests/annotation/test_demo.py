from __future__ import annotations

import json
import stat
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from annotation import demo
from annotation.models import AuditEntry, Membership, PreferenceImport, Project, User
from annotation.services import projects

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture
def var_dir(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # scrypt takes seconds here
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        },
    }
    return tmp_path


def load() -> str:
    out = StringIO()
    call_command("load_demo", stdout=out)
    return out.getvalue()


def test_the_demo_has_accounts_guidelines_and_scored_preferences(var_dir: Path) -> None:
    printed = load()
    project = Project.objects.get()
    assert (project.strategy, project.k, project.state) == ("iterative", 2, "open")
    assert "better **by more**" in project.guidelines
    job = PreferenceImport.objects.get()
    assert (job.state, job.rows_rejected, job.rows_duplicate) == ("done", 0, 0)
    assert project.preferences.count() == job.rows_imported >= 80
    assert not project.preferences.filter(score_chosen=None).exists()
    assert project.preferences.filter(split="heldout").count() >= 2
    roles = dict(Membership.objects.values_list("user__username", "role"))
    assert roles == {"admin": "owner", "annotator": "annotator"}
    for account in demo.accounts():
        assert account.password in printed


def test_passwords_are_made_once_and_kept_from_other_users(var_dir: Path) -> None:
    load()
    file = var_dir / "demo_accounts.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = json.loads(file.read_text())
    assert all(len(password) >= 16 for password in kept.values())
    for name, password in kept.items():
        assert User.objects.get(username=name).check_password(password)


def test_loading_again_changes_nothing(var_dir: Path) -> None:
    load()

    def everything() -> list[Any]:
        tables = (Project, User, Membership, PreferenceImport, AuditEntry)
        return [list(table.objects.order_by("pk").values()) for table in tables] + [demo.accounts()]

    before = everything()
    load()
    assert everything() == before


def test_loading_again_finishes_what_was_interrupted(var_dir: Path, at: datetime) -> None:
    demo.load(at)
    Membership.objects.filter(role="annotator").delete()
    Project.objects.get().preferences.all().delete()
    PreferenceImport.objects.all().delete()
    for pool in Project.objects.get().pools.all():
        pool.size = 0
        pool.save()
    demo.load(at)
    assert Project.objects.get().preferences.count() >= 80
    assert Membership.objects.count() == 2


def test_somebody_who_is_called_admin_already_keeps_their_password(var_dir: Path, at: datetime) -> None:
    User.objects.create_user("admin", password="mine and only mine", can_create_projects=True)
    demo.load(at)
    assert User.objects.get(username="admin").check_password("mine and only mine")
    assert [account.username for account in demo.accounts()] == ["annotator"]


def test_a_changed_password_is_not_shown(var_dir: Path, at: datetime) -> None:
    project = demo.load(at)
    admin = User.objects.get(username="admin")
    admin.set_password("changed by its owner")
    admin.save()
    assert [account.username for account in demo.accounts()] == ["annotator"]
    assert projects.pause(project=project, by=admin, at=at).state == "paused"
