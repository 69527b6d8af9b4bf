"""A model whose weights are divided among the processes (FSDP2), in place of a whole one in each of them.

A layer's weights are whole only while it computes: forward and backward passes meet in collective operations,
so that every process has to make as many of them as the others (`turns`). Weights, gradients, the optimizer's
moments and the target policy are parts; files hold whole tensors, whatever number of processes wrote them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import MethodType
from typing import Any, TypeVar

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from training.engine import processes
from training.engine.errors import ModelError, SpecError
from training.engine.launched import count, first, sharded, unknown_sharding

T = TypeVar("T")
INSIDE = "compute_inside"


def check() -> None:
    """Look at what the launcher asks for, before anything else.

    Raises:
        SpecError: weights cannot be divided so.
    """
    if unknown := unknown_sharding():
        raise SpecError(
            f"The launcher asks for {unknown}, which this engine does not do.",
            code="sharding_unknown",
            hint="Take training/engine/launch/fsdp2.yaml. The spec's training.gradient_checkpointing and "
            "training.target_offload save memory with it.",
        )


def shard(model: Any, device: str, whole: Collection[nn.Parameter] = ()) -> None:
    """Divide a model of transformers: each layer by itself, what is around the layers together.

    A part is on the device as soon as its layer is divided, so that no device holds the whole model.

    Args:
        whole: weights around the layers that every process keeps.

    Raises:
        ModelError: the architecture does not say what its layers are.
    """
    names = model._no_split_modules or ()
    layers = [one for one in model.modules() if type(one).__name__ in names]
    if not layers:
        raise ModelError(
            f"{type(model).__name__} does not say which of its modules are layers: it cannot be divided.",
            code="model_unsupported",
            hint="Train it with ddp.yaml, where every process has the whole model.",
        )
    mesh = _mesh(device)
    for one in (*reversed(layers), model):
        part: Any = fully_shard(one, mesh=mesh, reshard_after_forward=True, ignored_params=set(whole))
        part.set_gradient_divide_factor(1.0)  # the loss is divided by the rows of all processes
        part.set_force_sum_reduction_for_comms(True)
    for kept in whole:
        kept.data = kept.data.to(device)
    setattr(model, INSIDE, MethodType(_compute, model))
    register_fsdp_forward_method(model, INSIDE)


@cache
def _mesh(device: str) -> DeviceMesh:
    return init_device_mesh(device, (count(),))


def _compute(_model: nn.Module, compute: Callable[..., Any], *given: Any) -> Any:
    return compute(*given)


def inside(model: Any, compute: Callable[..., T], *given: Any) -> T:
    """What `compute` gives with the model's own weights (embeddings, norm, head) whole in this process."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    around = getattr(base, INSIDE, None)
    return compute(*given) if around is None else around(compute, *given)


# --- as many turns as the longest -------------------------------------------------------------------------


def turns(items: Iterable[T], idle: Callable[[], T]) -> Iterator[tuple[T, bool]]:
    """One's own items (True), and idle ones (False) until everybody has had the same number.

    Nobody who has the whole model waits for others: there are no idle ones.
    """
    if not sharded():
        yield from ((one, True) for one in items)
        return
    own = list(items)
    most = max(processes.gathered(len(own)))
    yield from ((one, True) for one in own)
    if most > len(own):
        spare = idle()
        yield from ((spare, False) for _ in range(most - len(own)))


def anyone(flag: bool) -> bool:
    """Whether it is true for somebody with whom one meets at every pass; alone or undivided: for oneself."""
    return processes.anyone(flag) if sharded() else flag


def one_after_another(do: Callable[[], None], device: str) -> None:
    """Do it, and if weights are divided, not while another process of this machine does.

    A model that is about to be divided is whole in the host's memory: so it is there once.
    """
    if not sharded():
        do()
        return
    _mesh(device)  # all make it together
    here = int(os.environ.get("LOCAL_RANK", "0"))
    for place in range(max(processes.gathered(here)) + 1):
        if place == here:
            do()
        processes.wait()


# --- parts and wholes -------------------------------------------------------------------------------------


