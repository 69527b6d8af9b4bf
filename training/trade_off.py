"""Which sampling to use: what a project's own runs allow to be said, and what is missing to say more. Pure.

Runs that differ in anything but the sampling allow nothing to be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from training.comparing import Cell
from training.samplings import (
    ACCURACY,
    COLUMNS,
    KL,
    SPEARMAN,
    WIN,
    Contest,
    Sampling,
    Trained,
    chosen,
    contest,
    differences,
    value_of,
)

WORDS = {ACCURACY: "pair accuracy", SPEARMAN: "Spearman", WIN: "win rate"}

# arXiv 2509.22851, Tables 1 and 3; `training/study/paper.py` has them all.
PAPER = (
    "In the paper (k 2, 3B model) iterative sampling preferred the chosen response more often, .79 to .71; "
    "random sampling ordered margins better, Pearson .360 to .247, and won more often, 64% to 57%."
)


@dataclass(frozen=True)
class Offered:
    """A frozen dataset that holds out the same preferences."""

    dataset: int
    name: str
    sampling: Sampling


@dataclass(frozen=True)
class Missing:
    """What would be needed to tell more. `dataset`, `like`: to train on, with the settings of that run."""

    words: str
    dataset: int | None = None
    like: int | None = None


@dataclass(frozen=True)
class Line:
    """A run in the table; None where it has no such value."""

    trained: Trained
    pair_accuracy: Cell | None
    spearman: Cell | None
    pop_accuracy: Cell | None
    win_rate: Cell | None
    kl_token: Cell | None

    @property
    def cells(self) -> tuple[Cell | None, ...]:
        """In the order of the table."""
        return self.pair_accuracy, self.spearman, self.pop_accuracy, self.win_rate, self.kl_token


@dataclass(frozen=True)
class Advice:
    """What is shown: a line a run, a conclusion and its grounds in sentences, and what is missing."""

    lines: tuple[Line, ...] = ()
    conclusion: str = ""
    grounds: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


NOTHING_HELD_OUT = Advice(
    missing=(
        Missing(
            "No dataset here holds anything out, so that runs have nothing to be measured on: freeze one "
            "with a held-out share."
        ),
    )
)


def advise(trained: Sequence[Trained], offered: Sequence[Offered]) -> Advice:
    """The advice of runs, the newest first, and of the datasets there are."""
    if not trained:
        return Advice(
            missing=(
                Missing("No finished run was trained on PoP rows of a dataset that holds preferences out."),
            )
        )
    runs = chosen(trained)
    differing = differences(runs)
    told, needed = _told(runs, differing)
    missing = (*_undone(runs, offered), *needed)
    return Advice(_lines(runs), *told, tuple(_remarks(runs, told[1])), missing)


def number(cell: Cell) -> str:
    """`0.71 [0.66, 0.76]`."""
    around = "" if cell.low is None or cell.high is None else f" [{cell.low:.2f}, {cell.high:.2f}]"
    return f"{cell.value:.2f}{around}"


def discrimination(accuracy: Contest, spearman: Contest) -> str:
    """One sentence on telling preferences apart."""
    known = [one for one in (accuracy, spearman) if not one.why]
    if not known:
        return "Which sampling tells preferences apart better cannot be told: " + _why(accuracy)
    ahead = [one for one in known if one.ahead]
    if not ahead:
        both = " and ".join(f"{WORDS[one.measure]} ({_values(one)})" for one in known)
        return (
            f"Which sampling tells preferences apart better cannot be told: the intervals overlap, in {both}."
        )
    if len({one.ahead for one in ahead}) > 1:
        first, second = ahead
        return (
            f"{_begun(first.ahead)} preferred the chosen response more often ({_values(first)}), and "
            f"{second.ahead} ordered margins better ({WORDS[second.measure]} {_values(second)})."
        )
    by = " and ".join(f"{WORDS[one.measure]} ({_values(one)})" for one in ahead)
    rest = [one for one in known if not one.ahead]
    but = f"; by {WORDS[rest[0].measure]} the intervals overlap" if rest else ""
    return f"{_begun(ahead[0].ahead)} told preferences apart better, by {by}{but}."


def generation(win: Contest) -> str:
    """One sentence on writing."""
    if win.why:
        return "Which sampling writes better cannot be told: " + _why(win)
    if win.ahead:
        return f"{_begun(win.ahead)} won more often ({_values(win)})."
    return f"Which sampling writes better cannot be told: win rates overlap ({_values(win)})."


def conclusion(accuracy: Contest, spearman: Contest, win: Contest) -> str:
    """What follows, and no more: a name only where a contest is decided and none contradicts it."""
    apart = {one.ahead for one in (accuracy, spearman) if one.ahead}
    teller, writer = apart.pop() if len(apart) == 1 else "", win.ahead
    so_far = "As far as these runs tell"
    if teller and teller == writer:
        return f"{so_far}: {teller}, for both."
    if teller and writer:
        return f"{so_far}: {teller} to tell preferences apart, {writer} to write better."
    if teller:
        return f"{so_far}: {teller} to tell preferences apart. Which writes better is open."
    if writer:
        return f"{so_far}: {writer} to write better. Which tells preferences apart better is open."
    return "Nothing can be told yet."


_WHY = {
    "absent": "fewer than two of them have a {}.",
    "unlike": "the {} was measured on other items, by another judge, against another opponent or with "
    "responses drawn otherwise.",
    "no interval": "the {} has no interval.",
}


def _why(found: Contest) -> str:
    return _WHY[found.why].format(WORDS[found.measure])


def _values(found: Contest) -> str:
    (_, ours), (rival, theirs) = found.shown
    return f"{number(ours)} against {number(theirs)} with {rival}"


def _begun(name: str) -> str:
    """The name at the beginning of a sentence."""
    return name[:1].upper() + name[1:]


def _told(
    runs: Sequence[Trained], differing: Sequence[str]
) -> tuple[tuple[str, tuple[str, ...]], list[Missing]]:
    """Conclusion and grounds, and what is missing for better ones."""
    if len({one.sampling for one in runs}) < 2:
        return ("Nothing can be told yet: there is only one sampling.", ()), []
    if differing:
        words = (
            f"The runs also differ in {', '.join(differing)}: train with the same settings on each dataset."
        )
        return ("Nothing can be told yet: sampling is not all that differs.", ()), [Missing(words)]
    accuracy, spearman, win = (contest(runs, one) for one in (ACCURACY, SPEARMAN, WIN))
    grounds = (discrimination(accuracy, spearman), generation(win))
    return (conclusion(accuracy, spearman, win), grounds), list(_unjudged(runs, win))


def _unjudged(runs: Sequence[Trained], win: Contest) -> Iterator[Missing]:
    if any(value_of(one, WIN) is None for one in runs):
        yield Missing(
            "What some of these runs write was not judged: launch runs with evaluation.judge and "
            "evaluation.generation.prompts above 0."
        )
    if win.why == "unlike":
        yield Missing(
            "The win rates do not compare: have the same judge, the same opponent and the same sampling of "
            "responses for all of them."
        )


def _undone(runs: Sequence[Trained], offered: Sequence[Offered]) -> Iterator[Missing]:
    """Samplings without a run: datasets that are there, or else what to make."""
    there = {one.sampling for one in runs}
    waiting = {one.sampling: one for one in reversed(offered) if one.sampling not in there}
    for sampling, one in sorted(waiting.items(), key=lambda pair: str(pair[0])):
        words = f"No run on “{one.name}” ({sampling}): train on it with the same settings."
        yield Missing(words, one.dataset, runs[0].run)
    if len(there) + len(waiting) < 2:
        other = "an iterative" if runs[0].sampling.strategy == "random" else "a random"
        yield Missing(
            f"No run on {other} dataset of these preferences: make a project with that strategy, import the "
            "same preferences with the same held-out share, freeze one, and train with the same settings."
        )


def _remarks(runs: Sequence[Trained], grounds: Sequence[str]) -> Iterator[str]:
    """What keeps the numbers from saying as much as they seem to."""
    seeds: dict[Sampling, set[Any]] = {}
    for one in runs:
        seeds.setdefault(one.sampling, set()).add(one.seed)
    if grounds and any(len(found) < 2 for found in seeds.values()):
        yield (
            "Intervals are over held-out items of a run and say nothing of other seeds: train again with "
            "another seed to be surer."
        )
    spent = [one.labels for one in runs if one.labels]
    if grounds and spent and max(spent) > 1.1 * min(spent):
        range_ = f"{min(spent):,} to {max(spent):,}"
        yield f"They spent other numbers of labels, {range_}: part of a difference may come from that."
    if any(one.labels is None for one in runs):
        yield "Datasets frozen by an older version do not say how many labels they took."
    yield (
        "PoP accuracy is not compared: each sampling drew held-out comparisons of its own. KL has no better "
        "way: it says how far a policy went for what it won."
    )


def _lines(runs: Sequence[Trained]) -> tuple[Line, ...]:
    kl = next((one for one in KL if all(value_of(run, one) for run in runs)), KL[-1])
    return tuple(Line(run, *(_cell(run, one) for one in (*COLUMNS, kl))) for run in runs)


def _cell(run: Trained, measure: tuple[str, str]) -> Cell | None:
    found = value_of(run, measure)
    return found[0] if found else None
