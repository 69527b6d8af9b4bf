"""Before a judge is asked: what that takes. Afterwards: its win rates. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.engine.benchmarks import asking, verdicts
from training.engine.benchmarks.asking import Asking, Prices, Way
from training.engine.benchmarks.verdicts import Pair, Verdict
from training.engine.errors import JudgeFailed
from training.engine.evaluations import alpaca_eval as alpaca


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


def summary(
    rows: Sequence[Mapping[str, Any]], way: Way, found: Mapping[str, Verdict], asked: Asking | None
) -> dict[str, Any]:
    """Win rates, with what is to be known of the judge in `judge` and in the remarks. Raises JudgeFailed."""
    told_of = about(rows, way, found, asked)
    result = alpaca.summary(rows)
    return result | {"judge": told_of, "remarks": [*result["remarks"], *remarks(told_of)]}


def about(
    rows: Sequence[Mapping[str, Any]], way: Way, found: Mapping[str, Verdict], asked: Asking | None
) -> dict[str, Any]:
    """What is to be known of the judge: who it is, how it was asked, what came of it.

    Raises:
        JudgeFailed: it said nothing of use of any pair.
    """
    refused = [one for one in found.values() if one.by == verdicts.REFUSED]
    if all(one["preference"] is None for one in rows):
        if refused:
            raise JudgeFailed(
                f"The judge refused {len(refused)} of {len(found)} questions, and no pair has an answer of "
                f"use. One refusal is {refused[0].said!r}.",
                hint="Other settings of the request go into --request.",
            )
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
        "refused": len(refused),
        "unread": sum(
            one.preference is None and one.by != verdicts.REFUSED and bool(verdicts.named(one.said))
            for one in found.values()
        ),
        "read_from": {name: by.count(name) for name in ("logprobs", "text")},
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "cost": None if asked is None else asked.cost,
    }
    if way.both:
        told_of["contradictions"], told_of["in_both_orders"] = asking.contradictions(rows)
    return told_of


def remarks(of: Mapping[str, Any]) -> list[str]:
    said = []
    tries = f"after {asking.TRIES} tries each"
    if of["refused"]:
        said.append(
            f"The judge refused {of['refused']} of {of['answers']} questions, as one that filters "
            "what it reads or has no room for it. Its words are in the annotations (`said`)."
        )
    if silent := of["silent"] - of["unread"] - of["refused"]:
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


def unpaired(pairs: Sequence[Pair], *files: Sequence[Any]) -> list[str]:
    lacking = sum(len(one) - len(pairs) for one in files)
    return [f"{lacking} outputs have no counterpart in the other file and are left out."] if lacking else []
