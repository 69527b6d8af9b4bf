"""What a page offers to copy does what it says: the API takes the call, the engine takes the folder."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.services import tokens
from frontend.forms.run_form import RunForm
from tests.frontend.conftest import Desk
from tests.frontend.test_run_form import posted
from training.models import Run

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture
def by_token(desk: Desk) -> dict[str, str]:
    made = tokens.create(
        name="all", scopes=["read", "manage", "train"], by=desk.cast.owner, at=timezone.now()
    )
    return {"Authorization": f"Token {made[1]}"}


@pytest.fixture
def offered(owner_client: Client, desk: Desk) -> dict[str, str]:
    """The snippets of the new-run page by id."""
    form = RunForm.from_preset("tiny-cpu", name="By script", dataset=str(desk.dataset.pk))
    answer = owner_client.post(reverse("run-form-parts", args=[desk.project.slug]), posted(form))
    return {snippet.id: snippet.code for snippet in answer.context["snippets"]}


def test_the_api_launches_the_run_the_page_spells_out(
    offered: dict[str, str], by_token: dict[str, str], desk: Desk
) -> None:
    address = offered["api"].partition("http://testserver")[2].split()[0]
    body = offered["api"].partition("<<'JSON'\n")[2].removesuffix("\nJSON")
    answer = Client().post(address, body, content_type="application/json", headers=by_token)
    assert answer.status_code == 201, answer.content
    assert Run.objects.get(name="By script").dataset == desk.dataset


def test_the_engine_accepts_the_folder_the_page_describes(
    offered: dict[str, str], by_token: dict[str, str], tmp_path: Path
) -> None:
    address = offered["engine"].partition('"http://testserver')[2].partition('"')[0]
    archive = b"".join(Client().get(address, headers=by_token))
    run = tmp_path / "run"
    (run / "dataset").mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        for name in files.namelist():  # unzip -j: without folders
            (run / "dataset" / Path(name).name).write_bytes(files.read(name))
    (run / "spec.json").write_text(offered["spec"])
    done = subprocess.run(
        [sys.executable, "-m", "training.engine", "check", str(run)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_datasets_download_is_where_its_snippets_say(
    owner_client: Client, by_token: dict[str, str], desk: Desk
) -> None:
    page = owner_client.get(reverse("dataset", args=[desk.dataset.pk]))
    curl: Any = next(snippet for snippet in page.context["snippets"] if snippet.id == "curl")
    address = curl.code.partition('"http://testserver')[2].partition('"')[0]
    lines = b"".join(Client().get(address, headers=by_token)).splitlines()
    assert len([json.loads(line) for line in lines]) == desk.dataset.row_count
