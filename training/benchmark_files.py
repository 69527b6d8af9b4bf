"""Files of published benchmarks: an administrator puts them into POP_BENCHMARK_DIR, people name them.

Nobody names a path: a file of that folder by its name, or a dataset of the Hub by its id.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from django.conf import settings

from training.errors import Invalid, NotPrepared

DATA = "evaluation.rewardbench.data"
ENDINGS = (".jsonl", ".json", ".parquet")
_FILE = re.compile(r"[A-Za-z0-9][\w.\-]*")
_HUB = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*(:[\w.\-]+)?")


def names() -> list[str]:
    """Files on this machine that may be named as prompts, sorted."""
    folder = settings.BENCHMARK_DIR
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(one.name for one in found if _is_file_name(one.name) and one.is_file())


def find(name: str) -> Path | None:
    """A file of the folder by its name; None where it is not on this machine."""
    place: Path = settings.BENCHMARK_DIR / name
    return place if _FILE.fullmatch(name) and place.is_file() else None


def check_prompts(named: str) -> None:
    """What holds RewardBench's prompts is a file's name or a Hub id.

    Raises:
        Invalid: it is neither; or the folder is here, and the file is not.
    """
    if _is_file_name(named):
        # The folder may exist on the workers only; where it is here, a typing error shows at once.
        if settings.BENCHMARK_DIR.is_dir() and find(named) is None:
            raise _bad(f"There is no file {named} in the benchmark folder. {_there()}")
    elif not _HUB.fullmatch(named) or named.partition(":")[0].endswith(ENDINGS) or "--" in named:
        raise _bad(
            f"{named!r} is neither the name of a file of the benchmark folder (POP_BENCHMARK_DIR), ending in "
            f"{', '.join(ENDINGS)}, nor a Hugging Face id like allenai/reward-bench."
        )


def with_paths(spec: dict[str, Any]) -> dict[str, Any]:
    """A run's spec as the engine reads it: the file's path in the place of its name.

    Raises:
        NotPrepared: it is not on this machine.
    """
    named = ((spec.get("evaluation") or {}).get("rewardbench") or {}).get("data")
    if named is None or not _is_file_name(named):
        return spec
    place = find(named)
    if place is None:
        raise NotPrepared(
            f"RewardBench's file {named} is not on this worker.",
            f"Put it into {settings.BENCHMARK_DIR} there (POP_BENCHMARK_DIR), then launch the run again.",
        )
    made = copy.deepcopy(spec)
    made["evaluation"]["rewardbench"]["data"] = str(place)
    return made


def _is_file_name(named: str) -> bool:
    return bool(_FILE.fullmatch(named)) and named.endswith(ENDINGS)


def _there() -> str:
    found = names()
    return f"There are {', '.join(found)}." if found else "It is empty: an administrator puts files there."


def _bad(message: str) -> Invalid:
    return Invalid("invalid_benchmark", message, {DATA: [message]})
