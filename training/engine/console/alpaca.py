"""`pop-train alpaca-judge`: a judge on an endpoint asked for AlpacaEval's annotations. No torch here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from training.engine import cli, environment
from training.engine.benchmarks import judged, outputs, verdicts
from training.engine.benchmarks.asking import Asking, Prices, Way, annotated
from training.engine.benchmarks.endpoint import HINT, Endpoint, Patience
from training.engine.benchmarks.verdict_cache import VerdictCache
from training.engine.benchmarks.verdicts import Verdict
from training.engine.console import display, folders
from training.engine.errors import SpecError

# Win rates and their standard errors.
RATES = {
    "length_controlled_win_rate": "length_controlled_standard_error",
    "win_rate": "standard_error",
    "discrete_win_rate": "",
}


def judge(given: argparse.Namespace) -> int:
    """Ask for what is missing, write the annotations and show the win rate; the exit code.

    Raises:
        EngineError: a file, a setting or the endpoint is at fault.
    """
    if not given.dry_run:
        folders.ready(given.out)
    ours, theirs = (outputs.read(one, verdicts.PARTS) for one in (given.outputs, given.reference))
    pairs, way = verdicts.paired(ours, theirs), _way(given)
    prices = Prices(given.price_input, given.price_output)
    if given.max_cost is not None and prices.of((0, 0)) is None:
        raise SpecError("--max-cost needs --price-input, or --price-output, or both.")
    requests = way.requests(pairs)
    cache = VerdictCache(way.model, way.settings)
    before = cache.get(requests)
    known = {key: one for key, one in before.items() if not _again(one, given)}
    left = {key: body for key, body in requests.items() if key not in known}
    expected = judged.estimate(left, known, prices)
    if given.dry_run:
        cli.say(json.dumps(expected, indent=2) if given.json else judged.told(expected))
        return cli.FINISHED
    asked = None
    if left:
        with _endpoint(given) as endpoint:
            display.say(judged.told(expected))
            _check(expected["cost"], given.max_cost)
            if not (given.yes or agreed()):
                display.say("Nothing was asked.")
                return cli.CANCELLED
            asked = _ask(left, endpoint, cache, prices, given, before=before)
    found = known | (asked.found if asked else {})
    rows = annotated(pairs, way, found)
    write(given.out, rows)
    result = judged.summary(rows, way, found, asked)
    result["remarks"] += judged.unpaired(pairs, ours, theirs)
    cli.say(json.dumps(result, indent=2, ensure_ascii=False) if given.json else table(result))
    display.say(f"Written to {given.out}")
    return cli.FINISHED


def agreed() -> bool:
    """Whether a person at a terminal says yes; elsewhere nobody is there to say no."""
    if not sys.stdin.isatty():
        return True
    sys.stderr.write("Ask the judge? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Annotations as a JSON array, whole or not at all. Raises SpecError where the file cannot be."""
    folders.write(file, json.dumps(rows, indent=2, ensure_ascii=False) + "\n", hint=HINT)


def table(found: Mapping[str, Any]) -> str:
    """The win rates with their standard errors, remarks below."""
    lines = [f"{found['generator']} against {found['baseline']}, {found['n']} prompts, in percent"]
    for name, error in RATES.items():
        if name in found:
            beside = f" ± {found[error]:.2f}" if found.get(error) is not None else ""
            lines.append(f"{name:28}{found[name]:6.2f}{beside}")
    return "\n".join([*lines, *found["remarks"]])


def _again(one: Verdict, given: argparse.Namespace) -> bool:
    """Whether an answer from before is asked for again; a refusal is none."""
    return one.by == verdicts.REFUSED or (given.ask_again and one.preference is None)


def _way(given: argparse.Namespace) -> Way:
    return Way(
        given.model,
        verdicts.prompt(given.prompt),
        _settings(given.request),
        both=given.both_orders,
        seed=given.seed,
    )


def _settings(text: str | None) -> dict[str, Any]:
    """The request's settings, as `verdicts.settings` has them of a JSON object."""
    try:
        given = json.loads(text or "{}")
    except ValueError as error:
        raise SpecError(f"--request is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise SpecError("--request must be a JSON object.")
    return verdicts.settings(given)


def _check(cost: float | None, limit: float | None) -> None:
    if cost is not None and limit is not None and cost > limit:
        raise SpecError(
            f"What is left costs about {cost:.2f}, more than --max-cost {limit:g}.", code="judge_cost"
        )


def _endpoint(given: argparse.Namespace) -> Endpoint:
    return Endpoint(
        environment.text("POP_JUDGE_URL"),
        environment.text("POP_JUDGE_KEY"),
        patience=Patience(timeout=given.timeout, retries=given.retries, first=given.wait),
    )


def _ask(
    left: Mapping[str, Mapping[str, Any]],
    endpoint: Endpoint,
    cache: VerdictCache,
    prices: Prices,
    given: argparse.Namespace,
    *,
    before: Mapping[str, Verdict],
) -> Asking:
    """Everything that is left, with a bar; what came is kept whatever happens."""
    bar = tqdm(total=len(left), desc="Judging", unit="answer", file=sys.stderr, disable=not display.drawn())

    def hear(asked: Asking) -> None:
        bar.update(len(asked.found) - bar.n)
        if asked.cost is not None:
            bar.set_postfix_str(f"{asked.cost:.2f} spent")

    asked = Asking(
        endpoint,
        cache,
        threads=given.concurrency,
        prices=prices,
        limit=given.max_cost,
        known=before,
        told=hear,
    )
    try:
        with asked:
            try:
                asked.all(left)
            except KeyboardInterrupt:
                display.say("Stopping: answers under way are waited for.")
                raise
    finally:
        bar.close()
        if len(asked.found) < len(left):
            display.say(f"{len(asked.found):,} of {len(left):,} answers came and are kept.")
        if cache.problem:
            display.say(f"Warning: answers could not be kept for later runs: {cache.problem}")
    return asked
