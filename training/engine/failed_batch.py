"""What is kept of a batch that gave no numbers, so that a person can see which preference did it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from training.engine.batching import PairCollator, Row
from training.engine.encoding import Encoded
from training.engine.launched import count, rank
from training.engine.layouts import TokenBatch
from training.engine.methods import PairBatch

FOLDER = "failed_batch"
SHOWN = 3


@dataclass(frozen=True)
class Failed:
    """A batch that failed at an optimizer step, and what was computed of each of its rows, shape [B]."""

    step: int
    what: str
    rows: Sequence[Row]
    values: Mapping[str, Tensor]

    def suspects(self) -> list[int]:
        """Rows with a value that is not finite; if there is none, the one with the largest loss."""
        if not self.values:
            return []
        bad = torch.stack([~torch.isfinite(value.detach()).cpu() for value in self.values.values()]).any(0)
        if not bad.any() and "loss" in self.values:
            return [int(self.values["loss"].detach().abs().argmax())]
        return [int(place) for place in bad.nonzero()]


def values(pairs: PairBatch, losses: Tensor | None = None) -> dict[str, Tensor]:
    """Everything that is known of each row, [B] each."""
    found = {field.name: getattr(pairs, field.name) for field in fields(pairs)}
    found["loss"] = losses
    return {name: value for name, value in found.items() if value is not None}


def keep(
    folder: Path,
    failed: Failed,
    collator: PairCollator,
    *,
    decode: Callable[[list[int]], str],
    about: Mapping[str, Any],
) -> str:
    """Write `step-N.json` (rows, preferences, token ids, texts) and `step-N.safetensors` (the batch).

    Of several processes each has its own: `step-N-rank-R`.

    Args:
        folder: where to; it is made.
        decode: token ids to text.
        about: what else the document should say, such as the method.

    Returns:
        In words which preferences are suspected and where the files are.
    """
    suspects = failed.suspects()
    told = _told(failed, suspects, collator)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        document = {"what": failed.what, "step": failed.step, **about} | _document(
            failed, suspects, collator, decode
        )
        file = folder / f"{_name(failed.step)}.json"
        file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        save_file(_tensors(failed, collator), file.with_suffix(".safetensors"))
    except (OSError, SafetensorError) as error:  # the loss is what the person has to hear of
        return f"{told} The batch could not be kept: {error}."
    return f"{told} The batch is in {folder.name}/{file.name}."


def keep_sequences(
    folder: Path,
    step: int,
    what: str,
    sequences: tuple[Tensor, Tensor],
    *,
    decode: Callable[[list[int]], str],
) -> str:
    """Write sequences of a step, without padding, to `step-N.json`: ids and texts.

    Args:
        sequences: token ids and attention mask, int64 [S, L].

    Returns:
        In words where the file is.
    """
    found = [one[kept.bool()].tolist() for one, kept in zip(*sequences, strict=True)]
    document = {"what": what, "step": step, "sequences": [{"text": decode(ids), "ids": ids} for ids in found]}
    file = folder / f"{_name(step)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        return f"The batch could not be kept: {error}."
    return f"Its {len(found)} sequences are in {folder.name}/{file.name}."


def _name(step: int) -> str:
    """Of the files of a step that failed; several processes may fail at the same one."""
    return f"step-{step}-rank-{rank()}" if count() > 1 else f"step-{step}"


def _told(failed: Failed, suspects: list[int], collator: PairCollator) -> str:
    rows = len(failed.rows)
    if not suspects:
        return f"{rows} rows were in that step."
    ids = list(dict.fromkeys(collator.name(failed.rows[place]["strong"]) for place in suspects))
    shown = ", ".join(ids[:SHOWN]) + (", …" if len(ids) > SHOWN else "")
    if len(suspects) == rows > 1:
        return f"It came from all {rows} rows of a forward pass, of the preferences {shown}."
    return f"It came from {len(suspects)} of the {rows} rows of a forward pass, of the preferences {shown}."


def _document(
    failed: Failed, suspects: list[int], collator: PairCollator, decode: Callable[[list[int]], str]
) -> dict[str, Any]:
    listed = {name: value.detach().double().tolist() for name, value in failed.values.items()}
    rows: list[dict[str, Any]] = []
    for place, row in enumerate(failed.rows):
        rows.append({side: collator.name(where) for side, where in row.items()})
        rows[-1]["suspect"] = place in suspects
        rows[-1] |= {name: _number(value[place]) for name, value in listed.items()}
    places = dict.fromkeys(place for row in failed.rows for place in row.values())
    preferences = {
        collator.name(place): _preference(one, decode)
        for place in places
        if (one := collator.encoded[place]) is not None
    }
    return {"rows": rows, "preferences": preferences}


def _preference(one: Encoded, decode: Callable[[list[int]], str]) -> dict[str, Any]:
    chosen, rejected = one.chosen.tolist(), one.rejected.tolist()
    return {
        "prompt_tokens": one.prompt_length,
        "chosen": {"text": decode(chosen), "ids": chosen},
        "rejected": {"text": decode(rejected), "ids": rejected},
    }


def _tensors(failed: Failed, collator: PairCollator) -> dict[str, Tensor]:
    """The strong preferences as they went through the policy, and the rows' values."""
    batch = collator(list(failed.rows))
    tokens: TokenBatch = batch["strong"]
    found = {
        field.name: value
        for field in fields(tokens)
        if isinstance(value := getattr(tokens, field.name), Tensor)
    }
    found |= {"strong_of": batch["strong_of"], "strong_ref": batch["strong_ref"]}
    found |= {f"rows.{name}": value.detach().cpu() for name, value in failed.values.items()}
    return {name: value.contiguous() for name, value in found.items()}


def _number(value: float) -> float | str:
    """JSON has no NaN: what is not finite is a word."""
    return value if abs(value) < float("inf") else str(value)
