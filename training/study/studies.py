"""The studies there are: which lines each compares, at which settings, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from training.study.settings import Cell, Corpus, Data, Labels, Sampling
from training.study.variants import CONTROLS, PAPER, VARIANTS
from training.study.world import Noise

FIRST_SEED = 1000  # those of the exploration were 0 to 2 and 101 to 202
OTHERS = ("dpo_pop_strength", "madpo", "gamma_dpo", "beta_dpo", "ipo")
MAIN = ("dpo", "dpo_long", "dpo_pop", "dpo_pop_iterative", "dpo_pop_strength")
BESIDE = ("constant_margin", "dpo_pop_no_margin", "shuffled_partners", "reversed")  # wherever DPO-PoP is
SHUFFLED = "shuffled_strengths"  # wherever strengths are


@dataclass(frozen=True)
class Setting:
    """One setting of a study: what its lines share.

    `training`: of every method, `beta`, `learning_rate`, `rows_per_step`, `epochs`. `pop`: parameters of
    DPO-PoP.
    """

    title: str
    lines: tuple[str, ...]
    labels: Labels = field(default_factory=Labels)
    data: Data | Corpus = field(default_factory=Data)
    sampling: Sampling = field(default_factory=Sampling)
    training: Mapping[str, Any] = field(default_factory=dict)
    pop: Mapping[str, Any] = field(default_factory=dict)

    def cells(self, seeds: Sequence[int]) -> dict[tuple[str, str, int], Cell]:
        """A cell for each line and seed."""
        return {
            (self.title, name, seed): VARIANTS[name].cell(
                seed, self.data, self.labels, self.sampling, self.pop, **self.training
            )
            for name in self.lines
            for seed in seeds
        }


@dataclass(frozen=True)
class Demand:
    """What must come out, or the program is wrong: a figure, or what it has over another line."""

    line: str
    metric: str
    at_least: float
    over: str = ""


@dataclass(frozen=True)
class Study:
    """A question, the settings that answer it, and what must come out in each of them."""

    name: str
    question: str
    settings: tuple[Setting, ...]
    seeds: int = 5
    first_seed: int = FIRST_SEED
    demands: tuple[Demand, ...] = ()


def _tables() -> Study:
    lines = tuple(dict.fromkeys((*PAPER, *OTHERS, *CONTROLS)))
    return Study(
        "tables", "The paper's Tables 1 and 3, other methods, and the controls.", (Setting("k 2", lines),)
    )


def _k() -> Study:
    found = [Setting(f"k {k}", (*MAIN, *BESIDE, SHUFFLED), Labels(k=k)) for k in (1, 2, 4, 8)]
    return Study("k", "How many weak partners does a preference want?", tuple(found))


def _noise() -> Study:
    lines = (*MAIN, *BESIDE, SHUFFLED)
    errors = [
        Setting(f"annotators err {share:.0%}", lines, Labels(error=share)) for share in (0.0, 0.1, 0.2, 0.3)
    ]
    bases = [Setting(f"base noise {one}", lines, data=Data(noise=Noise(one))) for one in (0.6, 3.0)]
    overlap = Setting("annotators err 20%, three a comparison", lines, Labels(error=0.2, overlap=3))
    coarse = Setting(
        "coarse scores", ("dpo_margin_gt", *lines), data=Data(noise=Noise(graded=1.0, coarse=2.0))
    )
    return Study("noise", "What do wrong labels cost?", (*errors, overlap, *bases, coarse))


def _quality() -> Study:
    parts = {"high": (2 / 3, 1.0), "medium": (1 / 3, 2 / 3), "low": (0.0, 1 / 3)}
    lines = ("dpo", "dpo_long", "ipo", "beta_dpo", "madpo", "dpo_pop", "dpo_pop_strength", *BESIDE, SHUFFLED)
    settings = [Setting(f"{name} quality", lines, data=Data(quality=part)) for name, part in parts.items()]
    return Study("quality", "Responses of high, medium and low quality (MADPO's).", tuple(settings))


def _budget() -> Study:
    lines = (
        "dpo_long",
        "dpo_pop",
        "dpo_pop_resampled",
        "dpo_pop_inferred",
        "dpo_pop_strength",
        *BESIDE,
        SHUFFLED,
    )
    settings = []
    for budget in (0.5, 1.0, 1.5, 2.0, 2.75):
        for strategy in ("random", "iterative", "active"):
            labels = Labels(strategy, budget=budget)
            settings.append(Setting(f"{strategy}, {budget} labels a preference", lines, labels))
        alone = Labels("iterative", budget=budget, reuse=False)
        settings.append(Setting(f"iterative without reuse, {budget} labels a preference", lines, alone))
    return Study("budget", "Which sampling makes the most of a label?", tuple(settings))


def _conditions() -> Study:
    """Each setting changes one thing of the tables' own, which come first."""
    lines = ("dpo", "dpo_long", "dpo_pop", *BESIDE)
    settings = (
        Setting("as in the tables", lines),
        *(Setting(f"β {beta:g}", lines, training={"beta": beta}) for beta in (0.25, 4.0)),
        *(
            Setting(f"learning rate {rate:g}", lines, training={"learning_rate": rate})
            for rate in (2e-4, 1e-3)
        ),
        *(Setting(f"M_max {most:g}", lines, pop={"max_margin": most}) for most in (1.0, 3.0)),
        *(Setting(f"target rate {rate:g}", lines, pop={"target_rate": rate}) for rate in (0.001, 0.1)),
        *(Setting(f"{pairs:,} preferences", lines, data=Data(pairs=pairs)) for pairs in (1500, 12_000)),
    )
    return Study("conditions", "When does the margin itself earn its keep?", settings)


