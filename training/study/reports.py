"""The reports that lie in a study's folder, for those who did not compute them. No torch here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from training.study import settings
from training.study.figures import Figure, difference
from training.study.presets import PRESETS, NothingLeft, on
from training.study.studies import STUDIES, Setting, Study, quick
from training.study.variants import VARIANTS

QUICK = "-quick"
PARTS = ("labels", "data", "sampling", "training", "pop")  # of a setting
RESULTS, TEXT = "results.json", "report.md"
SHIPPED = Path(__file__).parent / "reported"  # NAME.json: the results of studies that come with the program
FILES = {RESULTS: "application/json", TEXT: "text/markdown; charset=utf-8"}

Lines = dict[str, dict[str, Figure]]
COMES_ALONG = "These figures come with the program: they were not computed here."


class State(StrEnum):
    """How far a study is."""

    ABSENT = "absent"
    PARTIAL = "partial"
    COMPLETE = "complete"
    BROKEN = "broken"


class Unreadable(ValueError):
    """A results.json that is none; the message says why."""


@dataclass(frozen=True)
class Made:
    """How figures were made: on which seeds, by which command, when, at which commit."""

    seeds: tuple[int, ...]
    command: str
    at: str
    commit: str


@dataclass(frozen=True)
class Found(Made):
    """What results.json says, and how what was made last was made.

    Attributes:
        settings: the lines of each setting, those that are known here.
        made: how those of each setting were made.
        asked: what each setting asked for; empty where the report does not say.
    """

    settings: Mapping[str, Lines]
    made: Mapping[str, Made]
    asked: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Entry:
    """A study and how far it is.

    Attributes:
        words: what is missing, or broken.
        small: a quick trial of it.
        shipped: its figures come with the program, and none were computed here.
        preset: the name of the ground it is on, if that is not the synthetic world.
    """

    name: str
    study: Study
    state: State
    words: str = ""
    found: Found | None = None
    small: bool = False
    preset: str = ""
    shipped: bool = False

    @property
    def command(self) -> str:
        """What computes it, or goes on with it."""
        preset = f" --preset {self.preset}" if self.preset else ""
        return f"python -m training.study {self.study.name}{preset}{' --quick' if self.small else ''}"

    @property
    def ground(self) -> str:
        """What it is on, in words; empty for the synthetic world."""
        return PRESETS[self.preset].title if self.preset else ""

    @property
    def methods(self) -> int:
        return len({line for setting in self.study.settings for line in setting.lines})


def entries(root: Path) -> list[Entry]:
    """Every study there is, and after it its trials and those on other grounds, where they were made."""
    grounds = ["", *(f"-{name}" for name in PRESETS)]
    names = [one + ground + size for one in STUDIES for ground in grounds for size in ("", QUICK)]
    return [
        entry(root, name) for name in names if name in STUDIES or (folder(root, name) / RESULTS).is_file()
    ]


def _asked(name: str) -> tuple[Study, str, bool]:
    """The study of a report's name, its preset if it has one, and whether it is a quick trial.

    Raises:
        KeyError: there is no such study, or it cannot be on that ground.
    """
    whole = name.removesuffix(QUICK)
    preset = next((one for one in PRESETS if whole.endswith(f"-{one}")), "")
    study = STUDIES[whole.removesuffix(f"-{preset}") if preset else whole]
    if preset:
        try:
            study, _ = on(study, PRESETS[preset], PRESETS[preset].data)
        except NothingLeft as error:
            raise KeyError(name) from error
    small = whole != name
    return (quick(study) if small else study), preset, small


def folder(root: Path, name: str) -> Path:
    return root / "reports" / name


def results(root: Path, name: str) -> Path | None:
    """The results.json of a report: the one that was made here, else the one that comes with the program."""
    places = (folder(root, name) / RESULTS, SHIPPED / f"{name}.json")
    return next((one for one in places if one.is_file()), None)


def entry(root: Path, name: str) -> Entry:
    """One study, or with a preset or `-quick` behind its name that of another ground, or the trial of it.

    Raises:
        KeyError: there is no such study.
    """
    study, preset, small = _asked(name)
    file = results(root, name)
    if file is None:
        words = _trained(root, name)
        state = State.PARTIAL if words else State.ABSENT
        return Entry(name, study, state, words, small=small, preset=preset)
    shipped = file.parent == SHIPPED
    try:
        found = read(file)
    except Unreadable as error:
        words = f"{file.name} cannot be read: {error}"
        return Entry(name, study, State.BROKEN, words, small=small, preset=preset)
    words = _lacking(study, found)
    state = State.PARTIAL if words else State.COMPLETE
    if shipped:
        words = " ".join(filter(None, [COMES_ALONG, words, _trained(root, name)]))
    return Entry(name, study, state, words, found, small, preset, shipped)


def _trained(root: Path, name: str) -> str:
    """How many trainings were made here, in words; empty for none."""
    done, wanted = trained(root, name)
    return f"{done} of {wanted} trainings are done; the command goes on with the others." if done else ""


def read(file: Path) -> Found:
    """A results.json.

    Raises:
        Unreadable: it is not one.
    """
    return parsed(document(file))


def document(file: Path) -> Any:
    """What is in a results.json, whatever it is.

    Raises:
        Unreadable: it is no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unreadable(f"it is not JSON, or half-written ({error}).") from error


