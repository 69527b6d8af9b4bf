"""Where what is kept for later runs lies. No torch here."""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path:
    """POP_CACHE_DIR, or `pop-studio` in the user's cache directory."""
    if named := os.environ.get("POP_CACHE_DIR"):
        return Path(named)  # somebody without a home needs none
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pop-studio"
