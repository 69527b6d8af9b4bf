"""Files of published benchmarks: an administrator puts them into POP_BENCHMARK_DIR, people name them.

Nobody names a path: a file of that folder by its name, or a dataset of the Hub by its id.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from django.conf import settings

from training.engine.evaluation_spec import EvaluationSpec
from training.errors import Invalid, NotPrepared

DATA = "evaluation.rewardbench.data"
ENDINGS = (".jsonl", ".json", ".parquet")
# Where a spec's section `evaluation` names files, by section and field, with what such a file ends in.
FILES: dict[tuple[str, str], tuple[str, ...]] = {
    ("rewardbench", "data"): ENDINGS,
    ("alpaca_eval", "baseline"): (".json",),
    ("alpaca_eval", "prompt"): (".txt",),
}
LINK = "sources/benchmarks"
_FILE = re.compile(r"[A-Za-z0-9][\w.\-]{0,200}")
_HUB = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[A-Za-z0-9][\w.\-]{0,95}(:[\w.\-]{1,95})?")


def names(*endings: str) -> list[str]:
    """Files on this machine that may be named, sorted: those with these endings."""
    folder = settings.BENCHMARK_DIR
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(one.name for one in found if _is_file_name(one.name, endings) and one.is_file())


def find(name: str) -> Path | None:
    """A file of the folder by its name; None where it is not on this machine."""
    place: Path = settings.BENCHMARK_DIR / name
    return place if _FILE.fullmatch(name) and place.is_file() else None


def check(section: EvaluationSpec) -> None:
    """What a spec names is a file of the folder; RewardBench's prompts may have a Hub id instead.

    Raises:
        Invalid: it is neither; or the folder is here, and the file is not.
    """
    for (part, field), endings in FILES.items():
        named = getattr(getattr(section, part), field)
        place = f"evaluation.{part}.{field}"
        if named is not None and not (place == DATA and _is_hub_id(named)):
            _check_file(named, endings, place)


def _check_file(named: str, endings: tuple[str, ...], place: str) -> None:
    if not _is_file_name(named, endings):
        hub = ", nor a Hugging Face id like allenai/reward-bench" if place == DATA else ""
        neither = "neither" if hub else "not"
        raise _bad(
            f"{named!r} is {neither} the name of a file of the benchmark folder (POP_BENCHMARK_DIR), "
            f"ending in {', '.join(endings)}{hub}.",
            place,
        )
    # The folder may exist on the workers only; where it is here, a typing error shows at once.
    if settings.BENCHMARK_DIR.is_dir() and find(named) is None:
        there = names(*endings)
        words = f"There are {', '.join(there)}." if there else "An administrator puts files there."
        raise _bad(f"There is no file {named} in the benchmark folder. {words}", place)


def with_paths(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A run's spec as the engine reads it: paths below the run's folder in the place of files' names.

    They lead through a link: no message then names where the benchmark folder lies on this machine.

    Raises:
        NotPrepared: a file is not on this machine.
        OSError: the link cannot be made.
    """
    made = copy.deepcopy(spec)
    section = made.get("evaluation") or {}
    for (part, field), endings in FILES.items():
        named = (section.get(part) or {}).get(field)
        if named is not None and _is_file_name(named, endings):
            _check_here(named)
            _link(folder / LINK)
            section[part][field] = f"{LINK}/{named}"
    return made


def _check_here(named: str) -> None:
    if find(named) is None:
        raise NotPrepared(
            f"The benchmark's file {named} is not on this worker.",
            "Put it into the benchmark folder there (POP_BENCHMARK_DIR), then launch the run again.",
        )


def _link(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(settings.BENCHMARK_DIR.resolve(), target_is_directory=True)


def _is_file_name(named: str, endings: tuple[str, ...]) -> bool:
    return bool(_FILE.fullmatch(named)) and named.endswith(endings)


def _is_hub_id(named: str) -> bool:
    ends_as_file = named.partition(":")[0].endswith(ENDINGS)
    return bool(_HUB.fullmatch(named)) and "--" not in named and not ends_as_file


def _bad(message: str, place: str) -> Invalid:
    return Invalid("invalid_benchmark", message, {place: [message]})
