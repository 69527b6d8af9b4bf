"""What a service refuses, as typed errors: a code for programs, a message for people, a status for HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class DomainError(Exception):
    """A deed the domain refuses. `message` is shown to the person as it is."""

    status: ClassVar[int] = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotAllowed(DomainError):
    """The person may know that the thing exists, but may not do this with it."""

    status = 403


class NotFound(DomainError):
    """No such thing, or none that this person may know about."""

    status = 404


class Invalid(DomainError):
    """The input is wrong; `fields` says which parts and why."""

    status = 422

    def __init__(self, code: str, message: str, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(code, message)
        self.fields: dict[str, list[str]] = {name: list(why) for name, why in (fields or {}).items()}


class Conflict(DomainError):
    """The deed does not fit the present state; nothing was changed."""

    status = 409


class LeaseLost(DomainError):
    """The lease ran out and somebody else has taken the place."""

    status = 409


class Unavailable(DomainError):
    """Something this needs is not there just now; trying again later may work."""

    status = 503
