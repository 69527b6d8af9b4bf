from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from annotation.models import Label
from annotation.services import assignments
from tests.annotation import invariants
from tests.cast import Cast, add_preferences

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def _database_url() -> str:
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{known['NAME']}"
    secret = f":{known['PASSWORD']}" if known["PASSWORD"] else ""
    return f"postgres://{known['USER']}{secret}@{known['HOST']}:{known['PORT'] or 5432}/{known['NAME']}"


def _start(cast: Cast, folder: Path) -> subprocess.Popen[str]:
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": _database_url(),
        "POP_VAR_DIR": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.annotation.labelling_child", cast.project.slug, cast.ann_one.username],
        cwd=settings.BASE_DIR,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("acknowledged", [1, 7])
def test_acknowledged_labels_survive_kill_9(cast: Cast, tmp_path: Path, acknowledged: int) -> None:
    """The process dies at once after an acknowledgement, somewhere inside its next deed."""
    add_preferences(cast.project, 400)
    child = _start(cast, tmp_path)
    assert child.stdout
    seen = [int(child.stdout.readline()) for _ in range(acknowledged)]
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate(timeout=60)
    seen += [int(line) for line in rest.split()]
    assert child.returncode == -signal.SIGKILL
    assert set(seen) <= set(Label.objects.values_list("pk", flat=True))
    invariants.check(cast.project)
    assert assignments.next_for(project=cast.project, by=cast.ann_one, at=timezone.now())
