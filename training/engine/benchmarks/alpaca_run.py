"""AlpacaEval the whole way in an evaluation run: the model answers, a judge says whose output is better."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.engine import environment, opponents, results
from training.engine.benchmarks import annotated, answering, asking, judged, outputs, verdicts
from training.engine.benchmarks.annotated import Helps
from training.engine.benchmarks.asking import Asking, Prices, Way
from training.engine.benchmarks.endpoint import Endpoint
from training.engine.benchmarks.verdict_cache import VerdictCache
from training.engine.benchmarks.verdicts import Pair, Verdict
from training.engine.errors import DatasetError, JudgeFailed, JudgeRefused
from training.engine.evaluation_spec import GenerationSpec
from training.engine.events import OneStage
from training.engine.progress import Progress
from training.engine.reevaluation import Subject
from training.engine.run import Run, write_json

NAME = "alpaca_eval"
OUTPUTS, ANNOTATIONS = "alpaca-outputs.json", "alpaca-annotations.json"
THREADS = 4  # questions at once
OF_NO_USE = (
    "Evaluate again with another judge or another prompt: it has to write m or M, by one token, with its "
    "log-probabilities or without. What the model wrote is kept."
)
REFUSED = (
    "Look at POP_JUDGE_URL and POP_JUDGE_KEY on the workers and resume the run, or evaluate again with "
    "another judge, another prompt or other request settings. What the model wrote and each "
    "answer so far are kept."
)
COUNTED = ("answers", "silent", "refused", "unread", "contradictions", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class Wanted:
    """What is asked for: the baseline's outputs, the file they are from, and how the judge is asked."""

    baseline: list[dict[str, Any]]
    file: Path
    way: Way


def asked(subject: Subject, run: Run) -> Wanted | None:
    """What an evaluation run asks for, looked at before anything slow; None: nothing.

    Raises:
        InputError: a file or the endpoint's settings are at fault, or the model writes nothing.
    """
    wanted = run.spec.evaluation.alpaca_eval
    if wanted.baseline is None or wanted.judge is None:
        return None
    answering.check(subject)
    file = run.folder / Path(wanted.baseline).expanduser()
    prompt = None if wanted.prompt is None else run.folder / Path(wanted.prompt).expanduser()
    baseline = outputs.read(file, verdicts.PARTS)
    verdicts.paired(baseline, baseline)  # says what is wrong with them
    with _endpoint():
        settings = verdicts.settings(wanted.request or {})
        way = Way(wanted.judge, verdicts.prompt(prompt), settings, both=wanted.both_orders)
    return Wanted(baseline, file, way)


def add(subject: Subject, run: Run, wanted: Wanted) -> None:
    """Answer, ask, compute; outputs and annotations stay in the run's folder.

    Whatever stops it, what was written and what the judge said is kept: a later start asks for the rest.

    Raises:
        InputError, JudgeFailed: see `errors`.
        Cancelled: somebody asked.
    """
    began = time.monotonic()
    inner = replace(run, events=OneStage(run.events, NAME))
    ours = _outputs(subject, inner, wanted)
    pairs = verdicts.paired(ours, wanted.baseline)
    try:
        found, now = _answers(inner, pairs, wanted.way)
    except JudgeRefused as error:
        raise JudgeRefused(error.message, hint=REFUSED) from error
    rows = asking.annotated(pairs, wanted.way, found)
    write_json(run.folder / ANNOTATIONS, rows)
    try:
        told = judged.about(rows, wanted.way, found, now)
    except JudgeFailed as error:
        raise JudgeFailed(error.message, hint=OF_NO_USE) from error
    result = annotated.result(rows, ours[0]["generator"], Helps.below(wanted.file.parent))
    result["remarks"] += [*judged.remarks(told), *judged.unpaired(pairs, ours, wanted.baseline)]
    result["judging"] = {name: told[name] for name in COUNTED if name in told}
    result |= {
        "prompt": told["prompt"],
        "sampling": opponents.sampling(_generation(run)),
        "annotations_sha256": hashlib.sha256((run.folder / ANNOTATIONS).read_bytes()).hexdigest(),
    }
    if changed := verdicts.changed(wanted.way.settings):
        result["request"] = changed
    seconds = time.monotonic() - began
    results.add(run, NAME, result, sha256=annotated.measured_on(rows), seconds=seconds)


def _outputs(subject: Subject, run: Run, wanted: Wanted) -> list[dict[str, str]]:
    """What the model writes to the baseline's instructions, in the package's format.

    Raises:
        DatasetError: each of them fills the model's positions.
    """
    instructions = [one["instruction"] for one in wanted.baseline]
    typed = _generation(run).model_dump(include={"temperature", "max_new_tokens"})
    lines = answering.answered(subject, run, instructions, run.folder, asking=typed)
    known = {one["prompt"][0]["content"] for one in lines}
    there = [one for one in wanted.baseline if one["instruction"] in known]
    if not there:
        raise DatasetError(
            f"The model wrote nothing to the instructions of {wanted.file.name}: all are too long."
        )
    name = subject.spec.name or (subject.run_dir or Path(subject.model)).name
    found = outputs.written(lines, there, name)
    write_json(run.folder / OUTPUTS, found)
    return found


def _answers(run: Run, pairs: Sequence[Pair], way: Way) -> tuple[dict[str, Verdict], Asking | None]:
    """What the judge says of each pair: what is kept and says something, and what is asked now.

    Raises:
        JudgeRefused, JudgeFailed, Cancelled: what came until then is kept.
    """
    requests, cache = way.requests(pairs), VerdictCache(way.model, way.settings)
    before = cache.get(requests)
    known = {key: one for key, one in before.items() if one.preference is not None}
    left = {key: body for key, body in requests.items() if key not in known}
    if not left:
        return known, None
    takes = judged.told(judged.estimate(left, known, Prices()))
    run.events.write("warning", code="judge_asked", message=f"{way.model} is asked. {takes}.")
    progress = Progress(run.events, NAME, len(requests), start=len(known))
    with (
        _endpoint() as endpoint,
        Asking(
            endpoint,
            cache,
            threads=THREADS,
            known=before,
            told=lambda one: progress.at(len(known) + len(one.found)),
            heed=run.stop.check,
        ) as now,
    ):
        found = now.all(left)
    if cache.problem:
        message = f"The judge's answers could not be kept for later runs: {cache.problem}"
        run.events.write("warning", code="cache_not_written", message=message)
    return known | found, now


def _generation(run: Run) -> GenerationSpec:
    wanted = run.spec.evaluation.alpaca_eval
    return GenerationSpec(prompts=1, temperature=wanted.temperature, max_new_tokens=wanted.max_new_tokens)


def _endpoint() -> Endpoint:
    """Raises SpecError where the settings name none."""
    return Endpoint(environment.text("POP_JUDGE_URL"), environment.text("POP_JUDGE_KEY"))
