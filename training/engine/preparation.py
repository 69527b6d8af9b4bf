"""Everything before the first training step: the checks, the base model, the rows, the reference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from training.engine import (
    base,
    catalog,
    checkpoints,
    contexts,
    launched,
    processes,
    recomputing,
    reference,
    reward_scores,
    runrecord,
    sft,
    sharding,
    strengths,
    tracking,
)
from training.engine.encoding import encode_all
from training.engine.errors import DatasetError, SpecError
from training.engine.logps import Scorer, check_head, layout_for
from training.engine.notices import tell_encoding, tell_strengths, tell_ties
from training.engine.progress import Progress
from training.engine.records import PopData
from training.engine.reference_cache import ReferenceCache
from training.engine.run import Run, device, keep_record, score
from training.engine.spec import RunSpec, decisive

FEW = 8  # rows in a forward pass, below which means and deviations of them say little
THREADS_FROM = 256  # hidden size


def prepare(run: Run, resume: Path | None) -> list[dict[str, int]]:
    """Fill in the run's base, encoded preferences and reference.

    Args:
        resume: the checkpoint that training will go on from.

    Returns:
        The rows to train on, as the collator takes them.

    Raises:
        InputError: see `errors`.
    """
    begin(run, resume)
    run.columns = reward_scores.columns(run)
    open_base(run)
    rows = training_rows(run)
    run.columns |= columns(run)
    check_head(run.base.model)
    run.layout = layout_for(run.base.model, run.encoded, run.pad_id, bf16=run.bf16)
    if not run.base.warmed:
        warm_up(run)
        place_new(run)
    record_parts(run)
    _score_reference(run)
    return rows


def begin(run: Run, resume: Path | None) -> None:
    """What comes first in every kind of run: the checks, run.json, the `started` event.

    Raises:
        SpecError: the checkpoint is of another spec or dataset.
    """
    settle_threads(run.spec)
    sharding.check()
    tracking.check(run.spec)
    tracking.keep_private()
    processes.join()
    if processes.first():
        _check_unchanged(run, resume)
    start(run, resume)
    processes.wait()


def open_base(run: Run) -> None:
    """Load or build the base model, move it to its device, and encode the preferences for it."""

    def opened() -> None:
        run.base = base.open_base(run.spec, run.folder, texts(run.data))
        place(run)

    sharding.one_after_another(opened, device())
    encode(run)
    processes.wait()  # nobody finds a base that another one has just stored


def place(run: Run, whole: Collection[torch.nn.Parameter] = ()) -> None:
    """Put the base model on its device, whole or divided but for some weights; a new `tiny` waits whole."""
    if not launched.sharded() or not run.base.warmed:
        run.base.model.to(device())
        return
    sharding.shard(run.base.model, device(), whole)


def place_new(run: Run) -> None:
    """Give everybody the first one's new `tiny`, and divide it if weights are to be."""
    processes.same(run.base.model)
    place(run)


def record_parts(run: Run) -> None:
    """Write into run.json how many weights each process has, if none has all of them."""
    if not launched.sharded():
        return
    held = sum(sharding.local(one).numel() for one in run.base.model.parameters())
    run.record["weights_held"] = processes.gathered(held)
    keep_record(run)


def encode(run: Run) -> None:
    """Encode every preference with the tokenizer of the run's base."""
    run.encoded = encode_all(
        run.base.tokenizer, run.data.preferences, max_length(run), run.stop.check, run.encoder
    )


def prepare_evaluation(run: Run) -> None:
    """Fill in the run's base, encoded preferences and reference, and nothing that only training needs.

    Raises:
        InputError: see `errors`.
    """
    open_base(run)
    check_head(run.base.model)
    run.layout = layout_for(run.base.model, run.encoded, run.pad_id, bf16=run.bf16)
    _score_reference(run)


def settle_threads(spec: RunSpec) -> None:
    """One thread for small models, where more only wait for each other."""
    if spec.model.base == base.TINY and spec.model.tiny.hidden_size < THREADS_FROM:
        torch.set_num_threads(1)


def _check_unchanged(run: Run, resume: Path | None) -> None:
    """A checkpoint goes on only with the spec and the data that it was made with.

    Raises:
        SpecError: they are others.
    """
    file = run.folder / "run.json"
    if not file.exists():
        return
    before = json.loads(file.read_text(encoding="utf-8"))
    same = before["dataset_sha256"] == run.data.sha256 and _decisive(before["spec"]) == decisive(run.spec)
    if not same and resume is not None:
        raise SpecError(
            f"The spec or the dataset changed since {resume.name} was written.",
            code="spec_changed",
            hint="Start a new run; or delete this run's checkpoints to train it from the start.",
        )
    if not same:
        shutil.rmtree(run.folder / "base", ignore_errors=True)


