"""What the benchmark of quality reckons with: its figures, and rows as the services would have left them."""

from __future__ import annotations

import pytest
from django.db import connection

from annotation.models import Comparison, Label, Tally
from annotation.services import folding
from bench import quality
from bench.judging import rows
from tests.annotation import agreed
from tests.annotation.test_kill import _database_url


def test_percentiles_are_nearest_ranks() -> None:
    took = [float(number) for number in range(1, 101)]
    assert quality.percentiles(took) == {"p50_ms": 51.0, "p95_ms": 96.0}
    assert quality.percentiles([7.0]) == {"p50_ms": 7.0, "p95_ms": 7.0}


def test_a_plan_is_told_step_by_step() -> None:
    below = {"Node Type": "Index Scan", "Index Name": "label_by_time", "Actual Rows": 10_000}
    assert quality.nodes({"Node Type": "Limit", "Actual Rows": 10_000.0, "Plans": [below]}) == [
        "Limit: 10000 rows",
        "Index Scan on label_by_time: 10000 rows",
    ]


@pytest.mark.either
@pytest.mark.django_db(transaction=True)
def test_the_rows_are_consistent() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("it fills PostgreSQL")
    project = quality.make_project(7)
    pool = project.pools.get(split="train")
    connection.close()
    url = _database_url()
    assert rows.fill(url, project=project.pk, pool=pool.pk, labels=300, overlap=3, people=7) == 300
    assert Label.objects.values("comparison", "annotator").distinct().count() == 300
    assert {one.labels.count() for one in Comparison.objects.all()} == {3}
    for tally in Tally.objects.all():
        mine = Label.objects.filter(annotator=tally.annotator)
        assert tally.labels == mine.count()
        assert tally.too_close == mine.filter(verdict="too_close").count()
    assert folding.fold_waiting() == 100
    agreed.check(project)
