"""What a run will take, found out without training: its data read and tokenised, its model counted.

What cannot be had (a hub id offline, without a cache) is left out and named; nothing is downloaded but the
tokenizer and the config, and no weights are loaded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from training.engine import base, catalog, estimate, measured, recomputing, records, reward_model, shapes
from training.engine.encoding import Encoded, encode_all
from training.engine.errors import ModelError
from training.engine.estimate import Batch, Cost, Counts, Memory, Tokens
from training.engine.events import Event, EventWriter
from training.engine.layouts import part_of
from training.engine.preparation import texts, training_rows
from training.engine.recomputing import Decision
from training.engine.records import PopData
from training.engine.row_order import RowOrder
from training.engine.run import Run
from training.engine.shapes import Shape
from training.engine.spec import Kind, RunSpec
from training.engine.stopping import Stop

Rows = list[dict[str, int]]
Passes = tuple[list[int], list[int]]
JUDGED = (
    "The reward model scores {count:,} preferences first, unless it has before: {cost:,.0f} F of its own, "
    "which are in none of these numbers."
)
ABOVE_ZERO = "Which of them it gives a margin above 0 is not known: all are counted."


@dataclass(frozen=True)
class Forecast:
    """`unknown`: sentences about what could not be found out; then the fields that need it are None.

    `gradient_checkpointing`: what `auto` comes to on this machine as it is now.
    """

    counts: Counts
    batch: Batch
    cost: Cost
    tokens: Tokens | None = None
    parameters: int | None = None
    operations: float | None = None
    memory: Memory | None = None
    gradient_checkpointing: Decision | None = None
    unknown: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values, sums included."""
        document = asdict(self)
        document["cost"]["total"] = self.cost.total
        if self.memory is not None:
            document["memory"] |= {"held": self.memory.held, "total": self.memory.total}
        return document


def forecast(spec: RunSpec, folder: Path, hear: Callable[[Event], None] = lambda _: None) -> Forecast:
    """Look ahead at the run of a spec.

    Args:
        folder: what a relative dataset path starts from.
        hear: is given the warnings that the run would give.

    Raises:
        InputError: the dataset or the reward model is at fault, as in the run itself.
    """
    data = records.load(folder / spec.dataset.path, spec.dataset.sha256)
    if spec.kind == "preference" and spec.method.reward_model is not None:
        reward_model.check(folder / spec.method.reward_model)
    unknown: dict[str, list[str]] = {}
    tokenizer = _known(lambda: base.open_tokenizer(spec, folder, texts(data)), "tokens", unknown)
    shape = _known(lambda: _shape(spec, folder, tokenizer), "memory and operations", unknown)
    encoded = encode_all(tokenizer, data.preferences, spec.training.max_length) if tokenizer else None
    rows = _rows(spec, data, encoded, hear)
    passes = _passes(spec, rows)
    counts = _counts(spec, data, encoded, rows, passes)
    tokens = _tokens(spec, data, encoded, passes) if encoded is not None else None
    longest = tokens.longest if tokens else spec.training.max_length
    found: dict[str, Any] = {}
    if shape is not None:
        found["parameters"] = shape.parameters
        if spec.training.gradient_checkpointing == "auto":
            found["gradient_checkpointing"] = decision = recomputing.weigh(spec, shape, longest)
            spec = recomputing.switched(spec, on=decision.on)
        full = estimate.largest_pass(spec, longest)
        found["memory"] = estimate.memory(spec, shape, pass_tokens=full)
    if shape is not None and tokens is not None:
        evaluated = estimate.evaluations(spec, counts.rows)
        found["operations"] = estimate.operations(spec, shape, tokens, evaluated)
    cost = estimate.cost(spec, counts)
    return Forecast(
        counts=counts,
        batch=estimate.batch(spec, counts.rows),
        cost=cost,
        tokens=tokens,
        unknown=[
            *(f"Not known: {', '.join(what)}. {why}" for why, what in unknown.items()),
            *_judged(spec, counts, cost),
        ],
        **found,
    )


def _judged(spec: RunSpec, counts: Counts, cost: Cost) -> list[str]:
    """What a reward model, whose size is not looked at, leaves open."""
    if not cost.rewards:
        return []
    above = [ABOVE_ZERO] if catalog.method(spec.method.slug).needs_positive_margin else []
    return [" ".join([JUDGED.format(count=counts.scored, cost=cost.rewards), *above])]


def _known(find: Callable[[], Any], what: str, unknown: dict[str, list[str]]) -> Any:
    try:
        return find()
    except ModelError as error:
        unknown.setdefault(error.message, []).append(what)
        return None


