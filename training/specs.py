"""Checks a run spec before anything is queued: its form, its base model, what it needs of the dataset."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from pydantic import ValidationError

from annotation.models import PopDataset, Preference
from annotation.models import Split as Splits
from training import benchmark_files, lineage
from training.engine import catalog, oracle
from training.engine.catalog import UnknownEntry
from training.engine.evaluation_spec import Split
from training.engine.spec import RunSpec
from training.errors import Invalid, NotPrepared

_CODES = {
    "model.base": "invalid_base_model",
    "method.reward_model": "invalid_reward_model",
    "evaluation.judge": "invalid_judge",
    "evaluation.against": "invalid_against",
    "subject.run": "invalid_subject",
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.\-]*(/[A-Za-z0-9][\w.\-]*)?")


def checked(spec: dict[str, Any]) -> RunSpec:
    """The spec as a RunSpec.

    Raises:
        Invalid: `fields` is keyed by the place in the spec, like `training.learning_rate`.
    """
    try:
        found = RunSpec.model_validate(spec)
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for place, message in _complaints(error, spec):
            fields.setdefault(place, []).append(message)
        words = "; ".join(f"{place}: {messages[0]}" for place, messages in fields.items())
        raise Invalid("invalid_spec", f"The run spec is not valid. {words}", fields) from error
    _check_storable(found)
    return found


def _check_storable(spec: RunSpec) -> None:
    """JSON in the database holds no NUL and no infinite number, which a form can bring as well as the API."""
    texts = {
        "name": spec.name,
        "subject.run": spec.subject.run,
        "model.base": spec.model.base,
        "model.revision": spec.model.revision or "",
        "method.reward_model": spec.method.reward_model or "",
        "evaluation.judge": spec.evaluation.judge or "",
        "evaluation.against": spec.evaluation.against or "",
        "evaluation.alpaca_eval.judge": spec.evaluation.alpaca_eval.judge or "",
        "evaluation.alpaca_eval.request": _unescaped(spec.evaluation.alpaca_eval.request),
    }
    fields = {place: ["A NUL character cannot be stored."] for place, text in texts.items() if "\0" in text}
    try:
        json.dumps(spec.model_dump(), allow_nan=False)
    except ValueError:
        fields["spec"] = ["All numbers must be finite."]
    if fields:
        raise Invalid("invalid_spec", "The run spec is not valid: it cannot be stored.", fields)


def _unescaped(document: dict[str, Any] | None) -> str:
    """A document as text in which a NUL, wherever it stands in it, is one."""
    return json.dumps(document).replace("\\\\", "").replace("\\u0000", "\0")


def _complaints(error: ValidationError, spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        if place[:1] == ["method"] and len(place) > 1 and place[1] not in spec["method"]:
            place.insert(1, "params")  # a method's own parameters are checked by its own model
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, UnknownEntry):
            place.append({"method": "slug", "evaluation": "names"}[place[0]])
        yield ".".join(place) or "spec", str(cause or item["msg"])


def check_models(spec: RunSpec) -> None:
    """The models and files that a spec names are other runs, or may be used from where they are.

    Raises:
        Invalid: they may not.
    """
    check_base(spec.model.base)
    if spec.kind == "evaluation":
        check_run(spec.subject.run, "subject.run")
    if spec.kind == "preference" and spec.method.reward_model is not None:
        check_reward_model(spec.method.reward_model)
    if spec.evaluation.judge is not None:
        check_base(spec.evaluation.judge, "evaluation.judge")
    if spec.evaluation.against is not None:
        check_run(spec.evaluation.against, "evaluation.against")
    benchmark_files.check(spec.evaluation)


def check_run(named: str, field: str) -> None:
    """What is evaluated, and whose responses ours are judged against, is a run: a path could be anything.

    Raises:
        Invalid: it is not.
    """
    if lineage.named(named) is None:
        raise _bad(field, f"{named!r} is no run: name one like `run:7`.")


def check_reward_model(named: str) -> None:
    """The reward model is a run, or inside one of the model folders.

    Raises:
        Invalid: it is neither.
    """
    if lineage.named(named) is not None:
        return
    if not Path(named).is_absolute():
        raise _bad("method.reward_model", f"{named!r} is neither a run, like `run:7`, nor a full path.")
    _check_path(named, "method.reward_model")


def check_base(base: str, field: str = "model.base") -> None:
    """The base model is `tiny`, a run, a hub id, or inside one of the model folders; a judge likewise.

    Raises:
        Invalid: it is a path elsewhere, a path where nothing is, or no model name at all.
    """
    if (base == "tiny" and field == "model.base") or lineage.named(base) is not None:
        return
    if _is_path(base):
        _check_path(base, field)
    elif not _HUB_ID.fullmatch(base) or ".." in base or "--" in base:
        raise _bad(
            field,
            f"{base!r} is no model name: use {'`tiny`, ' if field == 'model.base' else ''}a Hugging Face id, "
            "a run, like `run:7`, or a full path.",
        )


def _is_path(base: str) -> bool:
    return base.startswith(("/", "~", ".")) or "\\" in base or base.count("/") > 1


def _check_path(base: str, field: str) -> None:
    path = _expanded(base)
    folder = _home(path) if path.is_absolute() else None
    if folder is None:
        allowed = ", ".join(map(str, settings.MODEL_DIRS)) or "none"
        raise _bad(
            field,
            f"{base} is not inside a folder that models may be read from ({allowed}). "
            "Put it there, or add its folder to POP_MODEL_DIRS.",
        )
    if field == "evaluation.judge" and oracle.find(path) is not None:
        return
    # The folder may exist on the workers only; where it is here, a typing error shows at once.
    if folder.is_dir() and not os.path.isfile(path / "config.json"):  # noqa: PTH113 - False for any path
        raise _bad(field, f"There is no model in {base}: it has no config.json.")


def _expanded(base: str) -> Path:
    try:
        return Path(base).expanduser()
    except RuntimeError:  # ~somebody, who has no account here
        return Path(base)


def _home(path: Path) -> Path | None:
    """The model folder that holds the path once symbolic links are followed."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL
        return None
    return next((folder for folder in settings.MODEL_DIRS if real.is_relative_to(folder.resolve())), None)


