"""Several processes that train one model, started by `accelerate launch` or `torchrun`.

Each has a share of every step's rows, and the whole model or (`sharding`) a part of it; gradients are added
up before the optimizer steps. The first one writes: events, checkpoints, the model. Alone, everything here
does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from training.engine.errors import Cancelled
from training.engine.launched import count, first, keep_sharding, rank

__all__ = ["count", "first", "rank"]

T = TypeVar("T")


def join() -> None:
    """Meet the others, if a launcher started any. Afterwards the rest of this module works."""
    keep_sharding()
    if count() > 1:
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available())


def leave() -> None:
    """Part from the others. A process that ends without this is aborted by threads that still wait."""
    if count() > 1 and dist.is_initialized():
        dist.destroy_process_group()


def wait() -> None:
    """Until all have come here."""
    if count() > 1:
        dist.barrier()


def share(items: Sequence[T]) -> list[T]:
    """This process's part of what all have to do."""
    return list(items[rank() :: count()])


def agreed(find: Callable[[], T]) -> T:
    """What the first process finds, for all: nobody else looks."""
    if count() == 1:
        return find()
    found: list[Any] = [find() if first() else None]
    dist.broadcast_object_list(found)
    result: T = found[0]
    return result


def gathered(value: T) -> list[T]:
    """Everybody's value, in order of rank."""
    if count() == 1:
        return [value]
    found: list[Any] = [None] * count()
    dist.all_gather_object(found, value)
    return found


def anyone(flag: bool) -> bool:
    """Whether it is true for somebody."""
    return any(gathered(flag))


def summed(tensor: Tensor) -> Tensor:
    """The sum of everybody's tensor, in place; all have one of the same shape."""
    if count() > 1:
        dist.all_reduce(tensor)
    return tensor


def merged(values: Tensor, places: Iterable[int]) -> Tensor:
    """Rows of a [P, …] tensor that each process filled at its own places; NaN where nobody did."""
    if count() == 1:
        return values
    mine = list(places)
    filled = torch.zeros(len(values), dtype=torch.bool)
    filled[mine] = True
    total = torch.zeros_like(values)
    total[mine] = values[mine]
    device = _device()
    total, known = summed(total.to(device)).cpu(), summed(filled.float().to(device)).cpu()
    total[known == 0] = torch.nan
    return total


def divided(places: Sequence[int], find: Callable[[list[int]], Tensor]) -> Tensor:
    """What `find` gives for the places, [P, …]: each process is asked for its share, all have the whole.

    Raises:
        Cancelled: somebody was asked to stop meanwhile; everybody leaves, nobody waits for them.
    """
    if count() == 1:
        return find(list(places))
    own = share(places)
    found, stopped = torch.empty(0), None
    try:
        found = find(own)
    except Cancelled as cancelled:
        stopped = cancelled.checkpoint
    said = [one for one in gathered(stopped) if one is not None]
    if said:
        raise Cancelled(checkpoint=said[0])
    return merged(found, own)


def same(model: nn.Module) -> None:
    """Give everybody the first process's parameters, but for those that are divided."""
    if count() > 1:
        for one in model.parameters():
            if not isinstance(one, DTensor):
                dist.broadcast(one.data, 0)


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add up everybody's gradients; one who had no rows adds nothing. Those of divided weights are sums."""
    if count() == 1:
        return
    waiting = []
    for one in parameters:
        if not one.requires_grad or isinstance(one, DTensor):
            continue
        if one.grad is None:
            one.grad = torch.zeros_like(one)
        waiting.append(dist.all_reduce(one.grad, async_op=True))
    for work in waiting:
        work.wait()


def together(columns: Tensor) -> tuple[Tensor, slice]:
    """Everybody's rows of a [B, F] tensor as one, in order of rank, and which of them are one's own.

    B may differ. No gradient goes through.
    """
    sizes = gathered(len(columns))
    start = sum(sizes[: rank()])
    own = slice(start, start + len(columns))
    whole = columns.new_zeros((sum(sizes), *columns.shape[1:]))
    whole[own] = columns.detach()
    return summed(whole), own


def _device() -> torch.device:
    """Where tensors have to be to be sent."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")
