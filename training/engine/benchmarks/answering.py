"""What a model answers to instructions that are in no dataset."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.engine import base, responses
from training.engine.errors import SpecError, faults
from training.engine.evaluation_spec import GenerationSpec
from training.engine.evaluations import duels
from training.engine.events import Event, EventWriter
from training.engine.records import PopData
from training.engine.reevaluation import ADAPTER, Subject
from training.engine.run import Run, device
from training.engine.spec import RunSpec
from training.engine.stopping import Stop


def answers(
    subject: Subject,
    instructions: Sequence[str],
    *,
    asking: Mapping[str, Any],
    hear: Callable[[Event], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """One response of the model to each instruction, as lines of generations.jsonl, in order.

    What was written before with the same weights and settings comes from the cache.

    Args:
        asking: fields of `GenerationSpec`: how responses are sampled.

    Raises:
        InputError: see `errors`.
    """
    check(subject)
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(EventWriter(Path(scratch) / "events.jsonl", hear)) as events,
    ):
        run = Run(subject.run_dir or Path(scratch), subject.spec, PopData([], [], ""), events, Stop())
        return answered(subject, run, instructions, Path(scratch), asking=asking)


def check(subject: Subject) -> None:
    """Raises SpecError where a model writes nothing."""
    if subject.spec.kind == "reward_model":
        raise SpecError(f"{subject.model} is a reward model: it writes nothing.")


def answered(
    subject: Subject, run: Run, instructions: Sequence[str], scratch: Path, *, asking: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """As `answers`, told in a run's events; those that fill the model's positions get no response."""
    messages = [[{"role": "user", "content": one}] for one in dict.fromkeys(instructions)]
    prompts = {duels.prompt_id(one): one for one in messages}
    spec = _asking(run.spec, {**asking, "prompts": len(prompts), "samples": 1})
    inner = replace(run, spec=spec, data=PopData([], [], ""))
    model = _opened(subject, inner)
    inner.folder = scratch
    return responses.write(inner, model, prompts, responses.speaker(subject.spec))


def _opened(subject: Subject, run: Run) -> Any:
    """The model on its device; an adapter on the base that it was trained on."""
    adapter = (Path(subject.model) / ADAPTER).is_file()
    spec = run.spec
    if not adapter:
        own = spec.model.model_copy(update={"base": subject.model, "revision": None})
        spec = spec.model_copy(update={"model": own})
    run.base = base.open_base(spec, run.folder, ())
    if not adapter:
        return run.base.model.to(device())
    from peft import PeftModel

    return PeftModel.from_pretrained(run.base.model, subject.model).to(device())


def _asking(spec: RunSpec, generation: Mapping[str, Any]) -> RunSpec:
    try:
        asked = GenerationSpec.model_validate(generation)
    except ValidationError as error:
        raise SpecError(faults(error)) from error
    evaluation = spec.evaluation.model_copy(update={"generation": asked})
    return spec.model_copy(update={"evaluation": evaluation})
