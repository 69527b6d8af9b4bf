"""Evaluations of a model that is there already: a run's, one of its checkpoints, or anybody's."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.engine import (
    base,
    catalog,
    preparation,
    records,
    responses,
    results,
    reward_model,
    rewarding,
    runner,
    supervised,
)
from training.engine.cli import read_spec
from training.engine.errors import DatasetError, ModelError, SpecError, faults
from training.engine.evaluation_spec import EvaluationSpec, Split
from training.engine.events import Event, EventWriter
from training.engine.launched import count
from training.engine.logps import check_head
from training.engine.records import PopData
from training.engine.run import Run, device
from training.engine.spec import Kind, RunSpec
from training.engine.stopping import Stop

ADAPTER = "adapter_config.json"


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a model's folder or id, the spec of its run or one made for it, the run's folder."""

    model: str
    spec: RunSpec
    run_dir: Path | None = None

    @property
    def data(self) -> Path | None:
        """The dataset of its run."""
        return self.run_dir / self.spec.dataset.path if self.run_dir else None


def find(model: str) -> Subject | None:
    """The subject that a run's folder, its `model` folder or one of its checkpoints is; None for others.

    Raises:
        SpecError: the run's spec is broken, or the run has no model yet.
    """
    folder = Path(model).expanduser()
    for run_dir in (folder, folder.parent, folder.parent.parent):
        if folder.is_dir() and (run_dir / "spec.json").is_file():
            found = folder / "model" if run_dir == folder else folder
            if not (found / "config.json").is_file() and not (found / ADAPTER).is_file():
                raise SpecError(f"There is no model in {found}.", hint="Train the run to its end first.")
            return Subject(str(found), _on_its_base(read_spec(run_dir), run_dir), run_dir)
    return None


def evaluate(
    subject: Subject,
    *,
    dataset: Path | None = None,
    split: Split = "heldout",
    names: list[str] | None = None,
    asking: Mapping[str, Any] | None = None,
    hear: Callable[[Event], None] = lambda _: None,
    written: Path | None = None,
) -> dict[str, Any]:
    """Evaluate a model on held-out data, a policy against its reference; nothing of its run is changed.

    On the run's own data the numbers are those of its evaluation.json.

    Args:
        dataset: other data than the run's own.
        split: which preferences and comparisons count as held out.
        names: the evaluations; the run's if None.
        asking: what else of the spec's evaluation section is another than the run's: "judge", "against", and
            "generation" by field.
        written: where to put the responses, if any were asked for.

    Returns:
        What evaluation.json holds, and "model", "reference" (None: an sft run or a reward model has none),
        "dataset" and "split" beside it.

    Raises:
        InputError, NotFinite: see `errors`.
    """
    path = dataset or subject.data
    if path is None:
        raise SpecError("No dataset is named, and no run says which.", hint="Use --dataset FILE.")
    data = taken(records.load(path), split)
    spec = _asking(subject, names, asking or {})
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(EventWriter(Path(scratch) / "events.jsonl", hear)) as events,
    ):
        folder = subject.run_dir or Path(scratch)
        run = Run(folder, spec, data, events, Stop(), trains=False, reference_name=_named(subject))
        responses.check(run)
        found = KINDS[spec.kind](subject, run, Path(scratch))
        made = Path(scratch) / responses.FILE
        if written is not None and made.is_file():
            written.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, written)
    return {
        "model": subject.model,
        "reference": spec.model.base if spec.kind == "preference" else None,
        "dataset": str(path),
        "dataset_sha256": data.sha256,
        "split": split,
        "seed": spec.training.seed,
        "results": found,
    }


