"""Speed and memory of the engine's trainer against TRL's DPOTrainer, on the same preferences and model.

    python -m bench.trainer [--vocab 8192] [--k 2] [--quick] [--gpu] [--parts] [--lora] [--sweep]

Schemes take turns in one process, an optimizer step each; memory is measured in a process of its own for each
scheme. One JSON line a case; bench/README.md says what the keys mean.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from training.engine.cli import quiet_environment

if TYPE_CHECKING:
    from bench.training.work import Work
    from bench.training.world import Size

Scheme = Callable[[], Callable[[], int]]
MB = 1024 * 1024


def main(words: Sequence[str] | None = None) -> None:
    chosen = arguments(words)
    prepare(chosen)
    if chosen.sweep:
        print_sweep(chosen)
        return
    size = size_of(chosen)
    schemes = listed(chosen, size)
    if chosen.memory_of:
        print(peak(schemes[chosen.memory_of], chosen.steps), flush=True)
        return
    works, taken = measured(schemes, chosen.blocks, size)
    memory = {name: memory_of(name, words) for name in schemes} if not chosen.no_memory else {}
    for name in schemes:
        found = line(name, taken, memory, chosen)
        print(json.dumps(found | throughput(works[name], found["rows_per_s"])), flush=True)


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab", type=int, default=8192, help="tokens of the vocabulary")
    parser.add_argument("--k", type=int, default=2, help="rows for each strong preference")
    parser.add_argument("--rows", type=int, default=64, help="rows an optimizer step")
    parser.add_argument("--preferences", type=int, default=512)
    parser.add_argument("--blocks", type=int, default=5, help="turns of every scheme")
    parser.add_argument("--quick", action="store_true", help="16 rows a step, three turns")
    parser.add_argument("--parts", action="store_true", help="also without packing, and without shared rows")
    parser.add_argument("--lora", action="store_true", help="LoRA, with and without a target policy")
    parser.add_argument("--sweep", action="store_true", help="two whole runs: what references cost each")
    parser.add_argument("--gpu", action="store_true", help="CUDA, bf16, a model of about 0.6 billion weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--memory-of", metavar="CASE", help="nothing but the peak memory of one case, bytes")
    parser.add_argument("--steps", type=int, default=1, help="steps after the first one, with --memory-of")
    chosen = parser.parse_args(words)
    if chosen.quick:
        chosen.rows, chosen.blocks, chosen.preferences = 16, 3, 128
    return chosen


def prepare(chosen: argparse.Namespace) -> None:
    """Nothing from a network, one device, so many threads."""
    quiet_environment()
    os.environ["HF_HUB_OFFLINE"] = "1"
    if not chosen.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import datasets
    import torch

    datasets.disable_progress_bars()
    torch.set_num_threads(chosen.threads)
    if chosen.gpu and not torch.cuda.is_available():
        sys.exit("There is no GPU here.")


def size_of(chosen: argparse.Namespace) -> Size:
    """The model's size: small on a CPU, about 0.6 billion weights on a GPU."""
    from bench.training.world import Size

    if chosen.gpu:
        return Size(chosen.vocab, chosen.preferences, hidden=1536, layers=20)
    return Size(chosen.vocab, chosen.preferences)


def listed(chosen: argparse.Namespace, size: Size) -> dict[str, Scheme]:
    """The schemes of this measurement, by name."""
    from bench.training.schemes import ours, stock

    precision = "bf16" if chosen.gpu else "fp32"
    pop: dict[str, Any] = {"k": chosen.k, "precision": precision}
    rows = chosen.rows
    if chosen.lora:
        return {
            "lora_dpo": lambda: ours(size, rows, slug="dpo", lora=True, precision=precision),
            "lora_dpo_pop": lambda: ours(size, rows, lora=True, **pop),
        }
    found: dict[str, Scheme] = {
        "pre": lambda: stock(size, rows, completions_only=False, bf16=chosen.gpu),
        "pre_c": lambda: stock(size, rows, completions_only=True, bf16=chosen.gpu),
        "dpo": lambda: ours(size, rows, slug="dpo", precision=precision),
        "dpo_pop": lambda: ours(size, rows, **pop),
    }
    if chosen.parts:
        found |= {
            "dpo_pop_padded": lambda: ours(size, rows, pack=False, **pop),
            "dpo_pop_shuffled": lambda: ours(size, rows, share=False, **pop),
            "dpo_pop_neither": lambda: ours(size, rows, share=False, pack=False, **pop),
        }
    return found


