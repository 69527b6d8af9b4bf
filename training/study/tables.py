"""Results as Markdown, with intervals, the paper's figures and the controls beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from training.study import paper
from training.study.figures import Figure, difference
from training.study.variants import VARIANTS

Lines = Mapping[str, Mapping[str, Figure]]

HEADINGS = {
    "labels": "Labels",
    "steps": "Steps",
    "accuracy": "Accuracy",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "pop_accuracy": "PoP accuracy",
    "win_vs_dpo": "Win vs DPO",
    "advantage_vs_dpo": "Median adv.",
    "win_vs_dpo_long": "Win vs DPO, as many steps",
    "reward": "Reward",
    "kl": "KL",
    "length": "Length",
    "ended": "Ended",
}
METRICS = (
    *("labels", "steps", "accuracy", "pearson", "spearman", "pop_accuracy"),
    *("win_vs_dpo", "advantage_vs_dpo", "win_vs_dpo_long", "reward", "kl", "length", "ended"),
)
COMPARED = ("accuracy", "spearman", "win_vs_dpo", "win_vs_dpo_long", "kl")
PAIRS = (
    ("dpo_pop", "dpo"),
    ("dpo_pop", "dpo_long"),
    ("dpo_pop", "dpo_pop_resampled"),
    ("dpo_pop", "dpo_pop_no_margin"),
    ("dpo_pop", "constant_margin"),
    ("dpo_pop", "dpo_margin_gt_long"),
    ("dpo_pop", "shuffled_partners"),
    ("dpo_pop", "reversed"),
    ("dpo_pop", "dpo_pop_iterative"),
    ("dpo_pop_strength", "dpo_pop"),
    ("dpo_pop_strength", "dpo_long"),
    ("dpo_pop_strength", "strength_cautious"),
    ("dpo_pop_strength", "strength_unweighted"),
    ("dpo_pop_strength", "strength_soft"),
    ("dpo_pop_strength", "constant_strength"),
    ("dpo_pop_strength", "shuffled_strengths"),
    ("dpo_pop_strength", "reversed_strengths"),
)
TITLES = {name: f"*{one.title}*" if one.control else one.title for name, one in VARIANTS.items()}
WHOLE = ("labels", "steps")
NONE = "–"


def table(lines: Lines, titles: Mapping[str, str], metrics: Sequence[str]) -> str:
    """A line a method: mean ± half of the 95% interval over the seeds."""
    shown = [name for name in metrics if any(name in one for one in lines.values())]
    rows = [["Method", *(HEADINGS.get(name, name) for name in shown)]]
    rows += [
        [titles.get(line, line), *(cell(found.get(name), name) for name in shown)]
        for line, found in lines.items()
    ]
    return markdown(rows)


def cell(figure: Figure | None, name: str) -> str:
    """A figure as text."""
    if figure is None:
        return NONE
    if name in WHOLE:
        return f"{figure.mean:.0f}"
    half = "" if figure.high is None else f" ± {figure.high - figure.mean:.3f}"
    return f"{figure.mean:.3f}{half}"


def compared(lines: Lines) -> str:
    """The differences that the lines there are can be asked for."""
    shown = [name for name in COMPARED if all(name in one for one in lines.values())]
    return differences(lines, [pair for pair in PAIRS if set(pair) <= lines.keys()], shown)


def differences(lines: Lines, pairs: Sequence[tuple[str, str]], metrics: Sequence[str]) -> str:
    """What one line is ahead of another, seed by seed; bold where the interval leaves 0 out."""
    rows = [["Difference", *(HEADINGS.get(name, name) for name in metrics)]]
    for one, other in pairs:
        if one not in lines or other not in lines:
            continue
        found = [difference(lines[one][name], lines[other][name]) for name in metrics]
        rows.append([f"{_title(one)} − {_title(other)}", *map(_signed, found)])
    return markdown(rows)


def _signed(figure: Figure) -> str:
    text = f"{figure.mean:+.3f}"
    if figure.low is None:
        return text
    text = f"{text} [{figure.low:+.3f}, {figure.high:+.3f}]"
    return f"**{text}**" if figure.sign else text


def against_the_paper(lines: Lines) -> str:
    """Each metric: the paper's figures beside ours, and how many pairs of methods are ordered alike."""
    found = paper.orderings(lines)
    parts = []
    for metric, published in paper.PUBLISHED.items():
        there = [name for name in published if metric in lines.get(name, {})]
        if len(there) < 2:
            continue
        rows = [["Figures", *(_title(name) for name in there)]]
        rows.append(["paper", *(f"{published[name]:.3f}" for name in there)])
        rows.append(["here", *(cell(lines[name][metric], metric) for name in there)])
        parts += [f"### {HEADINGS[metric]}", "", markdown(rows), "", _verdicts(found, metric), ""]
    return "\n".join(parts).rstrip()


def _verdicts(found: Sequence[paper.Ordering], metric: str) -> str:
    own = [one for one in found if one.metric == metric]
    counts = Counter(one.verdict for one in own)
    said = ", ".join(f"{counts[word]} {word}" for word in paper.VERDICTS.values())
    wrong = [f"{_title(one.better)} > {_title(one.worse)}" for one in own if one.verdict == "not"]
    contrary = f" The other way round here: {'; '.join(wrong)}." if wrong else ""
    return f"Of {len(own)} pairs that the paper orders: {said}.{contrary}"


def _title(name: str) -> str:
    return VARIANTS[name].title if name in VARIANTS else name


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, its first row the heading."""
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
