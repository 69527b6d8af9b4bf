from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pop_client.cli import app
from tests.callers import secret_of
from tests.cast import make_cast

pytestmark = pytest.mark.database


@pytest.mark.django_db(transaction=True)
def test_a_login_is_kept_for_its_owner_alone_and_used(
    live_server: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    cast = make_cast()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("POP_URL", raising=False)
    secret = secret_of(cast.owner)
    done = CliRunner().invoke(app, ["login", live_server.url], input=f"{secret}\n")
    assert done.exit_code == 0, done.output
    assert secret not in done.output
    assert (tmp_path / "pop" / "login.json").stat().st_mode & 0o777 == 0o600
    listed = CliRunner().invoke(app, ["projects", "--json"])
    assert json.loads(listed.stdout)["slug"] == cast.project.slug
