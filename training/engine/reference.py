"""Reference log-probabilities: computed once per preference before training, kept in the run's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.engine.batching import both_sides, by_length
from training.engine.encoding import Encoded
from training.engine.logps import Scorer, evaluating, preference_logps


def score(
    scorer: Scorer,
    encoded: Sequence[Encoded | None],
    wanted: Collection[int],
    *,
    pad_id: int,
    batch_size: int,
    done: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Log-probabilities of the wanted preferences under the scorer's present weights.

    Args:
        batch_size: sequences a forward pass (a preference is two).
        done: called with the number of preferences scored so far (it may raise to stop).

    Returns:
        fp32 [P, 2] (chosen, rejected), nats, on the CPU; NaN where a preference was not wanted.
    """
    device = next(scorer.parameters()).device
    result = torch.full((len(encoded), 2), torch.nan)
    count = 0
    with torch.no_grad(), evaluating(scorer):
        for places in by_length(encoded, wanted, max(1, batch_size // 2)):
            done(count)
            pairs = [one for one in (encoded[place] for place in places) if one is not None]
            batch = {name: part.to(device) for name, part in both_sides(pairs, pad_id).items()}
            result[places] = preference_logps(scorer, batch).float().cpu()
            count += len(places)
    done(count)
    return result


def cached(file: Path, key: str, compute: Callable[[], Tensor]) -> Tensor:
    """The tensor stored in `file` if it was stored under this content key, else `compute()`, stored."""
    stored = _read(file, key)
    if stored is not None:
        return stored
    result = compute()
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    save_file({key: result}, part)
    part.replace(file)
    return result


def content_key(
    weights: str, precision: str, encoded: Sequence[Encoded | None], wanted: Collection[int]
) -> str:
    """SHA-256 over everything the result depends on: weights, precision, and the ids after truncation."""
    digest = hashlib.sha256(json.dumps([weights, precision, len(encoded)]).encode())
    for place in sorted(wanted):
        one = encoded[place]
        if one is not None:
            digest.update(f"{place} {one.prompt_length} {len(one.chosen)} {len(one.rejected)}".encode())
            digest.update(one.chosen.tobytes() + one.rejected.tobytes())
    return digest.hexdigest()


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over names, dtypes and bytes of a model's parameters."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.named_parameters()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(file: Path, key: str) -> Tensor | None:
    if not file.exists():
        return None
    try:
        return load_file(file).get(key)
    except (SafetensorError, OSError):
        return None
