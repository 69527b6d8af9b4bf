"""How far the labelling of a project is. Totals are sums of its pools' counters: labels are not counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Max, Min, Q, QuerySet

from annotation import rules, sampling
from annotation.models import Anchor, Label, Pool, Project, Split, User
from annotation.sampling import Plan, random

HOUR = timedelta(hours=1)
SHORTEST_PACE = timedelta(minutes=5)  # a pace is not told from a shorter time


@dataclass(frozen=True)
class AnnotatorProgress:
    name: str
    labels: int
    today: int
    last_at: datetime | None


@dataclass(frozen=True)
class AnchorCounts:
    """Iterative: preferences still wanting wins, with k wins, given up on."""

    open: int
    full: int
    exhausted: int


@dataclass(frozen=True)
class Mine:
    """One person's labels in one project; `today` since midnight UTC."""

    today: int = 0
    total: int = 0


@dataclass(frozen=True)
class Totals:
    """Labels given, and how many are expected in the end."""

    labels: int
    labels_expected: int


@dataclass(frozen=True)
class _LastHour:
    labels: int
    since: datetime | None


@dataclass(frozen=True)
class Progress:
    """`rows_train` and `rows_heldout` count comparisons with a winner: each is a row a dataset may hold."""

    labels: int
    comparisons_open: int
    decided: int
    undecided: int
    rows_train: int
    rows_heldout: int
    target_rows: int
    labels_expected: int
    labels_last_hour: int
    eta_seconds: float | None
    anchors: AnchorCounts
    per_annotator: list[AnnotatorProgress]


def of_project(user: User, project: Project, at: datetime) -> Progress:
    """The project's progress; `per_annotator` is for managers and empty for others.

    Raises:
        NotFound: not a member.
    """
    manages = rules.check_view(user, project) in rules.MANAGERS
    pools = {pool.split: pool for pool in Pool.objects.filter(project=project)}
    totals = _totals(project, pools)
    last_hour = _LastHour(
        **_current(project)
        .filter(created_at__gt=at - HOUR, created_at__lte=at)
        .aggregate(labels=Count("pk"), since=Min("created_at"))
    )
    decided = sum(pool.decided for pool in pools.values())
    undecided = sum(pool.undecided for pool in pools.values())
    return Progress(
        labels=totals.labels,
        comparisons_open=sum(pool.drawn for pool in pools.values()) - decided - undecided,
        decided=decided,
        undecided=undecided,
        rows_train=pools[Split.TRAIN].decided,
        rows_heldout=pools[Split.HELDOUT].decided,
        target_rows=sum(_target(project, pool) for pool in pools.values()),
        labels_expected=totals.labels_expected,
        labels_last_hour=last_hour.labels,
        eta_seconds=_eta(totals, last_hour, at),
        anchors=_anchors(pools[Split.TRAIN]),
        per_annotator=_per_annotator(project, at) if manages else [],
    )


def totals(user: User, project: Project) -> Totals:
    """The two numbers an annotator sees after each answer: one query besides the check."""
    rules.check_view(user, project)
    return _totals(project, {pool.split: pool for pool in Pool.objects.filter(project=project)})


def totals_from(project: Project, pools: Iterable[Pool]) -> Totals:
    """The same for a list of projects whose pools were fetched together: no query."""
    return _totals(project, {pool.split: pool for pool in pools})


def mine(user: User, project: Project, at: datetime) -> Mine:
    """Raises NotFound unless the user is a member."""
    rules.check_view(user, project)
    return mine_by_project(user, at, [project.pk]).get(project.pk, Mine())


def mine_by_project(user: User, at: datetime, projects: list[int] | None = None) -> dict[int, Mine]:
    """The user's own labels by project id; projects without any are left out."""
    rows = Label.objects.filter(annotator=user, is_current=True)
    if projects is not None:
        rows = rows.filter(project__in=projects)
    counted = (
        rows.order_by().values("project").annotate(total=Count("pk"), today=Count("pk", filter=_today(at)))
    )
    return {row["project"]: Mine(row["today"], row["total"]) for row in counted}


def labels_expected(project: Project, train: int, heldout: int) -> int:
    """Labels a project of these pool sizes will want, before the first is given."""
    drawn = sampling.strategy(project.strategy).estimate(_plan(project, train))
    return round(drawn + random.estimate(_plan(project, heldout)))


def _totals(project: Project, pools: dict[str, Pool]) -> Totals:
    expected = sum(_expected(project, pool) for pool in pools.values())
    return Totals(sum(pool.labels for pool in pools.values()), round(expected))


def _plan(project: Project, size: int) -> Plan:
    return Plan(
        size=size,
        k=project.k,
        attempt_cap=project.attempt_cap,
        reuse=project.reuse,
        overlap=project.labels_per_comparison,
    )


def _expected(project: Project, pool: Pool) -> float:
    """What is given, and what the strategy will still ask for, going by the anchors that are still open."""
    strategy = sampling.strategy(project.strategy)
    if pool.split == Split.TRAIN and strategy.anchored:
        closed = pool.full_anchors + pool.exhausted_anchors
        share = (pool.size - closed) / pool.size if pool.size else 0
        return pool.labels + share * strategy.estimate(_plan(project, pool.size))
    wanted = _target(project, pool) + pool.undecided  # those without a winner are replaced
    return min(wanted, random.length(pool.size)) * project.labels_per_comparison


def _target(project: Project, pool: Pool) -> int:
    """Rows wanted: k for each preference of the pool, as far as there are pairs."""
    return random.target(pool.size, project.k)


def _eta(totals: Totals, last_hour: _LastHour, at: datetime) -> float | None:
    """Seconds left at the pace since the first label of the last hour; None when nobody labelled."""
    if last_hour.since is None:
        return None
    took = max(at - last_hour.since, SHORTEST_PACE)
    return max(0, totals.labels_expected - totals.labels) * took.total_seconds() / last_hour.labels


def _anchors(pool: Pool) -> AnchorCounts:
    made = Anchor.objects.filter(pool=pool).count()
    return AnchorCounts(
        open=made - pool.full_anchors - pool.exhausted_anchors,
        full=pool.full_anchors,
        exhausted=pool.exhausted_anchors,
    )


def _per_annotator(project: Project, at: datetime) -> list[AnnotatorProgress]:
    rows = (
        _current(project)
        .values("annotator__username")
        .annotate(labels=Count("pk"), today=Count("pk", filter=_today(at)), last_at=Max("created_at"))
        .order_by("-labels", "annotator__username")
    )
    return [
        AnnotatorProgress(row["annotator__username"], row["labels"], row["today"], row["last_at"])
        for row in rows
    ]


def _current(project: Project) -> QuerySet[Label]:
    return Label.objects.filter(project=project, is_current=True)


def _today(at: datetime) -> Q:
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Q(created_at__gte=midnight)