def parsed(document: Any) -> Found:
    """The report in a results.json. Where a setting does not say how it was made, the whole does.

    Raises:
        Unreadable: it is none.
    """
    try:
        last = _made(document)
        settings = {str(title): one for title, one in document["settings"].items()}
        return Found(
            *(last.seeds, last.command, last.at, last.commit),
            settings={title: _lines(one["lines"]) for title, one in settings.items()},
            made={title: _made(one["made"]) if "made" in one else last for title, one in settings.items()},
            asked={title: dict(one.get("settings", {})) for title, one in settings.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"it is no report of this version (at {error}).") from error


def _made(document: Mapping[str, Any]) -> Made:
    seeds = tuple(int(one) for one in document["seeds"])
    return Made(seeds, str(document["command"]), str(document["at"]), str(document.get("commit") or ""))


def trained(root: Path, name: str) -> tuple[int, int]:
    """How many trainings of a study were made, by its usual settings and seeds, and how many there are.

    Those whose margin follows from others' results are left out: their place is not known before.
    """
    wanted = _wanted(name)
    if not (root / "cells").is_dir():
        return 0, len(wanted)
    return sum((root / "cells" / one / settings.RESULT).is_file() for one in wanted), len(wanted)


@cache
def _wanted(name: str) -> tuple[str, ...]:
    """The folders of a study's trainings: hundreds of hashes, and always the same."""
    study, _, _ = _asked(name)
    seeds = range(study.first_seed, study.first_seed + study.seeds)
    cells = {one.key: one for setting in study.settings for one in setting.cells(seeds).values()}
    return tuple(settings.folder_name(one) for one in cells.values() if not one.method.margin_of)


def contrast(found: Found, ours: str, theirs: str, metric: str) -> Figure | None:
    """Ours less theirs in the first setting, seed by seed; None where one of them is not there."""
    lines: Lines = next(iter(found.settings.values()), {})
    figures = [lines.get(name, {}).get(metric) for name in (ours, theirs)]
    if figures[0] is None or figures[1] is None or len(figures[0].values) != len(figures[1].values):
        return None
    return difference(figures[0], figures[1])


def _lines(document: Mapping[str, Mapping[str, Any]]) -> Lines:
    return {
        line: {name: _figure(one) for name, one in figures.items() if math.isfinite(one["mean"])}
        for line, figures in document.items()
        if line in VARIANTS
    }


def _figure(document: Mapping[str, Any]) -> Figure:
    low, high = document["low"], document["high"]
    return Figure(
        float(document["mean"]),
        low if low is not None and math.isfinite(low) else None,
        high if high is not None and math.isfinite(high) else None,
        tuple(float(one) for one in document["values"]),
    )


def elsewhere(study: Study, found: Found) -> dict[str, list[str]]:
    """The parts of the settings that the report has otherwise than the study, by the setting's title."""
    differing = {}
    for one in study.settings:
        asked = found.asked.get(one.title, {})
        own = json.loads(json.dumps(asdict(one)))
        parts = [name for name in PARTS if asked and asked.get(name, own[name]) != own[name]]
        if parts:
            differing[one.title] = parts
    return differing


def _lacking(study: Study, found: Found) -> str:
    """What a report has less than its study wants, or otherwise, in words; empty if nothing."""
    absent = [one.title for one in study.settings if one.title not in found.settings]
    fewer = {title: len(one.seeds) for title, one in found.made.items() if len(one.seeds) < study.seeds}
    words = []
    if fewer and len(fewer) == len(found.made) and len(set(fewer.values())) == 1:
        words.append(f"{_count(min(fewer.values()), 'seed')} of {study.seeds}")
    else:
        words += [f"{_count(seeds, 'seed')} of {study.seeds} for {title}" for title, seeds in fewer.items()]
    if absent:
        words.append(f"no figures for {', '.join(absent)}")
    words += [
        f"{title} lacks {', '.join(missing)}"
        for title, missing in ((one.title, _missing(one, found)) for one in study.settings)
        if missing
    ]
    part = f"Part of it: {'; '.join(words)}." if words else ""
    other = [f"{title} ({', '.join(parts)})" for title, parts in elsewhere(study, found).items()]
    return " ".join(
        filter(None, [part, f"By other settings than the study's: {'; '.join(other)}." if other else ""])
    )


def _missing(setting: Setting, found: Found) -> list[str]:
    """Titles of the lines that a setting of the report lacks."""
    there = found.settings.get(setting.title)
    return [] if there is None else [VARIANTS[one].title for one in setting.lines if one not in there]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
