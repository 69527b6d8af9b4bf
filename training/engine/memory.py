"""When memory runs out: how it shows, and which setting to lower to what. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from training.engine import catalog
from training.engine.errors import OutOfMemory
from training.engine.spec import RunSpec

# How CUDA, torch's CPU allocator and the operating system say it.
SIGNS = ("out of memory", "defaultcpuallocator", "not enough memory", "cannot allocate memory")
# Where neither the spec nor the forward pass is known.
GENERAL = (
    "Lower training.max_tokens (training.micro_batch for methods that look at other pairs), turn on "
    "training.gradient_checkpointing, set training.precision to bf16, or train with LoRA (model.lora)."
)
SMALLER = 1.5  # by this much a forward pass must shrink for a suggestion to be worth a try


@dataclass(frozen=True)
class Pass:
    """A forward pass. `tokens`: padding included. `wider`: how many times `max_tokens` it may hold."""

    tokens: int
    sequences: int
    gradient: bool
    wider: int = 1


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that there was no memory left, on the GPU or in the machine."""
    words = f"{type(error).__name__}: {error}".lower()
    return isinstance(error, MemoryError) or any(sign in words for sign in SIGNS)


@contextmanager
def explained(spec: Callable[[], RunSpec], last: Callable[[], Pass | None]) -> Iterator[None]:
    """Turn what says that memory ran out into words.

    Args:
        spec: asked for what the run does, as far as that is decided by then.
        last: asked for the forward pass that was under way; None: there was none.

    Raises:
        OutOfMemory: it ran out; everything else goes on as it is.
    """
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        seen = last()
        hint = of_weights(spec()) if seen is None else advice(spec(), seen)
        raise OutOfMemory(f"Memory ran out: {said}", hint=hint) from error


def advice(spec: RunSpec, last: Pass | None = None) -> str:
    """What to lower, from what to what, the least costly first.

    Args:
        last: the forward pass that did not fit; None: not known.
    """
    if spec.kind == "evaluation":
        return _smaller_evaluation(spec)
    training = spec.training
    said = ["Switch training.gradient_checkpointing on."] if training.gradient_checkpointing != "on" else []
    lower = _lower(spec, last)
    if _compares(spec):  # what is lowered there changes the result: last
        said.append(lower)
    else:
        said.insert(0, lower)
    other = [] if training.precision == "bf16" else ["set training.precision to bf16"]
    other += [] if spec.model.lora is not None else ["train with LoRA (model.lora)"]
    if other:
        said.append(f"If that is not enough, {' or '.join(other)}.")
    return " ".join(one for one in said if one)


def of_weights(spec: RunSpec) -> str:
    """What helps where no forward pass was under way: weights, gradients and moments do not fit."""
    if spec.kind == "evaluation":
        return "The models alone do not fit: evaluate on a machine with more memory."
    if spec.model.lora is None:
        return (
            "No forward pass was under way: the weights, gradients and the optimizer's moments alone take 16 "
            "bytes a weight, 20 with a target policy. Train with LoRA (model.lora), divide the weights among "
            "several GPUs (fsdp2.yaml), or take a smaller base model."
        )
    if spec.training.precision == "fp32":
        return "No forward pass was under way. Set training.precision to bf16: the frozen base takes half."
    return "No forward pass was under way: the base model itself does not fit. Take a smaller one."


def _smaller_evaluation(spec: RunSpec) -> str:
    now = spec.evaluation.batch_size
    lower = f"Lower evaluation.batch_size from {now} to {now // 2}" if now > 1 else ""
    return f"{lower or 'One sequence alone does not fit'}, or evaluate on a machine with more memory."


def _lower(spec: RunSpec, last: Pass | None) -> str:
    training = spec.training
    if last is not None and _alone(spec, last):
        least = max(16, training.max_length // 2)
        return (
            f"One {_least(spec)[1]} alone filled the forward pass ({last.tokens:,} tokens): lower "
            f"training.max_length from {training.max_length} to {least}; longer responses are then cut."
        )
    if _compares(spec) and (last is None or last.gradient):
        least = 2 if catalog.method(spec.method.slug).batch_statistics else 1
        return _fewer("training.micro_batch", training.micro_batch, least, last) + (
            " This method looks at the pairs of a forward pass, so its result changes."
        )
    return _fewer("training.max_tokens", training.max_tokens, 16, last, by_tokens=True) + (
        " The result stays the same."
    )


def _fewer(name: str, now: int, least: int, last: Pass | None, *, by_tokens: bool = False) -> str:
    """“Lower NAME from NOW to …”: half, or as often halved as the pass that did not fit becomes smaller."""
    wanted = now // 2
    if last is None:
        return f"Lower {name} from {now} to {max(least, wanted)}."
    while by_tokens and wanted * last.wider > last.tokens / SMALLER:
        wanted //= 2
    return (
        f"Lower {name} from {now} to {max(least, wanted)} "
        f"(the forward pass that did not fit had {last.tokens:,} tokens)."
    )


def _alone(spec: RunSpec, last: Pass) -> bool:
    """Whether the pass held no more than what cannot be divided."""
    return last.sequences <= (_least(spec)[0] if last.gradient else 2)


def _least(spec: RunSpec) -> tuple[int, str]:
    """The sequences of a pass with gradient that cannot be made smaller, and what they are."""
    if spec.kind == "sft":
        return 1, "response"
    if spec.kind == "reward_model" and spec.reward.objective == "pop":
        return 4, "row"
    return 2, "preference"


def _compares(spec: RunSpec) -> bool:
    """Whether the method looks at the other pairs of a forward pass, so that these decide its result."""
    if spec.kind != "preference":
        return False
    method = catalog.method(spec.method.slug)
    return method.batch_statistics or bool(method.state)
