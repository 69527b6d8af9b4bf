"""The evaluation `generation`: lengths of what a model wrote, against values worked out here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training.engine.evaluations import generation
from training.engine.evaluations.heldout import Generated, HeldOut

NAN = float("nan")


def found(*theirs: float) -> dict[str, Any]:
    """Of four responses to three prompts, beside the reference's lengths."""
    nothing = np.full(4, NAN)
    own = Generated(
        prompts=np.asarray([7, 7, 9, 3]),
        tokens=np.asarray([4.0, 6.0, 13.0, 1.0]),
        ended=np.asarray([True, True, False, True]),
        logps=nothing,
        reference_logps=nothing,
        reference_tokens=np.asarray(theirs or nothing),
    )
    return generation.evaluate(written(4, own))


def written(heldout: int, own: Generated | None) -> HeldOut:
    margin = np.ones(heldout)
    return HeldOut(margin, margin, np.zeros((0, 2), np.int64), seed=0, generated=own)


def test_lengths_and_how_responses_ended() -> None:
    told = found()
    assert (told["n"], told["prompts"], told["tokens"]) == (4, 3, 6)
    assert (told["ended"], told["empty"]) == (3 / 4, 1 / 4)
    assert told["tokens_interval"] == pytest.approx([1, 13])  # over prompts: 1, 5 (twice) and 13
    assert "longer" not in told


def test_beside_the_reference_only_what_it_answered_counts() -> None:
    told = found(5.0, 3.0, NAN, 4.0)
    assert told["reference_tokens"] == pytest.approx(4)
    assert told["longer"] == pytest.approx((-1 + 3 - 3) / 3)
    assert told["tokens"] == 6


def test_what_was_not_written_has_no_length() -> None:
    assert generation.evaluate(written(4, None)) == {"skipped": generation.NOT_WRITTEN}
    assert "held-out" in generation.evaluate(written(0, None))["skipped"]
