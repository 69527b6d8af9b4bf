"""The live stack's fixtures."""

from __future__ import annotations

from tests.live import bare_stack, live_stack

__all__ = ["bare_stack", "live_stack"]