def _shape(spec: RunSpec, folder: Path, tokenizer: Any) -> Shape:
    if spec.model.base == base.TINY:
        found = shapes.tiny(spec.model.tiny, len(tokenizer))
    else:
        config = base.config(spec, folder)
        found = measured.of(config)
    return found.classifier() if spec.kind == "reward_model" else found


def _rows(
    spec: RunSpec, data: PopData, encoded: list[Encoded | None] | None, hear: Callable[[Event], None]
) -> Rows:
    """The training rows, chosen and warned of as the run does it; without tokens, every row counts."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(EventWriter(Path(scratch) / "events.jsonl", hear)) as events,
    ):
        run = Run(Path(scratch), spec, data, events, Stop())
        run.encoded = encoded or [_nothing()] * len(data.preferences)
        return ROWS[spec.kind](run)


def _policy_rows(run: Run) -> Rows:
    if run.spec.method.reward_model is not None:  # its margins are not known, and leave nothing out
        run.columns["reward_margin"] = torch.ones(len(run.data.preferences))
    return training_rows(run)


def _chosen_rows(run: Run) -> Rows:
    from training.engine import supervised

    return [{"strong": row["place"]} for row in supervised.chosen_rows(run)]


def _reward_rows(run: Run) -> Rows:
    from training.engine import rewarding

    rows = rewarding.training_rows(run)
    rewarding.watched(run)
    return rows


ROWS: dict[Kind, Callable[[Run], Rows]] = {
    "preference": _policy_rows,
    "sft": _chosen_rows,
    "reward_model": _reward_rows,
}


def _nothing() -> Encoded:
    """Stands for a preference whose tokens are not known: it is kept."""
    import numpy as np

    empty = np.zeros(0, np.int32)
    return Encoded(empty, empty, 0)


def _passes(spec: RunSpec, rows: Rows) -> Passes:
    """The preferences that the first epoch sends through a model, strong and weak.

    In preference runs each once a step. Others draw every row by itself: what rows of one forward pass share
    goes through it once there, and here each time.
    """
    training = spec.training
    if spec.kind != "preference":
        return [row["strong"] for row in rows], [row["weak"] for row in rows if "weak" in row]
    order = RowOrder(
        rows, rows_per_step=training.rows_per_step, seed=training.seed, shared=training.row_order == "shared"
    )
    steps = [[rows[place] for place in step] for step in order]
    strong = [place for step in steps for place in dict.fromkeys(row["strong"] for row in step)]
    weak = [place for step in steps for place in dict.fromkeys(row["weak"] for row in step if "weak" in row)]
    return strong, weak


def _counts(
    spec: RunSpec, data: PopData, encoded: list[Encoded | None] | None, rows: Rows, passes: Passes
) -> Counts:
    def fitting(split: str) -> int:
        return sum(encoded is None or encoded[place] is not None for place in data.preferences_of(split))

    return Counts(
        rows=len(rows),
        strong=len({row["strong"] for row in rows}),
        weak=len({row["weak"] for row in rows if "weak" in row}),
        strong_passes=len(passes[0]),
        weak_passes=len(passes[1]),
        scored=fitting("train") + fitting("heldout") if spec.kind == "preference" else 0,
        heldout=fitting("heldout"),
    )


def _tokens(spec: RunSpec, data: PopData, encoded: list[Encoded | None], passes: Passes) -> Tokens:
    def of(places: list[int]) -> list[Encoded]:
        return [one for one in (encoded[place] for place in places) if one is not None]

    learned = of(passes[0] + (passes[1] if estimate.learns_weak(spec) else []))
    weak = of(passes[1]) if estimate.reads_weak(spec) else []
    heldout = of(data.preferences_of("heldout"))
    scored = of(data.preferences_of("train")) + heldout if spec.kind == "preference" else []
    chosen, both = (learned, []) if spec.kind == "sft" else ([], learned)
    both = both + weak + scored + heldout
    length = _together if spec.kind == "preference" else _apart
    sequences = [len(one.chosen) for one in chosen + both] + [len(one.rejected) for one in both]
    return Tokens(
        policy=sum(len(one.chosen) if chosen else length(one) for one in learned),
        target=sum(map(length, weak)),
        scored=sum(map(length, scored)),
        heldout=sum(map(length, heldout)),
        completions=sum(one.chosen_length for one in chosen + both)
        + sum(one.rejected_length for one in both),
        squares=sum(length**2 for length in sequences),
        longest=max(sequences),
    )


def _together(one: Encoded) -> int:
    """Tokens of both sequences where what they begin with is there once."""
    return part_of(one).tokens


def _apart(one: Encoded) -> int:
    return len(one.chosen) + len(one.rejected)


def weak_name(spec: RunSpec) -> str:
    """Which model reads the weak preference, if any does."""
    return "target" if catalog.method(spec.method.slug).target else "weak side"
