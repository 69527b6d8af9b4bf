"""Strengths kept up with every answer, for strategies that choose by them: one step of `quality.belief` each.

They are a hint for drawing, nothing else is decided by them. An answer that is changed or taken back later
stays learnt, and of two answers to one preference at the same moment one may be lost; the next fit of all
answers (`strength_fitting`) sets every strength right. Locks: one statement writes both rows, that of the
smaller preference first; anchors come before, the tally after.
"""

from __future__ import annotations

from collections.abc import Iterable

from annotation import sampling, sql
from annotation.consensus import vote_of
from annotation.models import Comparison, Label, Project, Strength
from annotation.quality.belief import UNSEEN, Belief, updated
from annotation.services import strength_rows
from annotation.services.votes import TIE, WINS

_KNOWN = """
    SELECT preference_id, theta, sd, wins, losses FROM annotation_strength WHERE preference_id IN (%s, %s)
"""


def learn(*, comparison: Comparison, label: Label, project: Project) -> None:
    """Take an answer to work into account. Held-out comparisons have no anchor: nothing is chosen there."""
    if not comparison.anchor_id or not sampling.strategy(project.strategy).learns:
        return
    if label.verdict == Label.Verdict.CANNOT_JUDGE:
        return
    low, high = comparison.low_id, comparison.high_id
    known = {row[0]: row[1:] for row in sql.rows(_KNOWN, [low, high])}
    one, other = (known.get(pk, (UNSEEN.theta, UNSEEN.sd, 0, 0)) for pk in (low, high))
    won = WINS.get(vote_of(label.verdict, label.low_first), TIE)
    after = updated(Belief(one[0], one[1]), Belief(other[0], other[1]), won)
    columns: list[list[float]] = [
        [low, high],
        [belief.theta for belief in after],
        [belief.sd for belief in after],
        [one[2] + (won > TIE), other[2] + (won < TIE)],
        [one[3] + (won < TIE), other[3] + (won > TIE)],
    ]
    strength_rows.write(comparison.pool_id, columns)


def beliefs(preferences: Iterable[int]) -> dict[int, Belief]:
    """What is believed of each of these preferences now. One query."""
    wanted = list(preferences)
    rows = Strength.objects.filter(preference__in=wanted).values_list("preference", "theta", "sd")
    known = {pk: Belief(theta, sd) for pk, theta, sd in rows}
    return {pk: known.get(pk, UNSEEN) for pk in wanted}
