"""The end of every run: evaluations, and the finished model's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.engine import catalog, evaluations, export, launched, processes, sharding
from training.engine.errors import NotFinite
from training.engine.evaluations import HeldOut
from training.engine.evaluations.heldout import Floats
from training.engine.progress import Progress
from training.engine.run import Run, score, write_json

STORED = "evaluation.json"
SIDES = ("chosen", "rejected")
WRITTEN = ("generation",)  # whoever has responses written wants it
JUDGED = ("win_rate", "median_advantage")  # whoever names a judge wants them


def seed(run: Run) -> int:
    """Of the intervals: what was asked for, else that of training."""
    return run.spec.training.seed if run.seed is None else run.seed


def heldout_places(run: Run) -> list[int]:
    """Positions of the held-out preferences that fit the model's length."""
    return [place for place in run.data.preferences_of("heldout") if run.encoded[place] is not None]


def heldout(
    run: Run,
    places: list[int],
    margin: Floats,
    logps: Tensor | None = None,
    reference: Tensor | None = None,
) -> HeldOut:
    """What evaluations see of the held-out preferences at `places`.

    Args:
        margin: [n]; empty where the kind of run has none.
        logps, reference: log-probabilities of both responses under model and reference, nats, [P, 2].
    """
    positions = {place: index for index, place in enumerate(places)}
    every = run.data.rows_of("heldout")
    rows = [row for row in every if {row.strong, row.weak} <= positions.keys()]
    scores = [run.data.preferences[place].score_margin for place in places]
    encoded = [one for one in (run.encoded[place] for place in places) if one is not None]
    known: dict[str, Any] = {}
    if logps is not None:
        known = {f"{side}_logps": logps[places, at].double().numpy() for at, side in enumerate(SIDES)}
    if reference is not None:
        known["reference_logps"] = reference[places].double().numpy()
    return HeldOut(
        margin=margin,
        score_margin=np.asarray([np.nan if one is None else one for one in scores], np.float64),
        rows=np.asarray([(positions[row.strong], positions[row.weak]) for row in rows], np.int64).reshape(
            -1, 2
        ),
        confidence=np.asarray([row.confidence for row in rows], np.float64),
        seed=seed(run),
        ids=tuple(run.data.preferences[place].id for place in places),
        chosen_lengths=np.asarray([one.chosen_length for one in encoded], np.float64),
        rejected_lengths=np.asarray([one.rejected_length for one in encoded], np.float64),
        too_long=len(run.data.preferences_of("heldout")) - len(places),
        rows_too_long=len(every) - len(rows),
        **known,
    )


def scored(run: Run, model: Any, places: list[int]) -> Tensor:
    """Log-probabilities of the held-out preferences at `places` under a trained model, nats, [P, 2].

    Raises:
        NotFinite: it gives values that are not finite.
    """
    found = logps(run, model, places)
    check_finite(run, found[places])
    return found


def logps(run: Run, model: Any, places: list[int]) -> Tensor:
    """As `scored`, finite or not."""
    progress = Progress(run.events, "evaluate", len(processes.share(places)))
    return processes.divided(places, lambda own: score(run, model, own, progress))


def check_finite(run: Run, values: Tensor) -> None:
    """Raises NotFinite where a model's answers are not numbers, with advice for training or for looking."""
    if torch.isfinite(values).all():
        return
    if run.trains:
        raise NotFinite(
            "The trained model gives values that are not finite.", hint="Lower the learning rate."
        )
    raise NotFinite(
        "The model gives values that are not finite.",
        code="model_not_finite",
        hint=f"Its weights are not finite themselves, or too large for {run.spec.training.precision}.",
    )


def evaluate(run: Run, seen: HeldOut) -> dict[str, Any]:
    """Run the evaluations that were asked for and that the kind of run knows; tell and store them."""
    common: dict[str, Any] = {"seed": seen.seed, "dataset_sha256": run.data.sha256}
    results: dict[str, Any] = {}
    durations: dict[str, float] = {}
    wanted = run.spec.evaluation
    written = WRITTEN if wanted.generation.prompts else ()
    asked = [*wanted.names, *written, *(JUDGED if wanted.judge else ())]
    names = [name for name in dict.fromkeys(asked) if run.spec.kind in catalog.evaluation(name).kinds]
    for name, result, seconds in evaluations.run_all(names, seen):
        run.stop.check()
        results[name], durations[name] = result, seconds
        run.events.write("evaluation", name=name, result=result, duration_seconds=seconds, **common)
    write_json(run.folder / STORED, common | {"results": results, "duration_seconds": durations})
    return results


def nothing_yet(run: Run) -> None:
    """An evaluation.json without results, of a run that asks nothing about its dataset."""
    common = {"seed": seed(run), "dataset_sha256": run.data.sha256}
    write_json(run.folder / STORED, common | {"results": {}, "duration_seconds": {}})


def add(run: Run, name: str, result: dict[str, Any], *, sha256: str, seconds: float) -> None:
    """Tell a result about data of its own, and put it beside the others in evaluation.json."""
    told: dict[str, Any] = {"seed": seed(run), "dataset_sha256": sha256}
    run.events.write("evaluation", name=name, result=result, duration_seconds=seconds, **told)
    document = json.loads((run.folder / STORED).read_text(encoding="utf-8"))
    document["results"][name], document["duration_seconds"][name] = result, seconds
    write_json(run.folder / STORED, document)


def finish(run: Run, model: Any, seen: HeldOut, steps: int) -> Path:
    """Evaluate and export a trained model; of several processes the first one does. Its folder.

    Args:
        steps: optimizer steps that its weights have seen.
    """
    if launched.sharded():
        sharding.gather(model)
    if not processes.first():
        return run.folder / "model"
    return save(run, model, evaluate(run, seen), steps)


def save(run: Run, model: Any, results: dict[str, Any], steps: int) -> Path:
    """Write `model/`, whole or not at all; the folder."""
    Progress(run.events, "save", None)
    card = export.model_card(
        run.spec, dataset_sha256=run.data.sha256, record=run.record, results=results, steps=steps
    )
    export.write_model(model, run.base.tokenizer, run.folder / "model", card)
    return run.folder / "model"