def _strengths() -> Study:
    """`dpo_pop_strength` against DPO-PoP at equal labels and steps: fewer labels, worse ones, and more.

    What was tried to improve it stands in the first setting alone.
    """
    lines = ("dpo", "dpo_long", "dpo_pop", "dpo_pop_strength", "strength_unweighted")
    controls = ("constant_strength", SHUFFLED, *BESIDE)
    tried = ("strength_cautious", "strength_soft")
    settings = (
        Setting("k 2", (*lines, *tried, *controls, "reversed_strengths")),
        *(Setting(f"k {k}", (*lines, *controls), Labels(k=k)) for k in (1, 4)),
        Setting("annotators err 20%", (*lines, *controls), Labels(error=0.2)),
        Setting("annotators err 20%, three a comparison", (*lines, *controls), Labels(error=0.2, overlap=3)),
        Setting("base noise 0.6", (*lines, *controls), data=Data(noise=Noise(0.6))),
        Setting("base noise 3.0", (*lines, *controls), data=Data(noise=Noise(3.0))),
    )
    return Study("strengths", "Do strengths fitted to all labels beat one weak partner a row?", settings, 10)


def _sanity() -> Study:
    """What catches strong and weak swapped anywhere between the label and the loss."""
    return Study(
        "sanity",
        "Do PoP labels help at all, and do reversed ones hurt?",
        (Setting("k 2", ("dpo", "dpo_pop", "reversed")),),
        seeds=2,
        first_seed=5000,  # fresh: no table has been made of them
        demands=(
            Demand("dpo_pop", "win_vs_dpo", 0.65),
            Demand("dpo_pop", "win_vs_dpo", 0.15, over="reversed"),
            Demand("dpo_pop", "spearman", 0.06, over="reversed"),
        ),
    )


STUDIES: dict[str, Study] = {
    one.name: one
    for one in (_tables(), _conditions(), _k(), _noise(), _quality(), _budget(), _strengths(), _sanity())
}


class UnknownSetting(ValueError):
    """A title that no setting of the study has; the message names those there are."""


def only(study: Study, titles: Sequence[str]) -> Study:
    """The study with these of its settings alone.

    Raises:
        UnknownSetting: see there.
    """
    known = {one.title: one for one in study.settings}
    if unknown := [one for one in titles if one not in known]:
        raise UnknownSetting(f"{study.name} has no setting {unknown[0]!r}; it has: {'; '.join(known)}.")
    return replace(study, settings=tuple(known[one] for one in dict.fromkeys(titles)))


def quick(study: Study) -> Study:
    """The same study in a small world: to see that it runs, not to learn from it."""
    small = [
        replace(
            one,
            data=one.data
            if isinstance(one.data, Corpus)
            else replace(one.data, pairs=300, heldout=100, sft_samples=600, hidden_size=32, layers=2),
            sampling=replace(one.sampling, prompts=32),
        )
        for one in study.settings
    ]
    return replace(study, settings=tuple(small), seeds=2, demands=())
