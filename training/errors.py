"""What training refuses: the domain's errors, and why a run could not be prepared."""

from __future__ import annotations

from annotation.errors import Conflict, DomainError, Invalid, NotAllowed, NotFound, Unavailable

__all__ = [
    "Conflict",
    "DomainError",
    "Invalid",
    "NotAllowed",
    "NotFound",
    "NotPrepared",
    "RunLost",
    "Unavailable",
]


class NotPrepared(Exception):
    """A run's folder could not be made ready: the run fails with this message and hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RunLost(Exception):
    """The run is no longer this worker's: another attempt holds it, or nobody."""