def again(run: Run) -> Path:
    """An evaluation run: the model of its `subject`, by the run's own `evaluation` section.

    Where both are as they were when the subject was trained, so are the numbers.

    Returns:
        evaluation.json.

    Raises:
        InputError, NotFinite: see `errors`.
        Cancelled: somebody asked; what was written stays in the cache.
    """
    from training.engine.benchmarks import alpaca_run, scoring  # they open models as this module does

    if count() > 1:
        raise SpecError("An evaluation run works in one process.", hint="Start it without a launcher.")
    asked, folder = run.spec.subject, run.folder / Path(run.spec.subject.run).expanduser()
    subject = _subject(folder, asked.checkpoint)
    preparation.start(run, None)
    preparation.settle_threads(read_spec(folder))
    spec = subject.spec.model_copy(update={"evaluation": run.spec.evaluation})
    if (where := base.place(spec, folder)) != spec.model.base:
        spec = _on(spec, where)
    inner = replace(run, spec=spec, seed=asked.seed, trains=False, reference_name=_named(subject))
    benchmark, alpaca = scoring.asked(subject, inner), alpaca_run.asked(subject, inner)
    if spec.evaluation.of_dataset:
        of_split = replace(inner, data=taken(run.data, asked.split))
        responses.check(of_split)
        KINDS[spec.kind](subject, of_split, run.folder)
        del of_split
        gc.collect()  # its models make room for the next ones
    else:
        results.nothing_yet(inner)
    if benchmark is not None:
        scoring.add(subject, inner, benchmark)
        gc.collect()
    if alpaca is not None:
        alpaca_run.add(subject, inner, alpaca)
    return run.folder / results.STORED


def _subject(folder: Path, checkpoint: int | None) -> Subject:
    """The model in a run's folder, or one of its checkpoints.

    Raises:
        SpecError: it is not there.
    """
    place = folder if checkpoint is None else folder / "checkpoints" / f"checkpoint-{checkpoint}"
    subject = find(str(place))
    if subject is None:
        what = "run" if checkpoint is None else f"checkpoint of step {checkpoint}"
        raise SpecError(
            f"There is no {what} in {folder}.", hint="Evaluate the finished model, or train again."
        )
    return subject


def _named(subject: Subject) -> str:
    """The base model as the subject's run calls it; empty for a model of no run."""
    return read_spec(subject.run_dir).model.base if subject.run_dir else ""


def _of_policy(subject: Subject, run: Run, scratch: Path) -> dict[str, Any]:
    return results.evaluate(run, runner.heldout(run, opened_policy(subject, run, scratch)))


def opened_policy(subject: Subject, run: Run, scratch: Path) -> Any:
    """The policy, with the run's preferences encoded and scored by its reference."""
    preparation.prepare_evaluation(run)
    policy = _policy(subject, run)
    if (where := base.place(run.spec, run.folder)) != run.spec.model.base:
        run.spec = _on(run.spec, where)
    run.base.model = policy  # the reference is scored: one model in memory is enough
    run.folder = scratch
    return policy


def _of_sft(subject: Subject, run: Run, scratch: Path) -> dict[str, Any]:
    adapter = (Path(subject.model) / ADAPTER).is_file()
    where = base.place(run.spec, run.folder)
    # What is read is the model itself; what it is compared with is what it was trained from.
    reference = run.spec if where == run.spec.model.base else _on(run.spec, where)
    if not adapter:
        run.spec = _on(run.spec, subject.model)
    preparation.open_base(run)
    check_head(run.base.model)
    model = _policy(subject, run) if adapter else run.base.model
    run.spec, run.folder = reference, scratch
    return results.evaluate(run, supervised.heldout(run, model))


def _of_reward_model(subject: Subject, run: Run, scratch: Path) -> dict[str, Any]:
    return results.evaluate(run, rewarding.heldout(run, opened_reward_model(subject, run, scratch)))


