"""A held-out preference behind a point of a run's plot: texts, both margins, and the PoP rows it stands in.

All of it comes from the run's frozen dataset and its own results: what was excluded or corrected in the
project since is shown as the run saw it. Managers only: scores are among it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotation.models import Preference
from annotation.selectors import datasets
from training import rules
from training.engine.records import TIE
from training.models import Evaluation, Run

if TYPE_CHECKING:
    from annotation.rules import Person

MAX_ROWS = 50
SCATTERED = "margin_correlation"  # the evaluation that names the preferences of its points


@dataclass(frozen=True)
class Stood:
    """A PoP row that the preference stands in.

    Attributes:
        other: the preference on the other side, as it was frozen.
        margin: that one's learned margin, where it is among the points.
        agrees: whether the model has the larger margin on the stronger side; None: not known, or a tie.
    """

    strong: bool
    other: Mapping[str, Any]
    confidence: float
    provenance: str
    margin: float | None
    agrees: bool | None


@dataclass(frozen=True)
class Point:
    """A preference under a run's model.

    Attributes:
        record: id, split, prompt, chosen, rejected and scores, as they were frozen.
        margin: the learned margin, β·nats, or difference of rewards; None: not among the run's points.
        score_margin: None where a score is missing.
        row_count, rows: the PoP rows it stands in, and at most `MAX_ROWS` of them.
        present: the project's preference of today, if it is still there.
    """

    record: Mapping[str, Any]
    margin: float | None
    score_margin: float | None
    row_count: int
    rows: list[Stood]
    present: Preference | None


def get(user: Person, run: Run, preference_id: str) -> Point:
    """The preference of the run's dataset with this id.

    Raises:
        NotFound: the dataset has none, or the run is not the user's.
        NotAllowed: the user is an annotator there.
        Unavailable: storage has lost the dataset's files.
    """
    rules.check_see(user, run)
    record = datasets.preference(run.dataset, preference_id)
    margins = learned(run)
    count, rows = datasets.rows_of(run.dataset, preference_id, MAX_ROWS)
    chosen, rejected = record["score_chosen"], record["score_rejected"]
    return Point(
        record=record,
        margin=margins.get(preference_id),
        score_margin=None if chosen is None or rejected is None else chosen - rejected,
        row_count=count,
        rows=[_stood(row, preference_id, margins) for row in rows],
        present=Preference.objects.filter(project=run.project_id, content_hash=preference_id).first(),
    )


def learned(run: Run) -> dict[str, float]:
    """Preference id → learned margin, of the points that the run's result names; {} of older results."""
    found = Evaluation.objects.filter(run=run, name=SCATTERED).values_list("result", flat=True).first()
    points = (found or {}).get("points", {})
    return dict(zip(points.get("id", ()), points.get("margin", ()), strict=False))


def _stood(row: Mapping[str, Any], own: str, margins: Mapping[str, float]) -> Stood:
    strong, weak = margins.get(row["strong_id"]), margins.get(row["weak_id"])
    unknown = strong is None or weak is None or row["provenance"] == TIE
    return Stood(
        strong=row["strong_id"] == own,
        other=row["other"],
        confidence=row["confidence"],
        provenance=row["provenance"],
        margin=margins.get(row["other_id"]),
        agrees=None if unknown else bool(strong > weak),  # type: ignore[operator]
    )
