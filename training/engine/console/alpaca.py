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
from training.engine.benchmarks import asking, outputs, verdicts
from training.engine.benchmarks.asking import Asking, Prices, Way
from training.engine.benchmarks.endpoint import HINT, Endpoint, Patience
from training.engine.benchmarks.verdict_cache import VerdictCache
from training.engine.benchmarks.verdicts import Pair, Verdict
from training.engine.console import display, folders
from training.engine.errors import JudgeFailed, SpecError
from training.engine.evaluations import alpaca_eval as alpaca

# Win rates and their standard errors.
RATES = {
    "length_controlled_win_rate": "length_controlled_standard_error",
    "win_rate": "standard_error",
    "discrete_win_rate": "",
}
OWN = ("model", "messages", "stream", "n")  # of a request, which --request leaves alone


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
    known = cache.get(requests)
    if given.ask_again:
        known = {key: one for key, one in known.items() if one.preference is not None}
    left = {key: body for key, body in requests.items() if key not in known}
    expected = estimate(left, known, prices)
    if given.dry_run:
        cli.say(json.dumps(expected, indent=2) if given.json else told(expected))
        return cli.FINISHED
    asked = None
    if left:
        with _endpoint(given) as endpoint:
            display.say(told(expected))
            _check(expected["cost"], given.max_cost)
            if not (given.yes or agreed()):
                display.say("Nothing was asked.")
                return cli.CANCELLED
            asked = _ask(left, endpoint, cache, prices, given)
    found = known | (asked.found if asked else {})
    rows = asking.annotated(pairs, way, found)
    write(given.out, rows)
    result = summary(rows, way, found, asked)
    result["remarks"] += _unpaired(pairs, ours, theirs)
    cli.say(json.dumps(result, indent=2, ensure_ascii=False) if given.json else table(result))
    display.say(f"Written to {given.out}")
    return cli.FINISHED


def estimate(
    left: Mapping[str, Mapping[str, Any]], known: Mapping[str, Verdict], prices: Prices
) -> dict[str, Any]:
    """{"requests", "kept", "input_tokens", "output_tokens", "cost"}: what is left and takes."""
    tokens = asking.together(map(asking.weigh, left.values()))
    return {
        "requests": len(left),
        "kept": len(known),
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "cost": prices.of(tokens),
    }


def told(expected: Mapping[str, Any]) -> str:
    """An estimate in a line."""
    kept = f" ({expected['kept']:,} answers are kept from before)" if expected["kept"] else ""
    cost = "" if expected["cost"] is None else f", {expected['cost']:.2f} in the currency of the prices"
    tokens = f"about {expected['input_tokens']:,} tokens in and {expected['output_tokens']:,} out"
    return f"Requests left: {expected['requests']:,}{kept}, {tokens}{cost}"


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


def summary(
    rows: Sequence[Mapping[str, Any]], way: Way, found: Mapping[str, Verdict], asked: Asking | None
) -> dict[str, Any]:
    """Win rates, with what is to be known of the judge in `judge` and in the remarks.

    Raises:
        JudgeFailed: it said nothing of use of any pair.
    """
    if all(one["preference"] is None for one in rows):
        if any(verdicts.named(one.said) for one in found.values()):
            raise JudgeFailed(
                f"The judge named m or M, and gave neither a log-probability that is a number in any of its "
                f"{len(found)} answers.",
                hint="It is read by what it writes if no log-probabilities are asked for: --request "
                """'{"logprobs": null, "top_logprobs": null}'.""",
            )
        said = next((one.said for one in found.values() if one.said), "")
        raise JudgeFailed(
            f"The judge named neither m nor M in any of its {len(found)} answers. One is {said!r}.",
            hint="Other settings of the request go into --request; --ask-again asks once more.",
        )
    tokens = (0, 0) if asked is None else asked.spent
    by = [one.by for one in found.values() if one.preference is not None]
    told_of = {
        "model": way.model,
        "prompt": way.prompt.name,
        "settings": dict(way.settings),
        "asked": 0 if asked is None else len(asked.found),
        "answers": len(found),
        "silent": sum(one.preference is None for one in found.values()),
        "unread": sum(one.preference is None and bool(verdicts.named(one.said)) for one in found.values()),
        "read_from": {name: by.count(name) for name in ("logprobs", "text")},
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "cost": None if asked is None else asked.cost,
    }
    if way.both:
        told_of["contradictions"], told_of["in_both_orders"] = asking.contradictions(rows)
    result = alpaca.summary(rows)
    return result | {"judge": told_of, "remarks": [*result["remarks"], *_remarks(told_of)]}


def table(found: Mapping[str, Any]) -> str:
    """The win rates with their standard errors, remarks below."""
    lines = [f"{found['generator']} against {found['baseline']}, {found['n']} prompts, in percent"]
    for name, error in RATES.items():
        if name in found:
            beside = f" ± {found[error]:.2f}" if found.get(error) is not None else ""
            lines.append(f"{name:28}{found[name]:6.2f}{beside}")
    return "\n".join([*lines, *found["remarks"]])


def _remarks(of: Mapping[str, Any]) -> list[str]:
    said = []
    tries = f"after {asking.TRIES} tries each"
    if silent := of["silent"] - of["unread"]:
        said.append(f"{silent} of {of['answers']} answers named neither m nor M, {tries}.")
    if of["unread"]:
        said.append(
            f"{of['unread']} of {of['answers']} answers gave neither m nor M a log-probability that is a "
            f"number, {tries}."
        )
    if of["read_from"]["text"]:
        said.append(
            f"{of['read_from']['text']} answers came without log-probabilities: each is 1 or 2 by what was "
            "written, and nothing between."
        )
    if of["prompt"] != "alpaca_eval_clf":
        said.append("The prompt is not the alpaca_eval package's: not to be compared with its leaderboard.")
    if of.get("in_both_orders"):
        count, both = of["contradictions"], of["in_both_orders"]
        said.append(f"The judge contradicted itself in {count} of {both} pairs ({100 * count / both:.1f}%).")
    return said


def _unpaired(pairs: Sequence[Pair], *files: Sequence[Any]) -> list[str]:
    lacking = sum(len(one) - len(pairs) for one in files)
    return [f"{lacking} outputs have no counterpart in the other file and are left out."] if lacking else []


def _way(given: argparse.Namespace) -> Way:
    return Way(
        given.model,
        verdicts.prompt(given.prompt),
        _settings(given.request),
        both=given.both_orders,
        seed=given.seed,
    )


def _settings(text: str | None) -> dict[str, Any]:
    """The request's settings: the package's, but what a JSON object says otherwise; null takes one out."""
    try:
        given = json.loads(text or "{}")
    except ValueError as error:
        raise SpecError(f"--request is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise SpecError("--request must be a JSON object.")
    if taken := sorted(given.keys() & set(OWN)):
        raise SpecError(f"--request cannot set {', '.join(taken)}.")
    return {name: value for name, value in (verdicts.SETTINGS | given).items() if value is not None}


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
) -> Asking:
    """Everything that is left, with a bar; what came is kept whatever happens."""
    bar = tqdm(total=len(left), desc="Judging", unit="answer", file=sys.stderr, disable=not display.drawn())

    def hear(asked: Asking) -> None:
        bar.update(len(asked.found) - bar.n)
        if asked.cost is not None:
            bar.set_postfix_str(f"{asked.cost:.2f} spent")

    asked = Asking(endpoint, cache, threads=given.concurrency, prices=prices, limit=given.max_cost, told=hear)
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
