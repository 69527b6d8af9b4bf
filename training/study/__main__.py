"""`python -m training.study STUDY`: compute what is missing, and write the results."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.study import farm, report, reports
from training.study.presets import PRESETS, NothingLeft, on
from training.study.settings import Corpus
from training.study.studies import STUDIES, Setting, Study, UnknownSetting, only, quick

UNMET = 4  # the exit status of a study that has not come out as it must


def main(words: Sequence[str] | None = None) -> int:
    chosen = arguments(words)
    try:
        study = _study(chosen)
    except (NothingLeft, UnknownSetting) as error:
        print(error, file=sys.stderr)
        return 2
    first = study.first_seed if chosen.first_seed is None else chosen.first_seed
    seeds = list(range(first, first + (chosen.seeds or study.seeds)))
    parts = [study.name, chosen.preset, chosen.quick and "quick"]
    folder = reports.folder(chosen.out, "-".join(filter(None, parts)))
    try:
        found = report.compute(chosen.out, study, seeds, processes(chosen), progress=not chosen.no_progress)
    except farm.CellFailed as error:
        print(f"{error}\nWhat was made before is kept: the same command goes on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What was made is kept: the same command goes on.", file=sys.stderr)
        return 130
    report.write(folder, found, f"python -m training.study {shlex.join(words or sys.argv[1:])}")
    print((folder / "report.md").read_text(encoding="utf-8"))
    print(f"{folder}/report.md and results.json", file=sys.stderr)
    return 0 if all(one.met for one in report.verdicts(found)) else UNMET


def _study(chosen: argparse.Namespace) -> Study:
    """What was asked for; what a preset leaves out is said."""
    study = STUDIES[chosen.study]
    study = only(study, chosen.only) if chosen.only else study
    if chosen.preset:
        preset = PRESETS[chosen.preset]
        study, left_out = on(study, preset, _corpus(preset.data, chosen))
        if left_out:
            print(f"Left out, they are about the synthetic world: {'; '.join(left_out)}.", file=sys.stderr)
    study = quick(study) if chosen.quick else study
    return replace(study, settings=tuple(_trained(one, chosen) for one in study.settings))


def _corpus(data: Corpus, chosen: argparse.Namespace) -> Corpus:
    """The preset's, with what the command line says of it."""
    named = {
        "source": chosen.data,
        "base": chosen.base,
        "judge": chosen.judge,
        "precision": chosen.precision,
        "pairs": chosen.pairs,
        "heldout": chosen.heldout,
    }
    return replace(data, **{name: one for name, one in named.items() if one is not None})


def processes(chosen: argparse.Namespace) -> int:
    """Cells at the same time."""
    if chosen.processes:
        return int(chosen.processes)
    return PRESETS[chosen.preset].processes if chosen.preset else os.cpu_count() or 1


def _trained(setting: Setting, chosen: argparse.Namespace) -> Setting:
    """The setting with what the command line says of training, labels and data."""
    named = {"beta": chosen.beta, "learning_rate": chosen.learning_rate}
    training = {**setting.training, **{name: one for name, one in named.items() if one is not None}}
    asked = {"prompts": chosen.prompts, "max_new_tokens": chosen.max_new_tokens}
    sampling = replace(setting.sampling, **{name: one for name, one in asked.items() if one is not None})
    return replace(setting, training=training, sampling=sampling)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if not _whole(text):
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.study", description=__doc__, epilog="docs/study.md says what was found."
    )
    known = "; ".join(f"{one.name}: {one.question}" for one in STUDIES.values())
    parser.add_argument("study", choices=list(STUDIES), help=known)
    parser.add_argument(
        "--only", action="append", metavar="SETTING", help="this setting alone; may be repeated"
    )
    parser.add_argument(
        "--seeds", type=_positive, help="worlds, labels and models; else what the study needs"
    )
    parser.add_argument("--first-seed", type=_whole, help="else the study's own")
    parser.add_argument("--processes", type=_positive, help="cells at the same time; else one a core")
    parser.add_argument("--out", type=Path, default=Path("var/study"), help="what is made is kept here")
    parser.add_argument("--beta", type=float, help="β of every method (1)")
    parser.add_argument("--learning-rate", type=float, help="of every method (5e-4)")
    grounds = "; ".join(f"{name}: {one.title}" for name, one in PRESETS.items())
    parser.add_argument("--preset", choices=list(PRESETS), help=f"another ground than the world. {grounds}")
    real = parser.add_argument_group("with --preset, in place of what it names")
    real.add_argument("--data", help="a data set of the Hub, or a folder in the same layout")
    real.add_argument("--base", help="the model to start from: a Hub id or a folder")
    real.add_argument("--judge", help="the reward model that judges: a Hub id or a folder")
    real.add_argument("--pairs", type=_positive, help="training preferences, from the beginning")
    real.add_argument("--heldout", type=_positive, help="held-out preferences, from the beginning")
    real.add_argument("--prompts", type=_positive, help="held-out prompts that are answered")
    real.add_argument("--max-new-tokens", type=_positive, help="of a response")
    real.add_argument("--precision", choices=["fp32", "bf16"])
    parser.add_argument("--quick", action="store_true", help="a small world: to see that it runs")
    parser.add_argument("--no-progress", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
