"""Live stacks for the command's tests."""

from __future__ import annotations

from tests.live import bare_stack, live_stack

__all__ = ["bare_stack", "live_stack"]