def print_sweep(chosen: argparse.Namespace) -> None:
    """A line a run of a sweep."""
    from bench.training import sweep

    for found in sweep.lines(size_of(chosen), chosen.k):
        print(json.dumps(found), flush=True)


def measured(
    schemes: dict[str, Scheme], blocks: int, size: Size
) -> tuple[dict[str, Work], dict[str, list[tuple[float, float]]]]:
    """What a step is, by scheme; seconds and processor seconds a row, by scheme and turn.

    Every scheme takes a step to warm up, which is the one that is looked at.
    """
    from bench.training import work, world

    steps = {name: make() for name, make in schemes.items()}
    weights = world.weights(size)
    works = {name: work.counted(step, weights) for name, step in steps.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(blocks):
        for name, step in steps.items():
            wall, own = time.perf_counter(), time.process_time()
            rows = step()
            taken[name].append(((time.perf_counter() - wall) / rows, (time.process_time() - own) / rows))
    return works, taken


def throughput(of: Work, rows_per_s: float) -> dict[str, float]:
    """Tokens a second; on a GPU whose peak is known, the share of it that the model's arithmetic takes."""
    import torch

    from bench.training.work import peak_of

    found = {"tokens_per_s": round(of.tokens_per_row * rows_per_s, 1)}
    peak = peak_of(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None
    if peak is not None:
        found["mfu"] = round(of.operations_per_row * rows_per_s / peak, 4)
    return found


def memory_of(name: str, words: Sequence[str] | None) -> int:
    """Peak memory of one scheme, bytes, in a process of its own."""
    command = [sys.executable, "-m", "bench.trainer", *(sys.argv[1:] if words is None else words)]
    done = subprocess.run([*command, "--memory-of", name], check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout.split()[-1])


def peak(scheme: Scheme, steps: int) -> int:
    """What two steps take at most beyond what the process had before: weights, optimizer, activations."""
    import torch

    before = resident("VmRSS")
    step = scheme()
    for _ in range(1 + steps):
        step()
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resident("VmHWM") - before


def resident(what: str) -> int:
    """Memory of this process, bytes: `VmRSS` now, `VmHWM` at most.

    Not getrusage's: on Linux its peak begins at that of the process that started this one.
    """
    found = Path("/proc/self/status").read_text(encoding="utf-8").split(f"{what}:")[1]
    return int(found.split()[0]) * 1024


def line(
    name: str,
    taken: dict[str, list[tuple[float, float]]],
    memory: dict[str, int],
    chosen: argparse.Namespace,
) -> dict[str, Any]:
    """A case's figures; ratios are medians of the turns' own ratios."""
    wall = [one for one, _ in taken[name]]
    epoch = chosen.k if "pop" in name else 1  # rows an epoch has for each preference
    found: dict[str, Any] = {
        "case": name,
        "vocabulary": chosen.vocab,
        "k": epoch,
        "rows_per_s": round(1 / median(wall), 3),
        "cpu_s_per_row": round(median(own for _, own in taken[name]), 4),
    }
    for base in ("pre", "pre_c"):
        if base in taken:
            ratios = [other / own for (own, _), (other, _) in zip(taken[name], taken[base], strict=True)]
            found[f"rows_vs_{base}"] = round(median(ratios), 3)
            found[f"epoch_vs_{base}"] = round(epoch / median(ratios), 3)
    if name in memory:
        found["memory_mb"] = round(memory[name] / MB, 1)
        if "pre" in memory:
            found["memory_vs_pre"] = round(memory[name] / memory["pre"], 3)
    return found


if __name__ == "__main__":
    main()
