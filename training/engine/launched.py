"""What a launcher (`accelerate launch`, `torchrun`) tells a process by its environment. No torch here."""

from __future__ import annotations

import os


def count() -> int:
    """Processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this one, from 0."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def sharded() -> bool:
    """Whether each process has a part of the weights only: FSDP2."""
    return count() > 1 and os.environ.get("FSDP_VERSION") == "2"


def unknown_sharding() -> str:
    """What the launcher asks of the division of the weights that the engine does not do; empty: nothing."""
    if count() == 1 or "FSDP_VERSION" not in os.environ:
        return ""
    if not sharded():
        return "FSDP in version 1"
    asked = [name for name in ("FSDP_OFFLOAD_PARAMS", "FSDP_ACTIVATION_CHECKPOINTING") if _true(name)]
    return " and ".join(name.lower() for name in asked)


def keep_sharding() -> None:
    """Hide the wish for FSDP from accelerate and transformers: the engine divides the model itself."""
    os.environ.pop("ACCELERATE_USE_FSDP", None)


def _true(name: str) -> bool:
    return os.environ.get(name, "").lower() == "true"


def first() -> bool:
    """Whether this is the one that writes."""
    return rank() == 0
