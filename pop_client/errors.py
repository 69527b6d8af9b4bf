"""What can go wrong between a client and its server."""

from __future__ import annotations


class Unreachable(Exception):
    """No answer from the server."""


class WrongHash(Exception):
    """What was downloaded is not what the server froze."""


class ApiError(Exception):
    """The server refused. `fields` says which values are wrong."""

    def __init__(self, status: int, code: str, detail: str, fields: dict[str, list[str]]) -> None:
        parts = [f"{name}: {' '.join(words)}" for name, words in fields.items()]
        super().__init__("\n  ".join([f"{status}: {detail}", *parts]))
        self.status = status
        self.code = code
        self.fields = fields