def _decisive(spec: dict[str, Any]) -> dict[str, Any] | None:
    """As `decisive`, of a stored spec; fields that came with a later version have their defaults."""
    try:
        return decisive(RunSpec.model_validate(spec))
    except ValidationError:
        return None


def start(run: Run, resume: Path | None) -> None:
    """Write the `started` event and run.json: what the run is and what it runs on."""
    run.record = runrecord.describe()
    before = recomputing.before(run.folder) if resume is not None else {}
    step = checkpoints.step_of(resume) if resume is not None else None
    run.events.write(
        "started",
        **run.record,
        run_kind=run.spec.kind,
        method=run.spec.method.slug if run.spec.kind == "preference" else None,
        dataset_sha256=run.data.sha256,
        resumed_from=step,
    )
    run.record |= before
    keep_record(run)


def texts(data: PopData) -> Iterator[str]:
    """What the training split says, for a tokenizer to learn from."""
    for place in data.preferences_of("train"):
        one = data.preferences[place]
        for message in (*one.prompt, *one.chosen, *one.rejected):
            yield message["content"]


def max_length(run: Run) -> int:
    """The spec's, or what the model's positions allow if that is less."""
    wanted = run.spec.training.max_length
    limit = getattr(run.base.model.config.get_text_config(), "max_position_embeddings", None) or wanted
    if limit < wanted:
        run.events.write(
            "warning",
            code="max_length_cut",
            message=f"The model knows {limit} positions: sequences are cut there, not at {wanted} tokens.",
        )
    return int(min(limit, wanted))


def training_rows(run: Run) -> list[dict[str, int]]:
    """The rows to train on: PoP rows, or every training preference for methods that take no rows.

    Ties and rows whose prompt fills max_length are left out, each with a warning.

    Raises:
        DatasetError: nothing is left, or the method needs scores that are missing.
    """
    method = catalog.method(run.spec.method.slug)
    tell_ties(run)
    if method.pop_rows:
        rows = [{"strong": row.strong, "weak": row.weak} for row in run.data.rows_of("train")]
    else:
        rows = [{"strong": place} for place in run.data.preferences_of("train")]
    if not rows:
        raise DatasetError(
            f"The dataset has no training {'rows' if method.pop_rows else 'preferences'} for {method.title}.",
            code="dataset_empty",
            hint="Label comparisons and freeze again, or choose a method that needs no PoP rows."
            if method.pop_rows
            else "",
        )
    kept = fitting(run, rows)
    if method.batch_statistics and run.spec.training.micro_batch < FEW:
        run.events.write(
            "warning",
            code="batch_small",
            message=f"{method.title} compares the pairs of a forward pass, and "
            f"{run.spec.training.micro_batch} are few: its statistics want {FEW} or more (micro_batch).",
        )
    if run.spec.method.reward_model is not None:
        kept = reward_scores.scored(run, kept)
    elif method.needs_score_margin:
        _check_scores(run, kept, method)
    return _above_zero(run, kept, method.title) if method.needs_positive_margin else kept


def fitting(run: Run, rows: list[dict[str, int]]) -> list[dict[str, int]]:
    """The rows whose prompts leave room for a response; warnings tell of the others.

    Raises:
        DatasetError: there is none.
    """
    kept = [row for row in rows if all(run.encoded[place] is not None for place in row.values())]
    tell_encoding(run, dropped=len(rows) - len(kept))
    if not kept:
        raise DatasetError(
            f"Every prompt is longer than {run.spec.training.max_length} tokens.",
            hint="Raise the longest sequence (max_length).",
        )
    return kept


def columns(run: Run) -> dict[str, torch.Tensor]:
    """What the run's method reads of the dataset: float [P] each, NaN where nothing is known."""
    found = {}
    method = catalog.method(run.spec.method.slug)
    if "score_margin" in method.columns and "reward_margin" not in run.columns:
        margins = [one.score_margin for one in run.data.preferences]
        found["score_margin"] = torch.tensor([float("nan") if one is None else one for one in margins])
    if "strength" in method.columns:
        found["strength"] = _strengths(run)
    return found