def opened_reward_model(subject: Subject, run: Run, scratch: Path) -> Any:
    """The reward model, with the run's preferences encoded for it."""
    folder = Path(subject.model)
    if (folder / ADAPTER).is_file():
        from peft import PeftModel

        spec, where = run.spec, base.place(run.spec, run.folder)
        start, tokenizer = reward_model.from_base(
            where, spec.model.revision, base.dtype(spec), spec.training.seed
        )
        model = PeftModel.from_pretrained(start, subject.model)
    else:
        model, tokenizer = reward_model.trained(folder)
    run.base = base.Base(model.to(device()), tokenizer, warmed=True)
    preparation.encode(run)
    run.folder = scratch
    return run.base.model


KINDS: dict[Kind, Callable[[Subject, Run, Path], dict[str, Any]]] = {
    "preference": _of_policy,
    "sft": _of_sft,
    "reward_model": _of_reward_model,
}


def taken(data: PopData, split: Split) -> PopData:
    """The data with the preferences and rows of `split` as the held-out ones.

    Raises:
        DatasetError: there are none.
    """
    if split == "heldout":
        moved = data
    else:
        kept = ("train", "heldout") if split == "all" else (split,)
        moved = replace(
            data,
            preferences=[
                replace(one, split="heldout" if one.split in kept else "unused") for one in data.preferences
            ],
            rows=[replace(one, split="heldout" if one.split in kept else "unused") for one in data.rows],
        )
    if not moved.preferences_of("heldout"):
        raise DatasetError(
            f"The dataset has no {split} preferences.",
            code="dataset_empty",
            hint="--split train (or all) evaluates the others.",
        )
    return moved


def _asking(subject: Subject, names: list[str] | None, changes: Mapping[str, Any]) -> RunSpec:
    """The spec with what is wanted now; judges and others below the run's folder by full path."""
    spec = subject.spec
    section = spec.evaluation.model_dump()
    for name in ("judge", "against"):
        below = subject.run_dir / str(section[name]) if subject.run_dir and section[name] else None
        if below is not None and below.exists():
            section[name] = str(below.resolve())
    section["generation"] |= changes.get("generation", {})
    section |= {name: value for name, value in changes.items() if name != "generation"}
    if names is not None:
        section["names"] = names
    try:
        asking = EvaluationSpec.model_validate(section)
    except ValidationError as error:
        raise SpecError(faults(error)) from error
    except ValueError as error:
        raise SpecError(str(error)) from error
    spec = spec.model_copy(update={"evaluation": asking})
    if names is None:
        return spec
    strange = [name for name in names if spec.kind not in catalog.evaluation(name).kinds]
    if strange:
        known = [one.name for one in catalog.EVALUATIONS.values() if spec.kind in one.kinds]
        kind = {"sft": "an sft run", "reward_model": "a reward model"}.get(spec.kind, "a policy")
        raise SpecError(
            f"{', '.join(strange)} says nothing of {kind}.", hint=f"There are {', '.join(known)}."
        )
    return spec


def _on(spec: RunSpec, folder: str) -> RunSpec:
    """The spec with another base model."""
    model = spec.model.model_copy(update={"base": folder, "revision": None})
    return spec.model_copy(update={"model": model})


def _on_its_base(spec: RunSpec, run_dir: Path) -> RunSpec:
    """The spec with the base model that the run really started from: a `tiny` was built for it."""
    if spec.model.base != base.TINY:
        return spec
    return _on(spec, str(run_dir / "base"))


def _policy(subject: Subject, run: Run) -> Any:
    """The model, on the reference's device; an adapter is put on the reference's own weights."""
    if (Path(subject.model) / ADAPTER).is_file():
        from peft import PeftModel

        return PeftModel.from_pretrained(run.base.model, subject.model)
    found = base.open_base(_on(subject.spec, subject.model), run.folder, ())
    policy = found.model.to(device())
    same = found.tokenizer.get_vocab() == run.base.tokenizer.get_vocab()
    if not same or _vocabulary(policy) != _vocabulary(run.base.model):
        raise ModelError(
            f"{subject.model} and its reference {run.spec.model.base} know different tokens.",
            code="model_mismatch",
            hint="The reference is the model that the other was trained from.",
        )
    return policy


def _vocabulary(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[0])
