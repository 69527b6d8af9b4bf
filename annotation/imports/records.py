"""What a reader of a format gives back: records, row errors, or one error about the whole file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar, TypedDict

import orjson

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
        return prepared(self).content_hash


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record with its hash and its three texts as canonical JSON: all a database needs of it."""

    record: Record
    content_hash: str
    prompt: bytes
    chosen: bytes
    rejected: bytes


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
    """The definition: what hashes are taken over."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical_messages(messages: list[Message]) -> bytes:
    """`canonical_json` of messages as bytes, several times faster. Only texts: numbers may differ."""
    return orjson.dumps(messages, option=orjson.OPT_SORT_KEYS)


def prepared(record: Record) -> Prepared:
    """Each text is written once, for the hash and for the database."""
    prompt, chosen = canonical_messages(record.prompt), canonical_messages(record.chosen)
    rejected = canonical_messages(record.rejected)
    whole = b'{"chosen":%b,"prompt":%b,"rejected":%b}' % (chosen, prompt, rejected)
    return Prepared(record, hashlib.sha256(whole).hexdigest(), prompt, chosen, rejected)


def row_error(line: int, reason: object, raw: object = "") -> RowError:
    """A row error whose texts any database can store: no NUL, no lone surrogates, bounded length."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return RowError(line, _storable(str(reason), REASON), _storable(text, EXCERPT))


def _storable(text: str, limit: int) -> str:
    start = text.strip()[:limit].encode("utf-8", "replace").decode()
    return "".join(sign if sign.isprintable() else " " for sign in start)