def _strengths(run: Run) -> torch.Tensor:
    """How strong each preference is by all training rows, float [P].

    Raises:
        DatasetError: there is no training row to fit them to.
    """
    params = run.spec.method.params
    found = strengths.fitted(
        run.data, prior_precision=params["prior_precision"], uncertainty=params["uncertainty"]
    )
    if not found.labelled:
        raise DatasetError(
            "The strengths of preferences are fitted to PoP rows, and the dataset has no training rows.",
            code="dataset_empty",
            hint="Label comparisons and freeze again, or choose a method that needs no PoP rows.",
        )
    tell_strengths(run, found)
    return torch.from_numpy(found.strength).float()


def _above_zero(run: Run, rows: list[dict[str, int]], title: str) -> list[dict[str, int]]:
    """The rows whose margin (the reward model's, if there is one) has a logarithm.

    Raises:
        DatasetError: there is none.
    """
    margins = [_margin(run, row["strong"]) for row in rows]
    kept = [row for row, margin in zip(rows, margins, strict=True) if margin is not None and margin > 0]
    if not kept:
        raise DatasetError(
            f"{title} needs chosen responses that score above the rejected ones, and there is none.",
            code="dataset_empty",
            hint="Look at the scores, or choose a method without them.",
        )
    if len(kept) < len(rows):
        message = (
            f"{len(rows) - len(kept)} of {len(rows)} training preferences are left out: their chosen "
            f"response does not score above the rejected one, and {title} takes the difference's logarithm."
        )
        run.events.write("warning", code="margins_not_positive", message=message)
    return kept


def _margin(run: Run, place: int) -> float | None:
    by_model = run.columns.get("reward_margin")
    return run.data.preferences[place].score_margin if by_model is None else float(by_model[place])


def _check_scores(run: Run, rows: list[dict[str, int]], method: catalog.Method) -> None:
    title = method.title
    margins = [run.data.preferences[row["strong"]].score_margin for row in rows]
    lacking = margins.count(None)
    if lacking:
        raise DatasetError(
            f"{title} needs scores, and {lacking} of {len(rows)} training preferences have none.",
            code="scores_missing",
            hint="Import score_chosen and score_rejected, or choose a method without scores.",
        )
    against = sum(margin is not None and margin < 0 for margin in margins)
    if against and not method.needs_positive_margin:
        run.events.write(
            "warning",
            code="score_margin_negative",
            message=f"{against} of {len(rows)} training preferences have a rejected response that scores "
            f"higher than the chosen one: {title} trains against them.",
        )


def warm_up(run: Run) -> None:
    spec = run.spec.model.tiny
    progress = Progress(run.events, "sft", spec.sft_steps)

    def done(step: int, loss: float) -> None:
        run.stop.check()
        progress.at(step)
        if step == spec.sft_steps:
            run.events.write("metrics", None, **{"sft/loss": loss})

    train = [run.encoded[place] for place in run.data.preferences_of("train")]
    sft.warm_up(
        Scorer(run.base.model, bf16=run.bf16),
        [one for one in train if one is not None],
        steps=spec.sft_steps,
        learning_rate=spec.sft_learning_rate,
        pad_id=run.pad_id,
        seed=run.spec.training.seed,
        done=done,
    )
    base.keep(run.base, run.folder)


def _score_reference(run: Run) -> None:
    wanted = sorted({*run.data.preferences_of("train"), *run.data.preferences_of("heldout")})
    weights, precision = reference.weights_hash(run.base.model), run.spec.training.precision
    cache, own = ReferenceCache(weights, precision), ReferenceCache(weights, precision, run.folder / "cache")

    def compute(missing: list[int], each: Callable[[list[int], torch.Tensor], None]) -> torch.Tensor:
        known = sum(run.encoded[place] is not None for place in wanted) - len(missing)
        progress = Progress(run.events, "reference", len(missing), cached=known)
        return score(run, run.base.model, missing, progress, each)

    run.contexts = contexts.taken(
        run.encoded,
        [place for place in run.data.preferences_of("heldout") if run.encoded[place] is not None]
        or run.data.preferences_of("train"),
        Scorer(run.base.model, bf16=run.bf16, layout=run.layout),
        weights=weights,
        precision=precision,
        pad_id=run.pad_id,
        room=run.room,
    )
    run.reference = reference.cached(cache, run.encoded, wanted, compute, own=own)
    if cache.problem:
        message = f"The reference log-probabilities are not kept for other runs: {cache.problem}"
        run.events.write("warning", code="cache_not_written", message=message)
