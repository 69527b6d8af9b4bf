"""Reference log-probabilities: computed once for each sequence and base model, then kept for every run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from training.engine import processes, sharding
from training.engine.batching import Room, by_length, fill
from training.engine.encoding import Encoded, Ids
from training.engine.logps import Scorer, evaluating, preference_logps
from training.engine.reference_cache import ReferenceCache

FLUSH = 2048  # preferences between two writes to the cache: what a break loses
# of a config: where it was saved and by what, not what the model computes
UNTOLD = ("_name_or_path", "transformers_version", "architectures", "dtype", "use_cache")


def score(
    scorer: Scorer,
    encoded: Sequence[Encoded | None],
    wanted: Collection[int],
    *,
    pad_id: int,
    room: Room,
    done: Callable[[int], None] = lambda _: None,
    each: Callable[[list[int], Tensor], None] = lambda _places, _found: None,
) -> Tensor:
    """Log-probabilities of the wanted preferences under the scorer's present weights.

    Args:
        room: what fits into a forward pass.
        done: called with the number of preferences scored so far (it may raise to stop).
        each: called with what a forward pass gave: places, and [n, 2] on the CPU.

    Returns:
        fp32 [P, 2] (chosen, rejected), nats, on the CPU; NaN where a preference was not wanted.
    """
    result = torch.full((len(encoded), 2), torch.nan)
    count = 0
    with torch.no_grad(), evaluating(scorer):
        passes = fill(encoded, by_length(encoded, wanted), room, scorer.layout)
        for places, own in sharding.turns(passes, lambda: by_length(encoded, range(len(encoded)))[:1]):
            done(count)
            pairs = [one for one in (encoded[place] for place in places) if one is not None]
            batch = scorer.batch(pairs, pad_id)
            if not own:
                with scorer.unseen():
                    scorer(batch)
                continue
            found = preference_logps(scorer, batch).float().cpu()
            result[places] = found
            each(places, found)
            count += len(places)
    done(count)
    return result


def cached(
    cache: ReferenceCache,
    encoded: Sequence[Encoded | None],
    wanted: Collection[int],
    compute: Callable[[list[int], Callable[[list[int], Tensor], None]], Tensor],
    *,
    own: ReferenceCache | None = None,
) -> Tensor:
    """As `score`, but what the cache knows is not computed, and what is computed the cache will know.

    A sequence has one value, the first: company changes the rounding, and a run that is resumed must read
    what it had, also of a response that stands in several preferences.

    Args:
        compute: scores the places that are missing, and tells each forward pass's results.
        own: what a run keeps for itself. It goes before the cache, which others write and prune: a resume
            reads the very numbers that the run began with.
    """
    keys = {place: keys_of(one) for place in wanted if (one := encoded[place]) is not None}
    wanted_keys = {key for pair in keys.values() for key in pair}
    kept = processes.agreed(lambda: own.get(wanted_keys) if own is not None else {})
    values = processes.agreed(lambda: cache.get(wanted_keys - kept.keys())) | kept
    missing = [place for place, pair in keys.items() if not values.keys() >= set(pair)]
    found: dict[bytes, float] = {}  # by this process
    stored = 0

    def keep(places: list[int], scores: Tensor) -> None:
        nonlocal stored
        for place, pair in zip(places, scores.tolist(), strict=True):
            for key, value in zip(keys[place], pair, strict=True):
                if key not in values:
                    found.setdefault(key, value)
        if len(found) - stored >= 2 * FLUSH:
            stored = store(stored)

    def store(since: int) -> int:
        if processes.count() == 1:  # several may have scored the same sequence, and have to agree first
            cache.put(dict(list(found.items())[since:]))
        return len(found)

    try:
        result = compute(processes.share(missing), keep)
    finally:
        store(stored)
    everybody = processes.gathered(found)
    agreed = {key: value for others in reversed(everybody) for key, value in others.items()}
    if processes.count() > 1 and processes.first():
        cache.put(agreed)
    values |= agreed
    if own is not None and processes.first():
        own.put({key: value for key, value in values.items() if key not in kept})
    if keys:
        result[list(keys)] = torch.tensor([[values[key] for key in pair] for pair in keys.values()])
    return result


def keys_of(one: Encoded) -> tuple[bytes, bytes]:
    """What the log-probabilities of the chosen and the rejected completion depend on beside the model.

    Ids are those after truncation, so that tokenizer, template and the longest length are in them.
    """
    return _key(one.chosen, one.prompt_length), _key(one.rejected, one.prompt_length)


def _key(ids: Ids, prompt_length: int) -> bytes:
    return hashlib.sha256(prompt_length.to_bytes(8, "little") + ids.astype("<i4").tobytes()).digest()


def weights_hash(model: Any) -> str:
    """SHA-256 over a model's weights (names, dtypes, bytes) and what its config says beside them.

    The same weights under another scale of the positions, or another norm, are another model.
    """
    settings = {name: value for name, value in model.config.to_dict().items() if name not in UNTOLD}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    stored = model.state_dict().keys()
    buffers = {name: one for name, one in model.named_buffers() if name in stored}
    for name, tensor in sorted((dict(model.named_parameters()) | buffers).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(sharding.whole(tensor).cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
