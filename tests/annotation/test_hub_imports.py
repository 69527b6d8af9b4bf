"""Imports from the Hub through the service: what is queued, and what a person reads when it fails."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from annotation.errors import Invalid
from annotation.models import AuditEntry, PreferenceImport
from annotation.services import imports
from tests.cast import Cast

pytestmark = pytest.mark.either


def test_what_to_read_is_kept_with_the_import(cast: Cast, at: datetime) -> None:
    job = imports.start_hub(
        project=cast.project, dataset=" acme/prefs ", split="", by=cast.admin, at=at, limit=10
    )
    assert (job.format, job.state) == ("hub", "queued")
    assert job.source == {"dataset": "acme/prefs", "config": "", "split": "train", "limit": 10}
    assert AuditEntry.objects.get().target == "acme/prefs"


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"dataset": "../../etc"}, {"dataset"}),
        ({"dataset": "json"}, {"dataset"}),
        ({"dataset": "a/b", "config": "x y", "split": "train[:1]", "limit": 0}, {"config", "split", "limit"}),
    ],
)
def test_what_cannot_be_a_data_set_is_refused_at_once(
    cast: Cast, at: datetime, wrong: dict[str, Any], fields: set[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        imports.start_hub(project=cast.project, by=cast.admin, at=at, **wrong)
    assert set(refused.value.fields) == fields
    assert not PreferenceImport.objects.exists()


def test_a_server_without_the_hub_fails_the_import_in_words(cast: Cast, at: datetime) -> None:
    job = imports.start_hub(project=cast.project, dataset="acme/prefs", by=cast.admin, at=at)
    imports.run(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"
    assert job.error == "acme/prefs was not read: this server is set to work offline (HF_HUB_OFFLINE)."
