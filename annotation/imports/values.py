"""One cell at a time: messages, texts, scores and names as published data sets write them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from annotation.imports.records import Message, RowProblem

ROLES = ("system", "user", "assistant")
SHAREGPT_ROLES = {"human": "user", "gpt": "assistant", "system": "system"}
NAME_LIMIT = 200
# A dialogue in Anthropic's HH form: turns begin with a blank line and a speaker.
_TURN = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")
_LOOKS_LIKE_MESSAGES = re.compile(r"\A\s*\[\s*\{\s*['\"](?:role|content|from|value)['\"]\s*:")


def is_missing(value: object) -> bool:
    """Absent, null, an empty list or an empty text."""
    return value is None or (isinstance(value, (str, Sequence)) and len(value) == 0)


def parse(value: object, name: str) -> str | list[Message]:
    """A cell as plain text or as messages; JSON-encoded messages and HH dialogues become messages."""
    if isinstance(value, str):
        check_text(value, name)
        if _LOOKS_LIKE_MESSAGES.match(value):
            return messages(_decoded(value, name), name)
        return dialogue(value) or value
    if isinstance(value, Mapping):
        return messages([value], name)
    if isinstance(value, Sequence):
        return messages(value, name)
    raise RowProblem(f"{name} must be text or a list of messages, not {_kind(value)}")


def messages(value: object, name: str) -> list[Message]:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise RowProblem(f"{name} must be a list of messages, not {_kind(value)}")
    return [_message(item, f"message {at} of {name}") for at, item in enumerate(value, start=1)]


def dialogue(text: str) -> list[Message] | None:
    """The turns of a `\\n\\nHuman: … \\n\\nAssistant: …` text; None when it does not begin like one."""
    if "Human:" not in text and "Assistant:" not in text:
        return None  # most texts: the expression would try every character of them
    parts = _TURN.split(text)
    if len(parts) < 3 or parts[0].strip():
        return None
    roles = {"Human": "user", "Assistant": "assistant"}
    if parts[1] != "Human" and len(parts) < 5:
        return None  # an answer that happens to begin with "Assistant:"
    turns = zip(parts[1::2], parts[2::2], strict=True)
    return [{"role": roles[speaker], "content": content.strip()} for speaker, content in turns]


def score(value: object, name: str) -> float | None:
    """A finite number, also when written as text; None when the cell is empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = math.nan
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if not math.isfinite(number):
        raise RowProblem(f"{name} must be a finite number, not {str(value)[:40]!r}")
    return number + 0.0  # −0.0 becomes 0.0: SQLite does not keep the sign


def name(value: object) -> str:
    """An identifier or source: text or a number, cut to what the column holds."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = str(value)
    check_text(text, "id or source")
    return text[:NAME_LIMIT]


def check_text(text: str, name: str) -> None:
    """Raises RowProblem for what cannot be stored or written as UTF-8 again."""
    if "\x00" in text:
        raise RowProblem(f"{name} contains a NUL character, which cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowProblem(f"{name} is not valid UTF-8 (near character {error.start + 1})") from error


def _decoded(text: str, name: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RowProblem(
            f"{name} looks like a list of messages but is not JSON: write the column with a JSON encoder"
        ) from error


def _message(item: object, where: str) -> Message:
    if not isinstance(item, Mapping):
        raise RowProblem(f'{where} must be an object with "role" and "content", not {_kind(item)}')
    role, content = item.get("role"), item.get("content")
    if role is None and content is None and "value" in item:
        role, content = SHAREGPT_ROLES.get(str(item.get("from")), item.get("from")), item["value"]
    if role not in ROLES:
        raise RowProblem(f"{where} has the role {str(role)[:40]!r}; roles are {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise RowProblem(f"{where} must have its content as text, not {_kind(content)}")
    check_text(content, where)
    return {"role": str(role), "content": content}


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true/false", type(None): "nothing"}
    return kinds.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)
