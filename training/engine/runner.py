"""A run from the checked spec to the exported model. Everything it does is told in events."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from training.engine import base, catalog, checkpoints, evaluations, export, reference, runrecord, sft
from training.engine.batching import PairCollator
from training.engine.encoding import Encoded, encode_all
from training.engine.errors import Cancelled, DatasetError, NotFinite, SpecError
from training.engine.evaluations import HeldOut
from training.engine.events import EventWriter
from training.engine.logps import Scorer, check_head
from training.engine.progress import Progress
from training.engine.records import PopData
from training.engine.reporter import Reporter
from training.engine.spec import RunSpec
from training.engine.stopping import Stop
from training.engine.trainer import PairTrainer

SHOWN_DROPPED = 5
THREADS_FROM = 256  # hidden size


@dataclass
class Run:
    """One run on its way. `encoded` and `reference` are aligned with `data.preferences`."""

    folder: Path
    spec: RunSpec
    data: PopData
    events: EventWriter
    stop: Stop
    base: base.Base = field(init=False)
    encoded: list[Encoded | None] = field(init=False)
    reference: Tensor = field(init=False)
    record: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.stop.has_checkpoint = lambda: bool(checkpoints.complete(self.checkpoints))

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def bf16(self) -> bool:
        return self.spec.training.precision == "bf16"

    @property
    def pad_id(self) -> int:
        return int(self.base.tokenizer.pad_token_id)


def train(run: Run) -> Path:
    """Train, evaluate, export.

    Returns:
        The folder of the finished model.

    Raises:
        InputError, NotFinite: see `errors`.
        Cancelled: somebody asked; a checkpoint may be there.
    """
    began = time.monotonic()
    run.stop.check()
    _settle_processes(run.spec)
    resume = checkpoints.last(run.checkpoints)
    _check_unchanged(run, resume)
    _start(run, resume)
    run.base = base.open_base(run.spec, run.folder, _texts(run.data))
    run.encoded = encode_all(run.base.tokenizer, run.data.preferences, _max_length(run), run.stop.check)
    rows = training_rows(run)
    run.base.model.to("cuda" if torch.cuda.is_available() else "cpu")
    check_head(run.base.model)
    if not run.base.warmed:
        _warm_up(run)
    _score_reference(run)
    trainer = fit(run, rows, resume)
    results = _evaluate(run, trainer)
    model = _save(run, trainer, results)
    run.events.write("finished", model=model.name, seconds=time.monotonic() - began)
    return model


def _settle_processes(spec: RunSpec) -> None:
    """One process; and one thread for small models, where more only wait for each other.

    Raises:
        SpecError: a launcher started several.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SpecError(
            "This version of the engine trains in one process, and a launcher started several.",
            code="several_processes",
            hint="Start it with `python -m training.engine train RUN_DIR`.",
        )
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
    decisive = ("model", "method", "training")
    now = run.spec.model_dump(mode="json")
    same = before["dataset_sha256"] == run.data.sha256 and all(before["spec"][k] == now[k] for k in decisive)
    if not same and resume is not None:
        raise SpecError(
            f"The spec or the dataset changed since {resume.name} was written.",
            code="spec_changed",
            hint="Start a new run; or delete this run's checkpoints to train it from the start.",
        )
    if not same:
        shutil.rmtree(run.folder / "base", ignore_errors=True)


def _max_length(run: Run) -> int:
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


def _texts(data: PopData) -> Iterator[str]:
    """What the training split says, for a tokenizer to learn from."""
    for place in data.preferences_of("train"):
        one = data.preferences[place]
        for message in (*one.prompt, *one.chosen, *one.rejected):
            yield message["content"]


def _start(run: Run, resume: Path | None) -> None:
    run.record = runrecord.describe()
    step = checkpoints.step_of(resume) if resume is not None else None
    run.events.write(
        "started",
        **run.record,
        method=run.spec.method.slug,
        dataset_sha256=run.data.sha256,
        resumed_from=step,
    )
    document = run.record | {"dataset_sha256": run.data.sha256, "spec": run.spec.model_dump(mode="json")}
    _write_json(run.folder / "run.json", document)


def training_rows(run: Run) -> list[dict[str, int]]:
    """The rows to train on: PoP rows, or every training preference for methods that take no rows.

    Rows whose prompt fills max_length are left out, with a warning.

    Raises:
        DatasetError: nothing is left, or the method needs scores that are missing.
    """
    method = catalog.method(run.spec.method.slug)
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
    kept = [row for row in rows if all(run.encoded[place] is not None for place in row.values())]
    if len(kept) < len(rows):
        _warn_dropped(run, len(rows) - len(kept))
    if not kept:
        raise DatasetError(
            f"Every prompt is longer than {run.spec.training.max_length} tokens.",
            hint="Raise the longest sequence (max_length).",
        )
    if method.needs_score_margin:
        _check_scores(run, kept, method.title)
    return kept


