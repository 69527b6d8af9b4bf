"""What engine and worker say, for people: without the worker's folders, with runs by `run:ID` or by name.

No database here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from training import lineage

FOLDERS = ("CACHE_DIR", "RUNS_DIR", "BENCHMARK_DIR", "STUDY_DIR", "VAR_DIR")  # what holds others last
# A source's folder as `lineage.folder_name` has it, with the path before it and a file below it. A path is
# looked for where one can begin only: texts may be long, and of people who mean harm.
_FOLDER = r"(?:(?<![\w.~/-])[\w.~/-]*/)?sources/run-([1-9][0-9]{0,17})(?:-responses|-whole)?(?:/[\w.~/-]*\w)?"
_SOURCE = re.compile(_FOLDER)
_RUN = re.compile(rf"{_FOLDER}|\brun:([1-9][0-9]{{0,17}})\b")


def told(value: Any, folder: Path | None = None) -> Any:
    """JSON with sources by `run:ID` in the place of their folders, without the run's own folder, and with the
    program's folders by the names of their settings.

    Args:
        value: texts are searched, in lists and mappings too.
        folder: where the run lies on the worker; what is below it is named from there.
    """
    if isinstance(value, str):
        return _SOURCE.sub(lambda found: lineage.reference(int(found[1])), _without(value, folder))
    if isinstance(value, list):
        return [told(one, folder) for one in value]
    if isinstance(value, dict):
        return {name: told(one, folder) for name, one in value.items()}
    return value


def mentioned(texts: Iterable[str]) -> set[int]:
    """The ids of the runs that the texts name."""
    return {int(one or other) for text in texts for one, other in _RUN.findall(text)}


def named(text: str, names: Mapping[int, str]) -> str:
    """The text with runs by name, in quotation marks; unknown ones stay as they are."""

    def name(found: re.Match[str]) -> str:
        run = int(found[1] or found[2])
        return f"“{names[run]}”" if run in names else found[0]

    return _RUN.sub(name, text)


def _without(text: str, folder: Path | None) -> str:
    if "/" not in text:
        return text
    for place in {str(folder), str(folder.resolve())} if folder else ():
        if place in text:
            text = re.sub(rf"{re.escape(place)}/", "", text)
            text = re.sub(rf"{re.escape(place)}(?![\w-])", "the run's folder", text)
    for name in FOLDERS:
        place = str(getattr(settings, name))
        if place in text:
            text = re.sub(rf"{re.escape(place)}(?![\w-])", f"POP_{name}", text)
    return text
