"""A study from its settings to its report: results.json, report.md and plots.html."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.engine import runrecord
from training.study import farm, figures, plots, reports, tables
from training.study.figures import Figure
from training.study.studies import STUDIES, Demand, Setting, Study
from training.study.variants import VARIANTS

OPPONENTS = ("dpo", "dpo_long")

Lines = dict[str, dict[str, Figure]]


@dataclass(frozen=True)
class Report:
    """What a study found: figures of each line, by setting, over the seeds."""

    study: Study
    seeds: tuple[int, ...]
    lines: Mapping[str, Lines]


@dataclass(frozen=True)
class Verdict:
    """What came of a demand of the study."""

    demand: Demand
    setting: str
    found: float

    @property
    def met(self) -> bool:
        return self.found >= self.demand.at_least

    def __str__(self) -> str:
        """As a sentence."""
        one, metric = self.demand, tables.HEADINGS[self.demand.metric]
        over = f" over {VARIANTS[one.over].title}" if one.over else ""
        what = f"{metric} of {VARIANTS[one.line].title}{over} must be {one.at_least:g} or more"
        return f"{'Met' if self.met else '**Not met**'}, {self.setting}: {what}, and is {self.found:.3f}."


def verdicts(report: Report) -> list[Verdict]:
    """Whether what must come out did, in each setting."""
    found = []
    for setting, lines in report.lines.items():
        for one in report.study.demands:
            value = lines[one.line][one.metric].mean
            value -= lines[one.over][one.metric].mean if one.over else 0.0
            found.append(Verdict(one, setting, value))
    return found


def compute(
    root: Path, study: Study, seeds: Sequence[int], processes: int, *, progress: bool = True
) -> Report:
    """Make the study's cells and reckon its figures.

    Raises:
        CellFailed: see `farm`.
    """
    cells = {name: one for setting in study.settings for name, one in setting.cells(seeds).items()}
    found = farm.compute(root, cells, processes, progress=progress)
    return Report(study, tuple(seeds), {one.title: _lines(one, seeds, found) for one in study.settings})


def _lines(setting: Setting, seeds: Sequence[int], found: farm.Results) -> Lines:
    opponents = [name for name in OPPONENTS if name in setting.lines]
    lines = {}
    for line in setting.lines:
        of_seeds = []
        for seed in seeds:
            against = {name: found[setting.title, name, seed] for name in opponents}
            of_seeds.append(figures.of_seed(found[setting.title, line, seed], against))
        lines[line] = figures.summary(of_seeds)
    return lines


def write(folder: Path, report: Report, command: str) -> None:
    """Write `results.json`, `report.md` and, where plotly is installed, `plots.html`.

    Settings of the study that are in the folder already and were not made again stay in the report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "seeds": list(report.seeds),
        "command": command,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **runrecord.describe(),
    }
    settings = _before(folder / reports.RESULTS, report) | {
        one.title: {"made": made, "settings": asdict(one), "lines": _documents(report.lines[one.title])}
        for one in report.study.settings
    }
    document = {"study": report.study.name, **made, "settings": _in_order(report, settings)}
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (folder / reports.RESULTS).write_text(text + "\n", encoding="utf-8")
    found = reports.parsed(document)
    (folder / reports.TEXT).write_text(markdown(report, found), encoding="utf-8")
    with suppress(ModuleNotFoundError):  # plotly comes with the web extra
        plots.write(folder / "plots.html", report.study.question, found.settings)


def _before(file: Path, report: Report) -> dict[str, Any]:
    """The settings that an earlier report has; none where it cannot be read."""
    try:
        document = reports.document(file)
        made = reports.parsed(document).made
    except reports.Unreadable:
        return {}
    if document.get("study") != report.study.name:
        return {}
    return {title: {"made": asdict(made[title]), **one} for title, one in document["settings"].items()}


def _in_order(report: Report, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The study's own order, whichever setting was made first."""
    whole = [one.title for one in STUDIES[report.study.name].settings]
    return {title: settings[title] for title in dict.fromkeys([*whole, *settings]) if title in settings}


def _documents(lines: Lines) -> dict[str, Any]:
    return {line: {name: asdict(one) for name, one in found.items()} for line, found in lines.items()}


def markdown(report: Report, found: reports.Found) -> str:
    """The report as a page: all that was found, and what came of the demands on what is new."""
    same = set(found.made.values()) == {next(iter(found.made.values()))}
    said = "Means ± half of the 95% t-interval over seeds; controls in italics."
    parts = [f"# {report.study.question}", "", f"{_how(found)} {said}" if same else said]
    for setting, lines in found.settings.items():
        parts += ["", f"## {setting}", *(() if same else ("", _how(found.made[setting])))]
        parts += ["", tables.table(lines, tables.TITLES, tables.METRICS), "", tables.compared(lines)]
    first = next(iter(found.settings.values()))
    if report.study.demands:
        parts += ["", "## Demanded", "", *(f"- {one}" for one in verdicts(report))]
    if report.study.name == "tables":
        parts += ["", "## Against the paper", "", tables.against_the_paper(first)]
    return "\n".join(parts) + "\n"


def _how(made: reports.Made) -> str:
    return f"Seeds {', '.join(map(str, made.seeds))}; commit {made.commit}, {made.at}; `{made.command}`."
