"""A project's answers as a file, with pseudonyms unless names are asked for."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import AuditEntry, Label
from tests.annotation.playing import label_everything
from tests.callers import signed_in
from tests.cast import Cast, add_preferences

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture
def labelled(cast: Cast) -> Cast:
    add_preferences(cast.project, 6)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    return cast


def exported(cast: Cast, **query: Any) -> str:
    answer = signed_in(cast.admin).get(f"/api/v1/projects/{cast.project.slug}/labels/export", query)
    assert answer.status_code == 200
    return b"".join(answer).decode()


def test_every_answer_is_a_line_with_the_stronger_side(labelled: Cast) -> None:
    gone = Label.objects.latest("pk")
    Label.objects.filter(pk=gone.pk).update(is_current=False)
    rows = [json.loads(line) for line in exported(labelled, pseudonymise=0).splitlines()]
    labels = list(
        Label.objects.filter(is_current=True)
        .select_related("annotator", "comparison__low", "comparison__high")
        .order_by("pk")
    )
    assert len(rows) == len(labels) > 5
    for row, label in zip(rows, labels, strict=True):
        pair = [label.comparison.low.content_hash, label.comparison.high.content_hash]
        assert (row["annotator"], row["verdict"]) == (label.annotator.username, label.verdict)
        assert [row["low_id"], row["high_id"]] == pair
        shown = pair if label.low_first else pair[::-1]
        assert row["stronger_id"] == {"first": shown[0], "second": shown[1]}.get(label.verdict)


def test_names_are_pseudonyms_that_stay_the_same(labelled: Cast) -> None:
    text = exported(labelled)
    assert "ann_" not in text
    assert text == exported(labelled, pseudonymise="true")
    named = [json.loads(line)["annotator"] for line in exported(labelled, pseudonymise=0).splitlines()]
    hidden = [json.loads(line)["annotator"] for line in text.splitlines()]
    assert len(set(zip(named, hidden, strict=True))) == len(set(named)) == len(set(hidden)) == 2


def test_only_names_that_leave_the_server_are_in_the_trail(labelled: Cast) -> None:
    exported(labelled)
    assert not AuditEntry.objects.filter(verb__startswith="labels.").exists()
    exported(labelled, pseudonymise=0, format="csv")
    entry = AuditEntry.objects.get(verb="labels.exported_with_names")
    assert (entry.actor, entry.details) == (labelled.admin, {"format": "csv"})


def test_another_project_or_secret_gives_other_pseudonyms(labelled: Cast, settings: Any) -> None:
    from annotation.selectors.label_export import pseudonym
    from tests.cast import make_project

    known = pseudonym(labelled.project, 1)
    assert known == pseudonym(labelled.project, 1) != pseudonym(labelled.project, 2)
    assert known != pseudonym(make_project(labelled.owner), 1)
    settings.SECRET_KEY = "another secret that is long enough for nobody to guess it"
    assert known != pseudonym(labelled.project, 1)


def test_csv_holds_no_formula(labelled: Cast) -> None:
    Label.objects.filter(pk=Label.objects.earliest("pk").pk).update(reason="=1+1")
    rows = list(csv.DictReader(io.StringIO(exported(labelled, format="csv"), newline="")))
    assert len(rows) == Label.objects.count()
    assert rows[0]["reason"] == "'=1+1"
    assert rows[0].keys() == json.loads(exported(labelled).splitlines()[0]).keys()


def test_many_answers_cost_no_more_queries(labelled: Cast) -> None:
    with CaptureQueriesContext(connection) as few:
        exported(labelled)
    Label.objects.filter(pk__gt=Label.objects.earliest("pk").pk).update(is_current=False)
    with CaptureQueriesContext(connection) as fewer:
        exported(labelled)
    assert len(few) == len(fewer)
