"""`pop-train`: the trainer for people, by a spec file or flags. `python -m training.engine` is for programs.

Exit codes: 0 finished, 1 crash, 2 bad input, 3 stopped (a later start goes on).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.engine import catalog, cli
from training.engine.console import arguments as typed
from training.engine.console import judge_arguments
from training.engine.errors import EngineError, InputError
from training.engine.spec import Kind

UNUSED_DAYS = 30
ALPACA_TOKENS = 2048  # of a response: what AlpacaEval gives most models


@dataclass(frozen=True)
class Trainer:
    """A command that trains. `kind`: of its runs; None: what the spec says, by default a preference run."""

    name: str
    help: str
    kind: Kind | None = None


TRAINERS = (
    Trainer("train", "train a policy on preferences or PoP rows, or a spec of any kind"),
    Trainer("sft", "fine-tune a base model on the chosen responses", "sft"),
    Trainer("reward-model", "train a model that scores responses", "reward_model"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the result is the exit code."""
    given = _parser().parse_args(arguments)
    cli.quiet_environment()
    try:
        code: int = given.run(given)
    except EngineError as error:
        cli.refuse(error)
        return cli.BAD_INPUT if isinstance(error, InputError) else cli.CRASHED
    except (
        KeyboardInterrupt
    ):  # training listens for it itself; an evaluation or a dry run has nothing to keep
        cli.say("Stopped.", sys.stderr)
        return cli.CANCELLED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pop-train", description="Train preference models: DPO-PoP and what it is compared with."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for one in TRAINERS:
        command = commands.add_parser(one.name, help=one.help, description=one.help, allow_abbrev=False)
        typed.add_training(command, one.kind or "preference")
        command.set_defaults(run=lambda given, one=one: _launch(given, one))
    _add_evaluate(commands)
    _add_rewardbench(commands)
    _add_alpaca(commands)
    _add_methods(commands)
    _add_cache(commands)
    return parser


def _add_evaluate(commands: Any) -> None:
    about = "evaluate a run's model, one of its checkpoints, or any model, without training"
    command = commands.add_parser("evaluate", help=about, description=about, allow_abbrev=False)
    command.add_argument("model", help="a run's folder, a model's or checkpoint's folder, or a Hub id")
    command.add_argument("--dataset", type=Path, help="other data than the run's own")
    command.add_argument("--reference", metavar="BASE", help="the base model, where no run names it")
    command.add_argument("--evaluations", metavar="NAMES", help="names with commas between them")
    command.add_argument("--split", choices=("heldout", "train", "all"), default="heldout")
    command.add_argument("--beta", type=float, help="of the implicit reward, where no run says it")
    command.add_argument("--max-length", type=int, help="longest sequence, where no run says it")
    command.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes")
    command.add_argument("--json", action="store_true", help="the JSON on stdout, no table")
    _add_responses(
        command.add_argument_group("responses", "what the model writes, by default as its run says")
    )
    command.set_defaults(run=_evaluate)


def _add_rewardbench(commands: Any) -> None:
    about = "RewardBench of a run's model, one of its checkpoints, or any model with its reference"
    command = commands.add_parser("rewardbench", help=about, description=about, allow_abbrev=False)
    command.add_argument("model", help="a run's folder, a model's or checkpoint's folder, or a Hub id")
    command.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="FILE",
        help="the prompts: .jsonl, .json or .parquet files, or a Hub id such as allenai/reward-bench",
    )
    command.add_argument("--reference", metavar="BASE", help="the base model, where no run names it")
    command.add_argument(
        "--compat", action="store_true", help="tokenise as the rewardbench package does for policies"
    )
    command.add_argument("--max-length", type=int, default=2048, help="longest conversation (default: 2048)")
    command.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes")
    command.add_argument("--json", action="store_true", help="the JSON on stdout, no table")
    command.set_defaults(run=_rewardbench)


