"""Rows chosen in memory, for freezes with a joint rule, ties, another split, inferred rows or noise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.consensus import JOINT
from annotation.models import Project, Split
from annotation.quality import inference
from annotation.services import frozen_pairs
from annotation.services.freeze_options import FreezeOptions
from annotation.services.frozen_pairs import (
    CANNOT_JUDGE,
    HIGH,
    LOW,
    NEITHER,
    TOO_CLOSE,
    Ballots,
    Flags,
    Floats,
    Ints,
    Pairs,
    Pool,
)

LABEL, TIE, INFERRED = range(3)
PROVENANCE = ("label", "tie", "inferred")
TIE_CONFIDENCE = 0.5
DIGITS = 6  # of a joint rule's confidence: the same on every machine
BATCH = 10_000
Patiently = Callable[[Callable[[], Any]], Any]


@dataclass(frozen=True)
class Chosen:
    """Rows by (strong, weak), as numbers of preferences; and what was left out, by reason."""

    pool: Pool
    heldout: Flags
    strong: Ints
    weak: Ints
    confidence: Floats
    provenance: Ints
    left_out: dict[str, int]

    def split_of(self, content_hash: str, split: str) -> str:
        """The split of a preference here, given its own."""
        if self.heldout is self.pool.heldout:
            return split
        place = int(np.searchsorted(self.pool.ids, content_hash.encode()))
        return Split.HELDOUT.value if self.heldout[place] else Split.TRAIN.value

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as the canonical form has them."""
        for start in range(0, len(self.strong), BATCH):
            part = slice(start, start + BATCH)
            strong, weak = self.strong[part], self.weak[part]
            columns = (self.pool.ids[strong], self.pool.ids[weak], self.heldout[strong])
            rest = (self.confidence[part], self.provenance[part])
            for one, other, held, sure, kind in zip(*(c.tolist() for c in (*columns, *rest)), strict=True):
                yield {
                    "strong_id": one.decode(),
                    "weak_id": other.decode(),
                    "split": Split.HELDOUT.value if held else Split.TRAIN.value,
                    "confidence": sure,
                    "provenance": PROVENANCE[kind],
                }


def choose(project: Project, alias: str, options: FreezeOptions, patiently: Patiently) -> Chosen:
    """Read the snapshot and choose. `patiently` runs what may take minutes, and beats the heart meanwhile."""
    pool = frozen_pairs.pool(project, alias)
    seen = frozen_pairs.pairs(project, alias, pool)
    given = frozen_pairs.ballots(project, alias, seen)
    outcome, confidence = seen.outcome, seen.confidence
    if options.consensus in JOINT:
        votes = frozen_pairs.votes(project, alias, seen, given)
        outcome, confidence = _decided(seen, patiently(lambda: JOINT[options.consensus].fit(votes)))
    heldout = pool.heldout if options.resplit_share is None else _resplit(pool, options)
    apart = heldout[seen.low] != heldout[seen.high]
    won = outcome != NEITHER
    sure = confidence >= options.min_confidence
    kept = np.flatnonzero(won & sure & ~apart)
    strong = np.where(outcome == LOW, seen.low, seen.high)[kept]
    weak = np.where(outcome == LOW, seen.high, seen.low)[kept]
    rows = _Rows(strong, weak, confidence[kept], np.full(len(kept), LABEL, np.int32))
    limited = rows.only(_within(pool, rows, options.max_rows_per_strong))
    ties = _ties(seen, given, outcome) if options.include_ties else np.zeros(len(won), np.bool_)
    left_out = {
        "excluded": seen.excluded,
        "no_winner": int((~won & ~ties).sum()),
        "unsure": int((won & ~sure).sum()),
        "between_splits": int((apart & ((won & sure) | ties)).sum()),
        "over_limit": len(rows.strong) - len(limited.strong),
    }
    rows = limited.plus(_tie_rows(seen, np.flatnonzero(ties & ~apart)))
    if options.inferred_at_least is not None:
        rows = rows.plus(patiently(lambda: _inferred(pool, _evidence(seen, given, heldout), options)))
    rows = _noisy(pool, rows, heldout, options).by_ids()
    return Chosen(pool, heldout, rows.strong, rows.weak, rows.confidence, rows.provenance, left_out)


@dataclass(frozen=True)
class _Rows:
    strong: Ints
    weak: Ints
    confidence: Floats
    provenance: Ints

    def columns(self) -> tuple[Any, ...]:
        return self.strong, self.weak, self.confidence, self.provenance

    def only(self, which: Any) -> _Rows:
        return _Rows(*(column[which] for column in self.columns()))

    def plus(self, other: _Rows) -> _Rows:
        both = zip(self.columns(), other.columns(), strict=True)
        return _Rows(*(np.concatenate(columns) for columns in both))

    def by_ids(self) -> _Rows:
        return self.only(np.lexsort((self.weak, self.strong)))


