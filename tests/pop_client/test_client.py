"""The client against a real server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from annotation.exports import EXPORTS
from annotation.models import PopDataset, User
from pop_client import ApiError, Client, Unreachable
from pop_client.cli import app
from tests import world
from tests.callers import secret_of
from tests.cast import make_cast
from tests.frontend.conftest import make_run


@pytest.mark.django_db(transaction=True)
def test_projects_datasets_and_downloads_over_http(live_server: Any, tmp_path: Path, settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    made = world.build()
    owner = User.objects.get(pk=made["owner"])
    kind = next(iter(EXPORTS))
    with Client(live_server.url, secret_of(owner)) as pop:
        slug = pop.projects()[0].slug
        assert pop.progress(slug).labels > 0
        dataset = pop.datasets(slug)[0]
        assert pop.download(dataset.id, tmp_path / "rows", kind) == (tmp_path / "rows").stat().st_size > 0
        assert len(dataset.sha256) == len(hashlib.sha256().hexdigest())
        assert not pop.runs(slug)
        trained = make_run(PopDataset.objects.get(pk=dataset.id), state="finished", has_model=True)
        (tmp_path / "files" / "asked.json").write_text('{"batch_size": 4}')
        words = ["--split", "all", "--spec", str(tmp_path / "files" / "asked.json"), "--json"]
        place = {"POP_URL": live_server.url, "POP_TOKEN": secret_of(owner)}
        done = CliRunner().invoke(app, ["runs", "evaluate", str(trained.pk), *words], env=place)
        assert done.exit_code == 0, done.output
        again = pop.run(json.loads(done.stdout)["id"])
        assert (again.kind, again.name) == ("evaluation", "Run 1, evaluated again")
        with pytest.raises(ApiError) as refused:
            pop.dataset(10**9)
        assert refused.value.status == 404
        with pytest.raises(ApiError):
            pop.download(10**9, tmp_path / "none", kind)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "rows"]


@pytest.mark.django_db(transaction=True)
def test_a_refusal_is_told_apart_from_no_answer(live_server: Any) -> None:
    cast = make_cast()
    with Client(live_server.url, "pop_wrong") as pop, pytest.raises(ApiError) as refused:
        pop.projects()
    assert refused.value.status == 401
    with Client(live_server.url, secret_of(cast.owner, "read")) as pop, pytest.raises(ApiError) as refused:
        pop.freeze(cast.project.slug)
    assert (refused.value.status, refused.value.code) == (403, "scope_missing")
    with Client("http://127.0.0.1:1", "pop_x") as pop, pytest.raises(Unreachable):
        pop.projects()
