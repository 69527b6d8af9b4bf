"""Events on a terminal: a bar for each stage, warnings in words, a table of evaluations at the end.

Everything for people goes to stderr; stdout is for what a program may want to read.
"""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm

from training.engine import catalog, measures
from training.engine.events import Event
from training.engine.measures import Measure

# What a stage is called, and the unit it counts.
STAGES = {
    "sft": ("Warming up", "step"),
    "rewards": ("Scoring with the reward model", "preference"),
    "reference": ("Scoring the reference", "preference"),
    "train": ("Training", "step"),
    "evaluate": ("Evaluating", "preference"),
    "generate": ("Writing responses", "response"),
    "judge": ("Judging responses", "response"),
    "save": ("Saving", ""),
}


# What stands beside a bar, and what it is called there.
METRICS = {
    "loss": "loss",
    "rewards/margins": "margin",
    "reward/margins": "margin",
    "heldout/loss": "held-out loss",
    "heldout/accuracy": "held-out accuracy",
}


class Display:
    """Shows events as they happen. `results` are the evaluations seen so far, by name.

    Bars are drawn on terminals and in notebooks; elsewhere a stage is a line.
    """

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self._bar: Any = None

    def hear(self, event: Event) -> None:
        """Show one event; kinds without a method of their own are not shown."""
        show = getattr(self, f"_{event.kind}", None)
        if show is not None:
            show(event.data)

    def close(self) -> None:
        """Leave the present bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _stage(self, data: dict[str, Any]) -> None:
        self.close()
        title, unit = STAGES.get(data["name"], (data["name"], ""))
        if data["total"] is None or not drawn():
            say(f"{title}{_amount(data['total'], unit)} …")
            return
        self._bar = tqdm(total=data["total"], desc=title, unit=unit, file=sys.stderr, leave=True)

    def _progress(self, data: dict[str, Any]) -> None:
        if self._bar is not None:
            self._bar.update(data["done"] - self._bar.n)

    def _metrics(self, data: dict[str, Any]) -> None:
        if self._bar is not None:
            self._bar.set_postfix({name: f"{data[key]:.4g}" for key, name in METRICS.items() if key in data})

    def _warning(self, data: dict[str, Any]) -> None:
        say(f"Warning: {data['message']}")

    def _evaluation(self, data: dict[str, Any]) -> None:
        self.results[data["name"]] = data["result"]

    def _failed(self, data: dict[str, Any]) -> None:
        self.close()
        say(f"{data['message']} {data['hint']}".strip())

    def _cancelled(self, _data: dict[str, Any]) -> None:
        self.close()

    def _finished(self, _data: dict[str, Any]) -> None:
        self.close()
        if self.results:
            say(table(self.results))


class Lines:
    """Every event as a line of JSON on stdout."""

    def hear(self, event: Event) -> None:
        sys.stdout.write(event.model_dump_json() + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing is open."""


class Quiet(Display):
    """Nothing but what went wrong."""

    def _stage(self, data: dict[str, Any]) -> None:
        pass

    def _finished(self, data: dict[str, Any]) -> None:
        pass


def table(results: dict[str, Any]) -> str:
    """Evaluations in aligned columns: evaluation, number, value, 95% interval, how many it is made of."""
    lines = [("evaluation", "", "value", "95% interval", "n")]
    for name, result in results.items():
        title = catalog.evaluation(name).title
        if "skipped" in result:
            lines.append((title, "", "–", result["skipped"], ""))
            continue
        lines += [_line(title, one) for one in measures.measures(result)]
        lines += [(title, name, "", text, "") for name, text in measures.remarks(result)]
    widths = [max(len(line[place]) for line in lines) for place in range(3)]
    return "\n".join(
        f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}  {d:16}  {e}".rstrip() for a, b, c, d, e in lines
    )


def _line(title: str, one: Measure) -> tuple[str, str, str, str, str]:
    shown = f"{one.low:.3f} to {one.high:.3f}" if one.low is not None else ""
    value = f"{one.value:.3f}" if isinstance(one.value, float) else str(one.value)
    return title, one.name, value, shown, "" if one.n is None else str(one.n)


def drawn() -> bool:
    """Whether a bar would be seen moving: a terminal, or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def say(text: str) -> None:
    """Lines for people, on stderr, without tearing a bar."""
    tqdm.write(text, file=sys.stderr)


def _amount(total: int | None, unit: str) -> str:
    return "" if total is None else f", {total:,} {unit}{'' if total == 1 else 's'}"


def chosen(*, quiet: bool, as_json: bool) -> Display | Lines:
    """What shows the events of a run."""
    if as_json:
        return Lines()
    return Quiet() if quiet else Display()