def _decided(seen: Pairs, p_low: Floats) -> tuple[Any, Floats]:
    """Outcome and confidence by a joint rule; what a reviewer decided stands."""
    p = np.nan_to_num(np.round(p_low, DIGITS), nan=0.5)
    outcome = np.select([p > 0.5, p < 0.5], [LOW, HIGH], NEITHER)
    confidence = np.round(np.maximum(p, 1.0 - p), DIGITS)
    reviewed = seen.adjudicated
    return np.where(reviewed, seen.outcome, outcome), np.where(reviewed, seen.confidence, confidence)


def _ties(seen: Pairs, given: Ballots, outcome: Any) -> Flags:
    """No winner, and "too close" given at least as often as any other answer; or a reviewer said so."""
    times = {side: given.times(side, len(seen.low)) for side in (0, 1, TOO_CLOSE, CANNOT_JUDGE)}
    close = times.pop(TOO_CLOSE)
    said: Flags = (close > 0) & (close >= np.max(list(times.values()), axis=0))
    ties: Flags = (outcome == NEITHER) & np.where(seen.adjudicated, True, said)
    return ties


def _tie_rows(seen: Pairs, places: Any) -> _Rows:
    """The one with the smaller id stands as strong; the provenance says that it is not."""
    count = len(places)
    return _Rows(
        seen.low[places], seen.high[places], np.full(count, TIE_CONFIDENCE), np.full(count, TIE, np.int32)
    )


def _resplit(pool: Pool, options: FreezeOptions) -> Flags:
    assert options.resplit_share is not None  # noqa: S101 - narrows the type for mypy
    drawn = [_uniform(f"split:{options.resplit_seed}:".encode() + one) for one in pool.ids.tolist()]
    held: Flags = np.array(drawn, np.float64) < options.resplit_share
    return held


def _within(pool: Pool, rows: _Rows, most: int | None) -> Flags:
    """The rows that stay: the surest, then by a hash of the pair, as `frozen_rows` has it."""
    kept = np.ones(len(rows.strong), np.bool_)
    if most is None:
        return kept
    order = np.argsort(rows.strong, kind="stable")
    ends = np.flatnonzero(np.diff(rows.strong[order])) + 1
    for group in np.split(order, ends):
        if len(group) > most:
            ranked = sorted(group.tolist(), key=lambda row: _rank(pool, rows, row))
            kept[ranked[most:]] = False
    return kept


def _rank(pool: Pool, rows: _Rows, row: int) -> tuple[float, bytes]:
    pair = pool.ids[rows.strong[row]] + pool.ids[rows.weak[row]]
    return -rows.confidence[row], hashlib.sha256(pair).digest()


def _inferred(pool: Pool, evidence: inference.Compared, options: FreezeOptions) -> _Rows:
    """Draws follow from the first 64 bits of the content hashes."""
    assert options.inferred_at_least is not None  # noqa: S101 - narrows the type for mypy
    strong, weak, p = inference.infer(
        lambda members: np.array([int(pool.ids[one][:16], 16) for one in members], np.uint64),
        len(pool.ids),
        evidence,
        at_least=options.inferred_at_least,
        most=options.inferred_per_strong,
    )
    return _Rows(strong, weak, p, np.full(len(p), INFERRED, np.int32))


def _evidence(seen: Pairs, given: Ballots, heldout: Flags) -> inference.Compared:
    """Answers among training preferences, "too close" as half a win; a reviewer's word instead of them."""
    train = ~heldout[seen.low] & ~heldout[seen.high]
    cast = train[given.comparison] & ~seen.adjudicated[given.comparison] & (given.side != CANNOT_JUDGE)
    wins = np.select([given.side == 0, given.side == 1], [1.0, 0.0], 0.5)
    reviewed = np.flatnonzero(train & seen.adjudicated)
    return inference.Compared(
        seen.low,
        seen.high,
        np.concatenate([given.comparison[cast], reviewed.astype(np.int32)]),
        np.concatenate([wins[cast], 0.5 + 0.5 * seen.outcome[reviewed]]),
    )


def _noisy(pool: Pool, rows: _Rows, heldout: Flags, options: FreezeOptions) -> _Rows:
    """Training rows with strong and weak exchanged, each with probability `noise` by a hash of its pair."""
    if not options.noise:
        return rows
    start = f"noise:{options.noise_seed}:".encode()
    first, second = np.minimum(rows.strong, rows.weak), np.maximum(rows.strong, rows.weak)
    ids = zip(pool.ids[first].tolist(), pool.ids[second].tolist(), strict=True)
    drawn = np.array([_uniform(start + one + other) for one, other in ids], np.float64)
    swapped = (drawn < options.noise) & (rows.provenance != TIE) & ~heldout[rows.strong]
    strong, weak = np.where(swapped, rows.weak, rows.strong), np.where(swapped, rows.strong, rows.weak)
    return _Rows(strong, weak, rows.confidence, rows.provenance)


def _uniform(text: bytes) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64
