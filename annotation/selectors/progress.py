"""How far the labelling of a project is. Totals are sums of its tallies: labels are not counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Min, QuerySet

from annotation import rules, sampling, sql
from annotation.models import Anchor, Assignment, Label, Pool, Project, Split, Tally, User
from annotation.sampling import Plan, random
from annotation.selectors import tallies, wanted
from annotation.selectors.tallies import Sums

HOUR = timedelta(hours=1)
LEARNT_FROM = 30  # resolved comparisons
LEAST_DECIDING = 0.1  # where nearly nothing is decided, the sum must not grow without end
SHORTEST_PACE = timedelta(minutes=5)  # a pace is not told from a shorter time
MOST_COUNTED = 10_000  # labels of the last hour: so many tell the pace by themselves

_WHOLE = ("labels", "decided", "undecided", "full_anchors", "exhausted_anchors")
_WHILE_LABELLING = f"""
    SELECT p.id, p.split, p.size, coalesce(sum(t.gold), 0), coalesce(sum(t.retests), 0),
        coalesce(sum(CASE WHEN t.annotator_id = %(person)s AND t.day = %(day)s THEN t.day_labels END), 0),
        coalesce(sum(CASE WHEN t.annotator_id = %(person)s THEN t.labels + t.gold + t.retests END), 0),
        {", ".join(f"coalesce(sum(t.{name}), 0)" for name in _WHOLE)}
    FROM annotation_pool p LEFT JOIN annotation_tally t ON t.pool_id = p.id
    WHERE p.project_id = %(project)s GROUP BY p.id, p.split, p.size
"""  # noqa: S608 - names of ours


@dataclass(frozen=True)
class AnnotatorProgress:
    """`labels` are answers to work; `checks` those to gold and retests; `today` counts both."""

    name: str
    labels: int
    checks: int
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
    """The newest labels, `MOST_COUNTED` at most, and the time since the first of them."""

    counted: int
    took: timedelta

    @property
    def labels(self) -> int:
        """In the hour; where they are too many to be counted, by the pace of the newest."""
        if self.counted < MOST_COUNTED:
            return self.counted
        return round(self.counted * (HOUR / self.took))


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
    counts = tallies.of_pools(pools.values())
    totals = _totals(project, pools, counts)
    train, heldout = counts[pools[Split.TRAIN].pk], counts[pools[Split.HELDOUT].pk]
    last_hour = _last_hour(project, at)
    return Progress(
        labels=totals.labels,
        comparisons_open=train.open + heldout.open,
        decided=train.decided + heldout.decided,
        undecided=train.undecided + heldout.undecided,
        rows_train=train.decided,
        rows_heldout=heldout.decided,
        target_rows=sum(_target(project, pool) for pool in pools.values()),
        labels_expected=totals.labels_expected,
        labels_last_hour=last_hour.labels,
        eta_seconds=_eta(totals, last_hour),
        anchors=_anchors(pools[Split.TRAIN], train),
        per_annotator=_per_annotator(project, at) if manages else [],
    )


def totals(user: User, project: Project) -> Totals:
    """The two numbers an annotator sees after each answer: two queries besides the check."""
    rules.check_view(user, project)
    return totals_of([project])[project.pk]


def totals_of(projects: Iterable[Project]) -> dict[int, Totals]:
    """The same for several projects, by project id: two queries, however many they are."""
    by_project = {project.pk: project for project in projects}
    pools = list(Pool.objects.filter(project__in=by_project))
    counts = tallies.of_pools(pools)
    found: dict[int, Totals] = {}
    for pk, project in by_project.items():
        mine = {pool.split: pool for pool in pools if pool.project_id == pk}
        checks = sum(counts[pool.pk].gold + counts[pool.pk].retests for pool in mine.values())
        found[pk] = _with_checks(project, _totals(project, mine, counts), checks)
    return found


def while_labelling(user: User, project: Project, at: datetime) -> tuple[Mine, Totals]:
    """What an annotator sees after each answer, for a project known to be theirs: one query."""
    day = sql.stored(Tally, "day", _utc_day(at))
    found = sql.rows(_WHILE_LABELLING, {"project": project.pk, "person": user.pk, "day": day})
    pools: dict[str, Pool] = {}
    counts: dict[int, Sums] = {}
    own, checks = Mine(), 0
    for pk, split, size, gold, retests, today, total, *values in found:
        pools[split] = Pool(pk=pk, project_id=project.pk, split=split, size=size)
        counts[pk] = Sums(**{name: int(value) for name, value in zip(_WHOLE, values, strict=True)})
        own, checks = Mine(own.today + int(today), own.total + int(total)), checks + int(gold + retests)
    return own, _with_checks(project, _totals(project, pools, counts), checks)


def mine(user: User, project: Project, at: datetime) -> Mine:
    """Raises NotFound unless the user is a member."""
    rules.check_view(user, project)
    return mine_by_project(user, at, [project.pk]).get(project.pk, Mine())


def mine_by_project(user: User, at: datetime, projects: list[int] | None = None) -> dict[int, Mine]:
    """The user's own labels by project id; projects without any are left out."""
    rows = Tally.objects.filter(annotator=user).select_related("pool")
    if projects is not None:
        rows = rows.filter(pool__project__in=projects)
    found: dict[int, Mine] = {}
    for tally in rows:
        before = found.get(tally.pool.project_id, Mine())
        today = tally.day_labels if tally.day == _utc_day(at) else 0
        given = tally.labels + tally.gold + tally.retests  # a person cannot tell checks from work
        found[tally.pool.project_id] = Mine(before.today + today, before.total + given)
    return {project: mine for project, mine in found.items() if mine.total}