def _add_alpaca(commands: Any) -> None:
    about = "AlpacaEval's win rates, from the annotations of its judge"
    command = commands.add_parser("alpaca-eval", help=about, description=about, allow_abbrev=False)
    command.add_argument("annotations", type=Path, help="an annotations.json in the package's layout")
    command.add_argument(
        "--difficulty",
        type=Path,
        metavar="CSV",
        help="df_gamed.csv or instruction_difficulty.csv: for the length-controlled win rate",
    )
    command.add_argument(
        "--instructions", type=Path, metavar="JSON", help="the evaluation set, for its order"
    )
    command.add_argument("--generator", metavar="NAME", help="the model that the annotations should be of")
    command.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes")
    command.add_argument("--json", action="store_true", help="the JSON on stdout, no table")
    command.set_defaults(run=_alpaca_eval)
    about = "what a model answers to the instructions, in AlpacaEval's format, for its judge"
    command = commands.add_parser("alpaca-outputs", help=about, description=about, allow_abbrev=False)
    command.add_argument(
        "source", help="a run's folder, a model's or checkpoint's folder, a Hub id; or a generations.jsonl"
    )
    command.add_argument(
        "--instructions", type=Path, required=True, metavar="JSON", help="the evaluation set"
    )
    command.add_argument("--generator", required=True, metavar="NAME", help="what the model is called there")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the outputs go")
    _add_sampling(command, max_new_tokens=ALPACA_TOKENS)
    command.set_defaults(run=_alpaca_outputs)
    about = "have a judge on an OpenAI-compatible endpoint (POP_JUDGE_URL) compare two models' outputs"
    command = commands.add_parser("alpaca-judge", help=about, description=about, allow_abbrev=False)
    judge_arguments.add(command)
    command.set_defaults(run=_alpaca_judge)


def _add_responses(group: Any) -> None:
    group.add_argument(
        "--generate", type=int, metavar="N", help="write responses to so many held-out prompts"
    )
    group.add_argument("--samples", type=int, metavar="N", help="to each prompt")
    _add_sampling(group)
    group.add_argument(
        "--judge", metavar="MODEL", help="a reward model's folder or Hub id, or an oracle's file"
    )
    group.add_argument(
        "--against",
        metavar="RUN",
        help="a run's folder or a generations.jsonl, instead of the reference's responses",
    )


def _add_sampling(group: Any, max_new_tokens: int | None = None) -> None:
    group.add_argument("--temperature", type=float, metavar="T", help="0 takes the likeliest token")
    group.add_argument("--top-p", type=float, metavar="P")
    most = "of a response, at most" + (f" (default: {max_new_tokens})" if max_new_tokens else "")
    group.add_argument("--max-new-tokens", type=int, metavar="N", default=max_new_tokens, help=most)
    group.add_argument("--seed", type=int, metavar="N", help="of the sampling")


def _add_methods(commands: Any) -> None:
    about = "list the methods, or explain one"
    command = commands.add_parser("methods", help=about, description=about, allow_abbrev=False)
    command.add_argument("slug", nargs="?", metavar="SLUG", help="explain this one")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=_methods)


def _add_cache(commands: Any) -> None:
    about = "what is kept for later runs: log-probabilities, rewards, responses, judges' answers"
    command = commands.add_parser("cache", help=about, description=about, allow_abbrev=False)
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what there is, last used first", allow_abbrev=False)
    pruning = actions.add_parser("prune", help="remove what no run used lately", allow_abbrev=False)
    how = pruning.add_mutually_exclusive_group()
    how.add_argument(
        "--days", type=_days, default=UNUSED_DAYS, help=f"not used for so many (default: {UNUSED_DAYS})"
    )
    how.add_argument("--all", action="store_true", help="everything")
    for one in (listing, pruning):
        one.add_argument("--json", action="store_true", help="as JSON")
        one.set_defaults(run=_cache)


def _days(text: str) -> float:
    """A number of days. Raises ArgumentTypeError, which the parser says, for anything else."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not found >= 0:  # nor NaN
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return found


def _launch(given: argparse.Namespace, trainer: Trainer) -> int:
    from training.engine.console import launching

    return launching.launch(given, trainer.kind)


def _evaluate(given: argparse.Namespace) -> int:
    from training.engine.console import evaluating

    return evaluating.evaluate(given)


def _rewardbench(given: argparse.Namespace) -> int:
    from training.engine.console import benchmarks

    return benchmarks.rewardbench(given)


def _alpaca_eval(given: argparse.Namespace) -> int:
    from training.engine.console import benchmarks

    return benchmarks.alpaca_eval(given)


def _alpaca_outputs(given: argparse.Namespace) -> int:
    from training.engine.console import benchmarks

    return benchmarks.alpaca_outputs(given)


def _alpaca_judge(given: argparse.Namespace) -> int:
    from training.engine.console import alpaca

    return alpaca.judge(given)


def _methods(given: argparse.Namespace) -> int:
    from training.engine.console import methods

    if given.slug is not None:
        return methods.explain(given.slug, as_json=given.json)
    if not given.json:
        return cli.methods()
    cli.say(
        json.dumps([methods.described(one) for one in catalog.METHODS.values()], indent=2, ensure_ascii=False)
    )
    return cli.FINISHED


def _cache(given: argparse.Namespace) -> int:
    from training.engine.console import cache

    if given.action == "list":
        return cache.show(as_json=given.json)
    return cache.prune(None if given.all else given.days, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
