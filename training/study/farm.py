"""Cells in parallel processes, in an order in which nobody waits for what another is making."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training.study import settings
from training.study.settings import Cell

Named = tuple[str, str, int]  # the setting, the line, and the seed
Cells = Mapping[Named, Cell]
Results = dict[Named, dict[str, Any]]


class CellFailed(Exception):
    """A cell could not be made; the others were, and are kept."""


def compute(root: Path, cells: Cells, processes: int, *, progress: bool = True) -> Results:
    """Results of all cells; those that were made before are read.

    Raises:
        CellFailed: some could not be made, in words.
    """
    first = {name: one for name, one in cells.items() if not one.method.margin_of}
    later = {name: one for name, one in cells.items() if one.method.margin_of}
    with (
        ProcessPoolExecutor(processes, _context(), initializer=_alone, initargs=(root,)) as pool,
        tqdm(total=len(cells), disable=not progress, unit="job", dynamic_ncols=True) as bar,
    ):
        found = _known(bar, root, first)
        missing = {name: one for name, one in first.items() if name not in found}
        _prepare(bar, pool, root, missing)
        found |= _all(bar, {name: pool.submit(_make, root, one) for name, one in missing.items()})
        margins = {
            name: found[name[0], one.method.margin_of, name[2]]["margin"] for name, one in later.items()
        }
        found |= _known(bar, root, later, margins)
        left = {name: one for name, one in later.items() if name not in found}
        return found | _all(
            bar, {name: pool.submit(_make, root, one, margins[name]) for name, one in left.items()}
        )


def _known(bar: Any, root: Path, cells: Cells, margins: Mapping[Named, float] | None = None) -> Results:
    """Results of the cells that were made before; no process is started for them."""
    found = {}
    for name, one in cells.items():
        result = settings.known(root, one, (margins or {}).get(name))
        if result is not None:
            found[name] = result
            bar.update()
    return found


def _prepare(bar: Any, pool: ProcessPoolExecutor, root: Path, cells: Cells) -> None:
    """Make what several cells go out from: base models, then reward models."""
    bases = {settings.base_name(one.seed, one.data): one for one in cells.values()}
    rewarded = {settings.rewards_name(one.seed, one.data): one for one in _rewarded(cells)}
    bar.total += len(bases) + len(rewarded)
    _all(bar, {("base", key): pool.submit(_make_base, root, one) for key, one in bases.items()})
    jobs = {("reward model", key): pool.submit(_make_rewards, root, one) for key, one in rewarded.items()}
    _all(bar, jobs)


def _rewarded(cells: Cells) -> list[Cell]:
    return [one for one in cells.values() if one.method.reward_model]


def _all(bar: Any, jobs: Mapping[Any, Future[Any]]) -> dict[Any, Any]:
    """What the jobs gave. A failure stops those that have not begun."""
    names = {job: name for name, job in jobs.items()}
    found = {}
    for job in as_completed(names):
        bar.set_postfix_str(" ".join(map(str, names[job])))
        try:
            found[names[job]] = job.result()
        except Exception as error:
            for other in names:
                other.cancel()
            raise CellFailed(f"{names[job]}: {error}") from error
        bar.update()
    return found


def _context() -> Any:
    """Processes that come from one that has imported the engine, where there are such (not on Windows)."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    found = get_context("forkserver")
    found.set_forkserver_preload(["training.study.cell", "training.study.writing"])
    return found


def _alone(root: Path) -> None:
    """One thread a process: the cells are what runs at the same time. What they share is kept with them."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("POP_CACHE_DIR", str(root.resolve() / "cache"))
    import torch

    torch.set_num_threads(1)


def _make_base(root: Path, cell: Cell) -> None:
    from training.study import cell as cells

    cells.base(root, cell.seed, cell.data)


def _make_rewards(root: Path, cell: Cell) -> None:
    from training.study import cell as cells

    cells.reward_model(root, cell.seed, cell.data)


def _make(root: Path, cell: Cell, margin: float | None = None) -> dict[str, Any]:
    from training.study import cell as cells

    return cells.result(root, cell, margin)