def _check_scores(run: Run, rows: list[dict[str, int]], title: str) -> None:
    lacking = sum(run.data.preferences[row["strong"]].score_margin is None for row in rows)
    if lacking:
        raise DatasetError(
            f"{title} needs scores, and {lacking} of {len(rows)} training preferences have none.",
            code="scores_missing",
            hint="Import score_chosen and score_rejected, or choose a method without scores.",
        )


def _warn_dropped(run: Run, count: int) -> None:
    lost = [one.id for one, got in zip(run.data.preferences, run.encoded, strict=True) if got is None]
    run.events.write(
        "warning",
        code="rows_dropped",
        message=f"{count} training rows are left out: their prompt alone fills "
        f"{run.spec.training.max_length} tokens ({len(lost)} preferences, among them "
        f"{', '.join(lost[:SHOWN_DROPPED])}).",
    )


def _warm_up(run: Run) -> None:
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
    progress = Progress(run.events, "reference", sum(run.encoded[place] is not None for place in wanted))
    key = reference.content_key(
        reference.weights_hash(run.base.model), run.spec.training.precision, run.encoded, wanted
    )
    run.reference = reference.cached(
        run.folder / "cache" / "reference.safetensors",
        key,
        lambda: _score(run, run.base.model, wanted, progress),
    )


def _score(run: Run, model: Any, wanted: list[int], progress: Progress) -> Tensor:
    def done(count: int) -> None:
        run.stop.check()
        progress.at(count)

    return reference.score(
        Scorer(model, bf16=run.bf16),
        run.encoded,
        wanted,
        pad_id=run.pad_id,
        batch_size=run.spec.evaluation.batch_size,
        done=done,
    )


def build_trainer(run: Run, rows: list[dict[str, int]]) -> PairTrainer:
    """The trainer of a run, at step 0."""
    margins = [one.score_margin for one in run.data.preferences]
    collator = PairCollator(
        encoded=run.encoded,
        reference=run.reference,
        score_margin=torch.tensor([float("nan") if one is None else one for one in margins]),
        pad_id=run.pad_id,
    )
    return PairTrainer(
        spec=run.spec,
        collator=collator,
        rows=Dataset.from_list(rows),
        model=run.base.model,
        processing_class=run.base.tokenizer,
        output_dir=run.checkpoints,
    )


def fit(run: Run, rows: list[dict[str, int]], resume: Path | None) -> PairTrainer:
    """Run the training loop, from a checkpoint if there is one.

    Raises:
        Cancelled: somebody asked; the last step is in a checkpoint.
    """
    run.stop.check()
    trainer = build_trainer(run, rows)
    Reporter(run.events, run.stop).attach(trainer)
    if resume is not None and trainer.target is not None:
        trainer.target.load(resume)
    trainer.train(resume_from_checkpoint=str(resume) if resume is not None else None)
    if run.stop.requested:
        raise Cancelled(checkpoint=True, step=trainer.state.global_step)
    return trainer


def _evaluate(run: Run, trainer: PairTrainer) -> dict[str, Any]:
    places = [place for place in run.data.preferences_of("heldout") if run.encoded[place] is not None]
    progress = Progress(run.events, "evaluate", len(places))
    policy = _score(run, trainer.model, places, progress)
    _check_finite(policy[places])
    ratios = (policy - run.reference)[places].double().numpy()
    positions = {place: index for index, place in enumerate(places)}
    rows = [(row.strong, row.weak) for row in run.data.rows_of("heldout")]
    kept = [(positions[s], positions[w]) for s, w in rows if s in positions and w in positions]
    scores = [run.data.preferences[place].score_margin for place in places]
    heldout = HeldOut(
        margin=run.spec.method.params["beta"] * (ratios[:, 0] - ratios[:, 1]),
        score_margin=np.asarray([np.nan if one is None else one for one in scores], np.float64),
        rows=np.asarray(kept, np.int64).reshape(-1, 2),
        seed=run.spec.training.seed,
    )
    return _report_evaluations(run, heldout)


def _check_finite(policy: Tensor) -> None:
    if not torch.isfinite(policy).all():
        raise NotFinite(
            "The trained model gives probabilities that are not finite.", hint="Lower the learning rate."
        )


def _report_evaluations(run: Run, heldout: HeldOut) -> dict[str, Any]:
    common: dict[str, Any] = {"seed": heldout.seed, "dataset_sha256": run.data.sha256}
    results: dict[str, Any] = {}
    durations: dict[str, float] = {}
    for name, result, seconds in evaluations.run_all(run.spec.evaluation.names, heldout):
        run.stop.check()
        results[name], durations[name] = result, seconds
        run.events.write("evaluation", name=name, result=result, duration_seconds=seconds, **common)
    _write_json(run.folder / "evaluation.json", common | {"results": results, "duration_seconds": durations})
    return results


def _save(run: Run, trainer: PairTrainer, results: dict[str, Any]) -> Path:
    Progress(run.events, "save", None)
    card = export.model_card(
        run.spec,
        dataset_sha256=run.data.sha256,
        record=run.record,
        results=results,
        steps=trainer.state.global_step,
    )
    export.write_model(trainer.model, run.base.tokenizer, run.folder / "model", card)
    return run.folder / "model"


def _write_json(file: Path, document: dict[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(file)
