from __future__ import annotations

import csv
import io
import json

import pytest
from django.urls import reverse

from annotation.models import Project
from annotation.services import audit
from tests.callers import signed_in
from tests.cast import NOW, Cast

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def trail(cast: Cast) -> Project:
    for who, verb, target in (
        (cast.owner, "dataset.deleted", '=1+1, "Ünicode"\n🙂'),
        (cast.admin, "dataset.freeze_asked", "two"),
        (cast.admin, "member.removed", "three"),
    ):
        audit.record(by=who, at=NOW, verb=verb, project=cast.project, target=target, details={"id": 1})
    return cast.project


def exported(cast: Cast, **query: str) -> str:
    url = reverse("api-project-audit-export", kwargs={"project": cast.project.slug})
    answer = signed_in(cast.admin).get(url, query)
    assert answer.status_code == 200
    return b"".join(answer).decode()


def test_json_lines_say_everything_newest_first(cast: Cast) -> None:
    trail(cast)
    rows = [json.loads(line) for line in exported(cast).splitlines()]
    assert [row["target"] for row in rows] == ["three", "two", '=1+1, "Ünicode"\n🙂']
    assert rows[0] | {"id": 0} == {
        "id": 0, "at": NOW.isoformat(), "actor": "admin", "verb": "member.removed", "target": "three",
        "details": {"id": 1},
    }  # fmt: skip


def test_csv_reads_back_and_holds_no_formula(cast: Cast) -> None:
    trail(cast)
    rows = list(csv.DictReader(io.StringIO(exported(cast, format="csv"), newline="")))
    assert [row["target"] for row in rows] == ["three", "two", '\'=1+1, "Ünicode"\n🙂']


def test_the_trail_is_filtered_by_actor_verb_and_noun(cast: Cast) -> None:
    trail(cast)
    assert len(exported(cast, actor="admin").splitlines()) == 2
    assert len(exported(cast, verb="dataset").splitlines()) == 2
    assert len(exported(cast, verb="dataset.deleted", actor="owner").splitlines()) == 1
    assert not exported(cast, verb="data")


def test_the_page_costs_the_same_for_a_long_trail(cast: Cast) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client, url = signed_in(cast.owner), reverse("project-audit", args=[trail(cast).slug])
    with CaptureQueriesContext(connection) as few:
        assert client.get(url).status_code == 200
    for _ in range(25):
        trail(cast)
    with CaptureQueriesContext(connection) as many:
        page = client.get(url)
    assert len(many) == len(few)
    assert page.context["older"]
    older = client.get(url, {"before": page.context["older"]})
    seen = [entry.pk for entry in (*page.context["rows"], *older.context["rows"])]
    assert len(seen) == len(set(seen)) == 78
