"""The texts of a preference as the comparison page's cards show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontend import rendering


def texts(preference: Mapping[str, Any]) -> dict[str, Any]:
    """Prompt, chosen and rejected as safe HTML, turn by turn."""
    return {
        "prompt": rendering.turns(preference["prompt"], alone="user"),
        "chosen": rendering.turns(preference["chosen"], alone="assistant"),
        "rejected": rendering.turns(preference["rejected"], alone="assistant"),
    }