def _bad(field: str, message: str) -> Invalid:
    return Invalid(_CODES[field], message, {field: [message]})


def recheck_models(spec: dict[str, Any]) -> None:
    """On the worker, just before the start: links there may differ.

    Raises:
        NotPrepared: one of the models may not be used, or is not there.
    """
    named = spec.get("method", {}).get("reward_model")
    judge = spec.get("evaluation", {}).get("judge")
    try:
        check_base(str(spec.get("model", {}).get("base", "tiny")))
        if named is not None:
            check_reward_model(str(named))
        if judge is not None:
            check_base(str(judge), "evaluation.judge")
    except Invalid as error:
        raise NotPrepared(error.message, "Launch a new run with another model.") from error


def check_dataset_serves(dataset: PopDataset, spec: RunSpec) -> None:
    """The dataset has what the method or the objective needs.

    Raises:
        Invalid: no rows for one that learns from rows, no scores for one that needs margins, nothing in the
            split that is evaluated.
    """
    if spec.kind == "preference":
        method = catalog.method(spec.method.slug)
        scores = method.needs_score_margin and spec.method.reward_model is None
        _check_serves(dataset, method.title, "method.slug", rows=method.needs_rows, scores=scores)
    elif spec.kind == "reward_model":
        asked = spec.reward.objective
        title = f"The objective {asked}"
        _check_serves(dataset, title, "reward.objective", rows=asked == "pop", scores=asked == "margin")
    elif spec.kind == "evaluation" and spec.evaluation.of_dataset:
        _check_split(dataset, spec.subject.split)


def _check_serves(dataset: PopDataset, title: str, field: str, *, rows: bool, scores: bool) -> None:
    if rows and dataset.row_count <= dataset.heldout_row_count:  # held-out rows are not trained on
        message = f"{title} learns from labelled comparisons, and this dataset has no training rows."
        raise Invalid("dataset_without_rows", message, {field: [message]})
    if scores and not _has_scores(dataset):
        message = (
            f"{title} needs a score for both responses of every training preference, and this dataset "
            "has preferences without. Import scores, or choose one that does without them."
        )
        raise Invalid("dataset_without_scores", message, {field: [message]})


def _check_split(dataset: PopDataset, split: Split) -> None:
    held = dataset.manifest.get("counts", {}).get("heldout_preferences")
    if held is None or split == "all":
        return
    there = held if split == "heldout" else dataset.preference_count - held
    if not there:
        words = {"heldout": "held-out", "train": "training"}[split]
        message = f"{dataset} has no {words} preferences to evaluate on. Choose another split or dataset."
        raise Invalid("empty_split", message, {"subject.split": [message]})


def _has_scores(dataset: PopDataset) -> bool:
    """Whether every training preference has both scores, as far as the project's preferences tell today."""
    training = Preference.objects.filter(project_id=dataset.project_id, split=Splits.TRAIN)
    if dataset.frozen_at is not None:
        training = training.exclude(preference_import__created_at__gt=dataset.frozen_at)
    unscored = training.filter(score_chosen=None) | training.filter(score_rejected=None)
    return training.exists() and not unscored.exists()
