"""Recognises how a row writes a preference and brings it into one form.

Layouts: prompt/chosen/rejected as text or messages, with or without the prompt repeated before the responses
(UltraFeedback-binarized); implicit prompts, where chosen and rejected share their beginning (messages, plain
text, or Anthropic-HH dialogues); cells that hold messages as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from annotation.imports import values
from annotation.imports.records import Message, Record, RowProblem

# Shorter prompts may open a response by chance ("I think …"): they are never cut off as a repetition.
REPEATED_PROMPT_AT_LEAST = 24
COLUMNS = ("prompt", "chosen", "rejected", "score_chosen", "score_rejected", "id", "prompt_id", "source")

Cell = str | list[Message]


def check_columns(columns: Iterable[object]) -> None:
    """Raises RowProblem unless chosen and rejected are among the columns."""
    found = [str(column) for column in columns]
    if "chosen" not in found or "rejected" not in found:
        names = ", ".join(found[:12]) or "none"
        raise RowProblem(f"needs chosen and rejected; found columns: {names}")


def recognise(row: Mapping[str, object], line: int) -> Record:
    """One row as a record.

    Raises:
        RowProblem: in words, why the row cannot be used.
    """
    check_columns(row)
    for name in ("chosen", "rejected"):
        if values.is_missing(row[name]):
            raise RowProblem(f"{name} is empty")
    chosen, rejected = values.parse(row["chosen"], "chosen"), values.parse(row["rejected"], "rejected")
    if values.is_missing(row.get("prompt")):
        prompt, better, worse = _implicit(chosen, rejected)
    else:
        prompt, better, worse = _explicit(values.parse(row["prompt"], "prompt"), chosen, rejected)
    _check(prompt, better, worse)
    return Record(
        line=line,
        prompt=prompt,
        chosen=better,
        rejected=worse,
        score_chosen=values.score(row.get("score_chosen"), "score_chosen"),
        score_rejected=values.score(row.get("score_rejected"), "score_rejected"),
        external_id=values.name(row.get("id")) or values.name(row.get("prompt_id")),
        source=values.name(row.get("source")),
    )


Texts = tuple[list[Message], list[Message], list[Message]]


def _implicit(chosen: Cell, rejected: Cell) -> Texts:
    """The common beginning is the prompt."""
    if isinstance(chosen, str) and isinstance(rejected, str):
        cut = _common_text(chosen, rejected)
        if not chosen[:cut].strip() and chosen.strip() != rejected.strip():
            raise RowProblem("has no prompt, and chosen and rejected share no beginning that could be one")
        return _as_user(chosen[:cut]), _as_answer(chosen[cut:]), _as_answer(rejected[cut:])
    if isinstance(chosen, str) or isinstance(rejected, str):
        raise RowProblem("has no prompt, and only one of chosen and rejected is a conversation")
    cut = _common_turns(chosen, rejected)
    if cut == len(chosen) == len(rejected):
        raise RowProblem("chosen and rejected are identical")
    if cut == 0:
        raise RowProblem("has no prompt, and chosen and rejected share no beginning that could be one")
    return chosen[:cut], chosen[cut:], rejected[cut:]


def _explicit(prompt: Cell, chosen: Cell, rejected: Cell) -> Texts:
    if isinstance(prompt, str) and isinstance(chosen, str) and isinstance(rejected, str):
        cut = _repeated(prompt, chosen, rejected)
        return _as_user(prompt), _as_answer(chosen[cut:]), _as_answer(rejected[cut:])
    asked = _as_user(prompt) if isinstance(prompt, str) else _without_open_turn(prompt)
    better = _as_answer(chosen) if isinstance(chosen, str) else chosen
    worse = _as_answer(rejected) if isinstance(rejected, str) else rejected
    opening = _opening(asked, better, worse)
    if opening:
        return better[:opening], better[opening:], worse[opening:]
    return asked, better, worse


def _opening(asked: list[Message], chosen: list[Message], rejected: list[Message]) -> int:
    """How many messages of both responses repeat the prompt (a system message may stand before it)."""
    common = _common_turns(chosen, rejected)
    for start in (0, 1):
        end = start + len(asked)
        if end <= common and _same(chosen[start:end], asked) and (not start or chosen[0]["role"] == "system"):
            return end
    # A multi-turn conversation given beside its last question only.
    for end in range(common, 1, -1):
        if len(asked) == 1 and chosen[end - 1]["role"] == "user" and _same(chosen[end - 1 : end], asked):
            return end
    if chosen[0]["role"] != "assistant" or rejected[0]["role"] != "assistant":
        raise RowProblem("chosen and rejected begin with another conversation than the prompt")
    return 0


def _check(prompt: list[Message], chosen: list[Message], rejected: list[Message]) -> None:
    if _texts(chosen) == _texts(rejected):
        raise RowProblem("chosen and rejected are identical")
    for name, response in (("chosen", chosen), ("rejected", rejected)):
        if not any(_texts(response)) or not response[-1]["content"].strip():
            raise RowProblem(f"{name} is empty")
        if response[0]["role"] != "assistant":
            raise RowProblem(
                f"{name} differs in a message of the {response[0]['role']}; only responses may differ"
            )
        if response[-1]["role"] != "assistant":
            raise RowProblem(f"{name} must end with a message of the assistant")
    if not any(_texts(prompt)):
        raise RowProblem("prompt is empty")


def _texts(messages: list[Message]) -> list[str]:
    return [message["content"].strip() for message in messages]


def _same(left: list[Message], right: list[Message]) -> bool:
    return _texts(left) == _texts(right) and [m["role"] for m in left] == [m["role"] for m in right]


def _common_turns(left: list[Message], right: list[Message]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _common_text(left: str, right: str) -> int:
    """Length of the common beginning, cut back to before a space so that no word is torn."""
    cut = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        cut += 1
    while cut and not left[cut : cut + 1].isspace():
        cut -= 1
    return cut


def _repeated(prompt: str, chosen: str, rejected: str) -> int:
    long = len(prompt) >= REPEATED_PROMPT_AT_LEAST
    return len(prompt) if long and chosen.startswith(prompt) and rejected.startswith(prompt) else 0


def _without_open_turn(prompt: list[Message]) -> list[Message]:
    """A dialogue prompt may end with an empty "Assistant:" that the response is meant to fill."""
    last = prompt[-1]
    open_turn = last["role"] == "assistant" and not last["content"].strip()
    return prompt[:-1] if open_turn and len(prompt) > 1 else prompt


def _as_user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def _as_answer(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]