def divided(model: nn.Module) -> bool:
    """Whether weights that are trained are in parts. Adapters are whole in every process."""
    return any(isinstance(one, DTensor) for one in model.parameters() if one.requires_grad)


def local(tensor: Tensor) -> Tensor:
    """What this process has of a tensor, without gradient, in the same memory."""
    kept = tensor.detach()
    return kept.to_local() if isinstance(kept, DTensor) else kept


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, without gradient. Everybody asks at the same time."""
    kept = tensor.detach()
    return kept.full_tensor() if isinstance(kept, DTensor) else kept


def part(values: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor that is to be divided as another one is."""
    if not isinstance(like, DTensor):
        return values
    (placement,) = like.placements
    rank, size = like.device_mesh.get_local_rank(), like.device_mesh.size()
    pieces = values.chunk(size, placement.dim)  # type: ignore[attr-defined]
    return pieces[rank] if rank < len(pieces) else values.narrow(placement.dim, 0, 0)  # type: ignore[attr-defined]


def joined(own: Tensor, like: Tensor) -> DTensor:
    """Everybody's parts as one tensor, divided as another one is."""
    return DTensor.from_local(own, like.device_mesh, like.placements, shape=like.shape, stride=like.stride())  # type: ignore[attr-defined]


def summed(*numbers: float) -> list[float]:
    """Each number, added up over the processes if they have parts; the same for all of them."""
    if not sharded():
        return list(numbers)
    return [sum(of) for of in zip(*processes.gathered(numbers), strict=True)]


# --- files ------------------------------------------------------------------------------------------------


def gathered_state(model: nn.Module) -> dict[str, Tensor]:
    """The whole state of a model, in the memory of the first process; the others help and get nothing."""
    found = {}
    known: dict[int, Tensor] = {}  # tied weights are one tensor
    for name, one in model.state_dict(keep_vars=True).items():
        if id(one) not in known:
            full = whole(one)
            known[id(one)] = full.cpu() if first() else full[:0]
        found[name] = known[id(one)]
    return found if first() else {}


def load(model: nn.Module, folder: Path) -> None:
    """Read a checkpoint's weights; each process keeps its parts.

    Raises:
        ModelError: weights are missing.
    """
    into = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())
    missing = {id(one): name for name, one in model.named_parameters()}
    for file in sorted(folder.glob("model*.safetensors")):
        for name, values in load_file(file).items():
            local(into[name]).copy_(part(values, into[name]))
            missing.pop(id(into[name]), None)
    if missing:
        raise ModelError(f"{folder} has no weights for {', '.join(sorted(missing.values()))}.")


def gathered_moments(optimizer: Any) -> dict[str, Any]:
    """An optimizer's state as it would be in one process; the first process gets it, the others help."""
    found: dict[str, Any] = optimizer.state_dict()
    moments = {place: dict(entry) for place, entry in found["state"].items()}
    for entry in moments.values():
        for name, one in entry.items():
            if isinstance(one, DTensor):
                full = whole(one)
                entry[name] = full.cpu() if first() else full[:0]
    return found | {"state": moments}


def divided_moments(state: dict[str, Any], optimizer: Any) -> dict[str, Any]:
    """What one process has of an optimizer's whole state."""
    places = [place for group in state["param_groups"] for place in group["params"]]
    owners = [one for group in optimizer.param_groups for one in group["params"]]
    for place, owner in zip(places, owners, strict=True):
        entry = state["state"].get(place, {})
        for name, one in entry.items():
            if isinstance(owner, DTensor) and one.shape == owner.shape:
                own = part(one, owner).to(owner.device, copy=True)
                entry[name] = joined(own, owner)
    return state


def gather(model: nn.Module) -> None:
    """Make a divided model whole, in the host's memory of the first process, to be written.

    It computes nothing afterwards.
    """
    known: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, one in list(module._parameters.items()):
            if one is None:
                continue
            if id(one) not in known:
                full = whole(one)
                known[id(one)] = nn.Parameter(full.cpu() if first() else full[:0], one.requires_grad)
            module._parameters[name] = known[id(one)]
