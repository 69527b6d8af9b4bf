"""A decision and frozen datasets: only the next one sees it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from annotation.consensus import RULES
from annotation.models import Comparison, PopDataset
from annotation.selectors.datasets import open_file
from annotation.services import adjudication, datasets
from tests.annotation.disputes import settings, vote
from tests.cast import NOW, Cast

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def freeze(cast: Cast, rule: str = "majority", least: float = 1.0) -> PopDataset:
    """Of rows nobody doubts, unless another confidence will do."""
    dataset = datasets.freeze(
        project=cast.project,
        by=cast.owner,
        at=timezone.now(),
        options={"min_confidence": least, "consensus": rule},
    )
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert dataset.state == "frozen", dataset.error
    return dataset


def test_the_next_freeze_has_what_a_reviewer_decided_and_the_one_before_stays(
    cast: Cast, files: Path
) -> None:
    project = settings(cast, 6)
    for side in ("low", "high"):
        vote(project, cast.ann_one, "low")
        vote(project, cast.ann_two, side)
    before = freeze(cast)
    assert before.row_count == 1
    comparison = Comparison.objects.get(disputed=True)
    adjudication.decide(comparison=comparison, outcome="high", by=cast.admin, at=timezone.now())
    after = freeze(cast)
    assert after.row_count == 2
    sha256 = before.sha256
    before.refresh_from_db()
    assert (before.row_count, before.sha256) == (1, sha256)
    adjudication.withdraw(comparison=comparison, by=cast.admin, at=timezone.now())
    assert freeze(cast).sha256 == sha256


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("outcome", ["low", "high", "none"])
def test_under_every_rule_the_reviewers_word_is_sure(
    cast: Cast, files: Path, rule: str, outcome: str
) -> None:
    project = settings(cast, 8)
    for number, side in enumerate(("low", "low", "low", "high")):
        at = NOW + timedelta(seconds=number)
        vote(project, cast.ann_one, "low", at)
        vote(project, cast.ann_two, side, at)
    comparison = Comparison.objects.select_related("low", "high").get(disputed=True)
    adjudication.decide(comparison=comparison, outcome=outcome, by=cast.admin, at=timezone.now())
    dataset = freeze(cast, rule, least=0.0)
    sides = {comparison.low.content_hash, comparison.high.content_hash}
    with open_file(dataset, "rows.parquet") as stream:
        rows = pq.read_table(stream).to_pylist()
    found = [row for row in rows if {row["strong_id"], row["weak_id"]} == sides]
    if outcome == "none":
        assert found == []
    else:
        strong = comparison.low if outcome == "low" else comparison.high
        assert [(row["strong_id"], row["confidence"]) for row in found] == [(strong.content_hash, 1.0)]