def labels_expected(project: Project, train: int, heldout: int) -> int:
    """Labels a project of these pool sizes will want, before the first is given."""
    if project.is_arena:
        return project.battles * project.labels_per_comparison
    drawn = sampling.strategy(project.strategy).estimate(_plan(project, train))
    return round(drawn + random.estimate(_plan(project, heldout)))


def _with_checks(project: Project, totals: Totals, checks: int) -> Totals:
    """What annotators see: each of their answers moves it, a check like any other."""
    share = 100 - project.gold_percent - project.retest_percent
    return Totals(totals.labels + checks, round(100 * totals.labels_expected / max(share, 1)))


def _totals(project: Project, pools: dict[str, Pool], counts: dict[int, Sums]) -> Totals:
    expected = sum(_expected(project, pool, counts[pool.pk]) for pool in pools.values())
    return Totals(sum(counts[pool.pk].labels for pool in pools.values()), round(expected))


def _plan(project: Project, size: int) -> Plan:
    return Plan(
        size=size,
        k=project.k,
        attempt_cap=project.attempt_cap,
        reuse=project.reuse,
        overlap=project.labels_per_comparison,
    )


def _expected(project: Project, pool: Pool, counts: Sums) -> float:
    """What is given, and what the strategy will still ask for, going by the anchors that are still open."""
    strategy = sampling.strategy(project.strategy)
    if pool.split == Split.TRAIN and strategy.anchored:
        closed = counts.full_anchors + counts.exhausted_anchors
        share = (pool.size - closed) / pool.size if pool.size else 0
        return counts.labels + share * strategy.estimate(_plan(project, pool.size)) / _deciding(counts)
    # Those without a winner are replaced, and so will be those to come.
    deciding = 1.0 if project.is_arena else _deciding(counts)
    left = max(0, _target(project, pool) - wanted.reached(project, counts)) / deciding
    made = counts.decided + counts.undecided + left
    return min(made, wanted.possible(project, pool)) * project.labels_per_comparison


def _deciding(counts: Sums) -> float:
    """The share of the comparisons that end with a winner, once there are enough to tell; else 1."""
    resolved = counts.decided + counts.undecided
    return max(counts.decided / resolved, LEAST_DECIDING) if resolved >= LEARNT_FROM else 1.0


def _target(project: Project, pool: Pool) -> int:
    """Rows wanted: k for each preference of the pool, as far as there are pairs; battles in an arena."""
    return wanted.comparisons(project, pool)


def _last_hour(project: Project, at: datetime) -> _LastHour:
    """Read backwards in the index by time, and no further than needed."""
    rows = _current(project).filter(created_at__gt=at - HOUR, created_at__lte=at).order_by("-created_at")
    seen = rows.values("created_at")[:MOST_COUNTED].aggregate(
        counted=Count("created_at"), since=Min("created_at")
    )
    took = at - seen["since"] if seen["since"] else timedelta()
    return _LastHour(seen["counted"], max(took, timedelta(seconds=1)))


def _eta(totals: Totals, last_hour: _LastHour) -> float | None:
    """Seconds left at the pace since the first label of the last hour; None when nobody labelled."""
    if not last_hour.counted:
        return None
    many = last_hour.counted == MOST_COUNTED
    took = last_hour.took if many else max(last_hour.took, SHORTEST_PACE)
    return max(0, totals.labels_expected - totals.labels) * took.total_seconds() / last_hour.counted


def _anchors(pool: Pool, counts: Sums) -> AnchorCounts:
    made = Anchor.objects.filter(pool=pool).count()
    return AnchorCounts(
        open=made - counts.full_anchors - counts.exhausted_anchors,
        full=counts.full_anchors,
        exhausted=counts.exhausted_anchors,
    )


def _per_annotator(project: Project, at: datetime) -> list[AnnotatorProgress]:
    """From the tallies of both pools; whoever gave no label is left out."""
    people: dict[str, AnnotatorProgress] = {}
    for tally in Tally.objects.filter(pool__project=project, labels__gt=0).select_related("annotator"):
        name = tally.annotator.username
        before = people.get(name, AnnotatorProgress(name, 0, 0, 0, None))
        today = tally.day_labels if tally.day == _utc_day(at) else 0
        last = max(filter(None, (before.last_at, tally.last_at)), default=None)
        people[name] = AnnotatorProgress(
            name=name,
            labels=before.labels + tally.labels,
            checks=before.checks + tally.gold + tally.retests,
            today=before.today + today,
            last_at=last,
        )
    return sorted(people.values(), key=lambda one: (-one.labels, one.name))


def _current(project: Project) -> QuerySet[Label]:
    return Label.objects.filter(project=project, is_current=True, kind=Assignment.Kind.WORK)


def _utc_day(at: datetime) -> date:
    return at.astimezone(UTC).date()
