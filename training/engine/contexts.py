"""How far a policy is from its reference at given contexts: KL over the whole vocabulary, a token at a time.

The contexts are those of a few of the data's own responses, the same ones throughout a run, so that every
run can tell, at every log, what would otherwise need responses of the policy and a second model: the
reference's distributions there are kept from the time when the model still was the reference.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from training.engine import processes, reference, reference_cache
from training.engine.batching import Room, by_length, fill
from training.engine.encoding import Encoded
from training.engine.layouts import TokenBatch
from training.engine.logps import Scorer, evaluating

PREFERENCES = 16
MOST = 1024  # contexts
NUMBERS = 1 << 24  # of the reference that are kept: 64 MB
APART = 16  # rows trained on between two looks, for each preference of the contexts


@dataclass(frozen=True)
class Contexts:
    """T contexts of n preferences' responses, and the reference's distributions there.

    Attributes:
        encoded: the preferences, [n].
        chosen: numbers of the contexts among the scored tokens of those preferences, ascending, int64 [T];
            the tokens of a preference's chosen response come before those of its rejected one.
        of: the preference of each context, int64 [T].
        reference: log π_ref(· | context), nats, fp32 [T, V].
    """

    encoded: tuple[Encoded, ...]
    chosen: Tensor
    of: Tensor
    reference: Tensor

    def due(self, before: int, now: int) -> bool:
        """Whether to look again after so many rows trained on, and so many at the log before.

        Looking costs two forward passes a preference, learning from a row at least six: as seldom as this it
        takes about 2% of a run's time, however few rows a step has.
        """
        every = APART * len(self.encoded)
        return now // every > before // every

    def kl(self, scorer: Scorer, *, pad_id: int, room: Room) -> Tensor:
        """KL(π(· | c) ‖ π_ref(· | c)) at each context c under the scorer's present weights: nats, fp32 [T].

        Where weights are divided, everybody asks at the same time.
        """
        found = torch.empty(len(self.chosen))
        for at, policy in _distributions(self.encoded, self.chosen, scorer, pad_id=pad_id, room=room):
            other = self.reference[at].to(policy)
            found[at] = (policy.exp() * (policy - other)).sum(dim=-1).float().cpu()
        return found


def taken(
    encoded: Sequence[Encoded | None],
    wanted: Sequence[int],
    scorer: Scorer,
    *,
    weights: str,
    precision: str,
    pad_id: int,
    room: Room,
) -> Contexts | None:
    """Contexts of some of the wanted preferences, while the scorer's model is the reference.

    Which ones follows from the wanted places alone. What the cache knows of them is not computed again.

    Args:
        weights, precision: of the reference, as `ReferenceCache` takes them.

    Returns:
        None where no preference is wanted that fits the model's length.
    """
    there = [place for place in wanted if encoded[place] is not None]
    drawn = sorted(random.Random(0).sample(there, min(PREFERENCES, len(there))))  # noqa: S311 - no secret
    kept = tuple(one for one in (encoded[place] for place in drawn) if one is not None)
    if not kept:
        return None
    lengths = _lengths(kept).sum(dim=1)
    if not int(lengths.sum()):
        return None
    vocabulary = scorer.vocabulary
    step = -(-int(lengths.sum()) // max(1, min(MOST, NUMBERS // vocabulary)))
    chosen = torch.arange(int(lengths.sum()))[step // 2 :: step].contiguous()
    of = torch.repeat_interleave(torch.arange(len(kept)), lengths)[chosen]
    place = reference_cache.folder().with_name("contexts") / f"{weights}-{precision}"
    name = _name(kept, chosen)
    known = processes.agreed(lambda: _read(place, name))
    if known is None or known.shape != (len(chosen), vocabulary):
        known = torch.empty(len(chosen), vocabulary)
        with scorer.unseen():
            for at, found in _distributions(kept, chosen, scorer, pad_id=pad_id, room=room):
                known[at] = found.float().cpu()
        if processes.first():
            keys = torch.frombuffer(bytearray(bytes.fromhex(name)), dtype=torch.uint8)[None]
            reference_cache.store(place, {"keys": keys, "values": known}, name)
    return Contexts(kept, chosen, of, known)


def _name(encoded: Sequence[Encoded], chosen: Tensor) -> str:
    keys = b"".join(key for one in encoded for key in reference.keys_of(one))
    return hashlib.sha256(keys + chosen.numpy().tobytes()).hexdigest()


def _read(place: Path, name: str) -> Tensor | None:
    with contextlib.suppress(OSError):  # when it was used last, for `prune`
        os.utime(place)
    try:
        return load_file(place / f"{name}.safetensors")["values"]
    except (SafetensorError, OSError, KeyError):
        return None


@torch.no_grad()
def _distributions(
    encoded: Sequence[Encoded], chosen: Tensor, scorer: Scorer, *, pad_id: int, room: Room
) -> Iterator[tuple[Tensor, Tensor]]:
    """A forward pass at a time: positions in `chosen`, and log π(· | context) at them, [k, V]."""
    lengths = _lengths(encoded)
    starts = (lengths.flatten().cumsum(0) - lengths.flatten()).view(-1, 2)
    with evaluating(scorer), scorer.unseen():
        for places in fill(encoded, by_length(encoded, range(len(encoded))), room, scorer.layout):
            batch = scorer.batch([encoded[place] for place in places], pad_id)
            numbers = _numbers(batch, starts[places])
            here = torch.isin(numbers, chosen)
            if not here.any():
                continue
            yield torch.searchsorted(chosen, numbers[here]), scorer.distributions(batch, here)


def _lengths(encoded: Sequence[Encoded]) -> Tensor:
    """Scored tokens of both responses, int64 [n, 2]. Without a prompt nothing predicts the first one."""
    return torch.tensor(
        [[len(ids) - max(one.prompt_length, 1) for ids in (one.chosen, one.rejected)] for one in encoded]
    )


def _numbers(batch: TokenBatch, starts: Tensor) -> Tensor:
    """Of each scored token of a batch its number among all: int64 [C]; `starts` [n, 2] are its sequences'."""
    of = batch.of.cpu()
    counts = torch.bincount(of, minlength=batch.sequences)
    inside = torch.empty_like(of)
    for sequence in range(batch.sequences):
        inside[of == sequence] = torch.arange(int(counts[sequence]))
    return starts.T.flatten()[of] + inside
