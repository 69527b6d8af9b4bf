"""`python -m training.study STUDY`: compute what is missing, and write the results."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.study import farm, report, reports
from training.study.reports import FIRST_SEED, QUICK
from training.study.studies import STUDIES, Setting, quick


def main(words: Sequence[str] | None = None) -> int:
    chosen = arguments(words)
    study = quick(STUDIES[chosen.study]) if chosen.quick else STUDIES[chosen.study]
    study = replace(study, settings=tuple(_trained(one, chosen) for one in study.settings))
    seeds = list(range(chosen.first_seed, chosen.first_seed + (chosen.seeds or study.seeds)))
    folder = reports.folder(chosen.out, study.name + (QUICK if chosen.quick else ""))
    try:
        found = report.compute(chosen.out, study, seeds, chosen.processes, progress=not chosen.no_progress)
    except farm.CellFailed as error:
        print(f"{error}\nWhat was made before is kept: the same command goes on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What was made is kept: the same command goes on.", file=sys.stderr)
        return 130
    report.write(folder, found, " ".join(["python -m training.study", *(words or sys.argv[1:])]))
    print((folder / "report.md").read_text(encoding="utf-8"))
    print(f"{folder}/report.md and results.json", file=sys.stderr)
    return 0


def _trained(setting: Setting, chosen: argparse.Namespace) -> Setting:
    """The setting with what the command line says of training, labels and data."""
    named = {"beta": chosen.beta, "learning_rate": chosen.learning_rate}
    training = {**setting.training, **{name: one for name, one in named.items() if one is not None}}
    return replace(setting, training=training)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.study", description=__doc__, epilog="docs/study.md says what was found."
    )
    known = "; ".join(f"{one.name}: {one.question}" for one in STUDIES.values())
    parser.add_argument("study", choices=list(STUDIES), help=known)
    parser.add_argument("--seeds", type=int, help="worlds, labels and models; else what the study needs")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("var/study"), help="what is made is kept here")
    parser.add_argument("--beta", type=float, help="β of every method (1)")
    parser.add_argument("--learning-rate", type=float, help="of every method (5e-4)")
    parser.add_argument("--quick", action="store_true", help="a small world: to see that it runs")
    parser.add_argument("--no-progress", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
