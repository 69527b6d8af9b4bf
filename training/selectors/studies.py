"""The studies and their reports, for whoever is signed in: they are about a simulated world, not people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from training.errors import NotAllowed, NotFound
from training.study import reports
from training.study.reports import FILES, Entry

if TYPE_CHECKING:
    from annotation.rules import Person

TABLES = "tables"  # the study that has both samplings at the paper's settings
RANDOM, ITERATIVE = "dpo_pop", "dpo_pop_iterative"


def of_all(user: Person) -> list[Entry]:
    """Every study, and quick trials where there are some.

    Raises:
        NotAllowed: nobody is signed in.
    """
    _check(user)
    return reports.entries(settings.STUDY_DIR)


def get(user: Person, name: str) -> Entry:
    """One study.

    Raises:
        NotFound: there is none of this name.
        NotAllowed: nobody is signed in.
    """
    _check(user)
    try:
        return reports.entry(settings.STUDY_DIR, name)
    except KeyError:
        raise NotFound("no_study", "There is no such study.") from None


def file(user: Person, name: str, kind: str) -> Path:
    """results.json or report.md of a study.

    Raises:
        NotFound: it is not there.
        NotAllowed: nobody is signed in.
    """
    found = files(get(user, name)).get(kind)
    if found is None:
        raise NotFound("no_file", "This study has no such file: it has not been computed here.")
    return found


def files(entry: Entry) -> dict[str, Path]:
    """The files of a study that there are, by their kinds."""
    own = {kind: reports.folder(settings.STUDY_DIR, entry.name) / kind for kind in FILES}
    shipped = reports.results(settings.STUDY_DIR, entry.name)
    found = own | ({reports.RESULTS: shipped} if shipped else {})
    return {kind: file for kind, file in found.items() if file.is_file()}


def on_sampling(user: Person) -> str:
    """What the study found of iterative against random sampling, in a sentence; empty before it has."""
    if reports.results(settings.STUDY_DIR, TABLES) is None:
        return ""
    entry = get(user, TABLES)
    found = entry.found
    if found is None or reports.elsewhere(entry.study, found):
        return ""
    parts = []
    for metric, words in (("accuracy", "pair accuracy"), ("win_vs_dpo", "win rate against DPO")):
        one = reports.contrast(found, ITERATIVE, RANDOM, metric)
        if one is not None and one.low is not None:
            parts.append(f"{words} {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]")
    if not parts:
        return ""
    seeds = len(next(iter(found.made.values())).seeds)
    return f"In our own study ({seeds} seeds) iterative less random: {', '.join(parts)}."


def _check(user: Person) -> None:
    if not user.is_active:
        raise NotAllowed("not_signed_in", "Sign in first.")
