"""What the tables compare: the paper's six, methods of other papers, and the controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from training.study.settings import Cell, Corpus, Data, Labels, Method, Sampling, Twist


@dataclass(frozen=True)
class Variant:
    """A line of a table.

    Attributes:
        name: in results and tables.
        title: in words.
        method, labels: what it is made of; the study's own settings replace what it leaves at its default.
        paper: its name in the paper's Tables 1 and 3.
        control: it is there to explain others.
    """

    name: str
    title: str
    method: Method
    labels: Labels = field(default_factory=Labels)
    paper: str = ""
    control: bool = False

    def cell(
        self,
        seed: int,
        data: Data | Corpus,
        labels: Labels,
        sampling: Sampling,
        pop: Mapping[str, Any],
        **settings: Any,
    ) -> Cell:
        """The cell of a seed: this variant under a study's data, labels and training settings.

        Args:
            pop: parameters of DPO-PoP, where this is a variant of it that says nothing else of them.
        """
        asked = replace(labels, twist=self.labels.twist)
        if self.labels.strategy != Labels().strategy:
            asked = replace(asked, strategy=self.labels.strategy)
        method = replace(self.method, **settings)
        if method.slug == "dpo_pop":
            method = replace(method, params={**pop, **method.params})
        return Cell(seed, method, asked, data, sampling)


def _twisted(twist: Twist) -> Labels:
    return Labels(twist=twist)


VARIANTS: dict[str, Variant] = {
    one.name: one
    for one in (
        Variant("dpo", "DPO", Method("dpo"), paper="DPO"),
        Variant("dpo_margin", "DPO, margin 1", Method("dpo_margin", {"margin": 1.0}), paper="DPO-margin-1"),
        Variant("dpo_margin_gt", "DPO, true margin", Method("dpo_margin_gt"), paper="DPO-margin-gt"),
        Variant("dpo_scaled", "DPO, scaled", Method("dpo_scaled"), paper="DPO-scaled"),
        Variant(
            "dpo_pop_iterative", "DPO-PoP, iterative", Method("dpo_pop"), Labels("iterative"), "DPO-PoP-iter"
        ),
        Variant("dpo_pop", "DPO-PoP, random", Method("dpo_pop"), paper="DPO-PoP-random"),
        Variant("dpo_pop_inferred", "DPO-PoP, inferred rows too", Method("dpo_pop"), _twisted("inferred")),
        Variant("dpo_pop_strength", "Strengths", Method("dpo_pop_strength", as_many_steps=True)),
        Variant(
            "strength_cautious",
            "Strengths, less one deviation",
            Method("dpo_pop_strength", {"uncertainty": 1.0}, as_many_steps=True),
        ),
        Variant(
            "strength_unweighted",
            "Strengths, margin only",
            Method("dpo_pop_strength", {"weighted": False}, as_many_steps=True),
        ),
        Variant(
            "strength_soft",
            "Strengths, soft labels",
            Method("dpo_pop_strength", {"soft": True}, as_many_steps=True),
        ),
        Variant("madpo", "MADPO", Method("madpo", as_many_steps=True, reward_model=True)),
        Variant("gamma_dpo", "γ-DPO", Method("gamma_dpo", as_many_steps=True)),
        Variant("beta_dpo", "β-DPO", Method("beta_dpo", as_many_steps=True)),
        Variant("ipo", "IPO", Method("ipo", as_many_steps=True)),
        Variant("dpo_long", "DPO, as many steps", Method("dpo", as_many_steps=True), control=True),
        Variant(
            "dpo_margin_gt_long",
            "DPO, true margin, as many steps",
            Method("dpo_margin_gt", as_many_steps=True),
            control=True,
        ),
        Variant("dpo_pop_resampled", "DPO on PoP rows", Method("dpo_pop_resampled"), control=True),
        Variant(
            "dpo_pop_no_margin", "DPO-PoP, M_max 0", Method("dpo_pop", {"max_margin": 0.0}), control=True
        ),
        Variant(
            "constant_margin",
            "DPO on as many steps, DPO-PoP's mean margin",
            Method("dpo_margin", as_many_steps=True, margin_of="dpo_pop"),
            control=True,
        ),
        Variant(
            "constant_strength",
            "DPO on as many steps, margin 2",
            Method("dpo_margin", {"margin": 2.0}, as_many_steps=True),
            control=True,
        ),
        Variant(
            "shuffled_partners",
            "DPO-PoP, weak sides shuffled",
            Method("dpo_pop"),
            _twisted("shuffled_partners"),
            control=True,
        ),
        Variant("reversed", "DPO-PoP, reversed", Method("dpo_pop"), _twisted("reversed"), control=True),
        Variant(
            "shuffled_strengths",
            "Strengths, shuffled",
            Method("dpo_pop_strength", as_many_steps=True),
            _twisted("shuffled_strengths"),
            control=True,
        ),
        Variant(
            "reversed_strengths",
            "Strengths, reversed",
            Method("dpo_pop_strength", as_many_steps=True),
            _twisted("reversed"),
            control=True,
        ),
    )
}
PAPER = tuple(name for name, one in VARIANTS.items() if one.paper)
CONTROLS = tuple(name for name, one in VARIANTS.items() if one.control)
