"""What a reader of a format gives back: records, row errors, or one error about the whole file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar, TypedDict

from annotation.errors import DomainError

EXCERPT = 160  # characters of a refused row that are kept
REASON = 300


class Message(TypedDict):
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Record:
    """One preference, normalised: every text is a list of chat messages."""

    line: int
    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    score_chosen: float | None = None
    score_rejected: float | None = None
    external_id: str = ""
    source: str = ""

    @property
    def content_hash(self) -> str:
        """SHA-256 over the canonical JSON of the three texts: the identity of a preference."""
        texts = {"prompt": self.prompt, "chosen": self.chosen, "rejected": self.rejected}
        return hashlib.sha256(canonical_json(texts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was left out: its 1-based line (or row), why in words, and how it begins."""

    line: int
    reason: str
    excerpt: str = ""


Row = Record | RowError


class RowProblem(ValueError):
    """Raised while one row is read; its text is the reason a person sees."""


class UnreadableFile(DomainError):
    """The whole file (or hub dataset) cannot be read, or not from here on. `message` says what to do."""

    status: ClassVar[int] = 422

    def __init__(self, message: str) -> None:
        super().__init__("unreadable_file", message)


def canonical_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def row_error(line: int, reason: object, raw: object = "") -> RowError:
    """A row error whose texts any database can store: no NUL, no lone surrogates, bounded length."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return RowError(line, _storable(str(reason), REASON), _storable(text, EXCERPT))


def _storable(text: str, limit: int) -> str:
    start = text.strip()[:limit].encode("utf-8", "replace").decode()
    return "".join(sign if sign.isprintable() else " " for sign in start)
