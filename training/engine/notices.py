"""What a person should know about how their preferences became tokens."""

from __future__ import annotations

import numpy as np

from training.engine import checkpoints
from training.engine.encoding import Encoded
from training.engine.run import Run
from training.engine.strengths import Fitted

SHOWN = 5
CONNECTED = 0.9  # share of labelled preferences below which strengths are of several groups

DROPPED = (
    "{count} training rows are left out: their prompt alone fills max_length "
    "({lost} preferences, among them {ids})."
)
UNSEEN = "{count} of {total} held-out preferences are not evaluated: their prompt alone fills max_length."
NO_PROMPTS = (
    "The dataset has no held-out preferences, so there are no prompts: no response is written, and none is "
    "judged. Freeze it with a held-out share."
)
CUT = "{count} of {total} preferences have a response whose end is cut off at max_length."
REWRITTEN = (
    "{count} of {total} preferences: the chat template renders the prompt differently once it is answered. "
    "There the model is trained on another context than it is asked with; what differs counts as part of the "
    "answer."
)


GROUPS = (
    "The training rows fall into groups that nothing connects: the largest holds {share:.0%} of the labelled "
    "preferences. How strong a preference of one group is against one of another is not known, and each "
    "group counts as strong as any other on average. More comparisons would connect them."
)
UNLABELLED = (
    "{count} of {total} training preferences are in no training row: they count as of average strength."
)
TIES = "{count} rows are ties, too close to call: they are left out of training and evaluation."


def tell_ties(run: Run) -> None:
    """Say how many rows of the dataset have no stronger side."""
    if run.data.ties:
        run.events.write("warning", code="ties_left_out", message=TIES.format(count=run.data.ties))


def tell_encoding(run: Run, *, dropped: int) -> None:
    """Warn of what was left out, cut or rendered in two ways, and of responses that have no prompts.

    Args:
        dropped: training rows that were left out.
    """
    encoded: list[Encoded] = [one for one in run.encoded if one is not None]
    lost = [one.id for one, got in zip(run.data.preferences, run.encoded, strict=True) if got is None]
    heldout, asked = run.data.preferences_of("heldout"), run.spec.evaluation.generation.prompts
    unseen = sum(run.encoded[place] is None for place in heldout)
    cut = sum(one.cut for one in encoded)
    rewritten = sum(one.rewritten for one in encoded)
    for code, count, message in (
        ("rows_dropped", dropped, DROPPED.format(count=dropped, lost=len(lost), ids=", ".join(lost[:SHOWN]))),
        ("heldout_dropped", unseen, UNSEEN.format(count=unseen, total=len(heldout))),
        ("no_prompts", 0 if heldout else asked, NO_PROMPTS),
        ("responses_cut", cut, CUT.format(count=cut, total=len(encoded))),
        ("prompt_rewritten", rewritten, REWRITTEN.format(count=rewritten, total=len(encoded))),
    ):
        if count:
            run.events.write("warning", code=code, message=message)


def tell_strengths(run: Run, found: Fitted) -> None:
    """Say what strengths were fitted to, and warn where they stand on little."""
    if not checkpoints.complete(run.checkpoints):  # a resume fits the same, and newer metrics are there
        run.events.write("metrics", None, **_figures(found))
    unlabelled = found.training - found.labelled
    if unlabelled:
        message = UNLABELLED.format(count=unlabelled, total=found.training)
        run.events.write("warning", code="strengths_unlabelled", message=message)
    if found.connected < CONNECTED:
        message = GROUPS.format(share=found.connected)
        run.events.write("warning", code="strengths_unconnected", message=message)


def _figures(found: Fitted) -> dict[str, float]:
    return {
        "strengths/labelled": float(found.labelled),
        "strengths/connected": found.connected,
        "strengths/largest": float(np.nanmax(found.strength)),
        "strengths/mean_deviation": float(np.nanmean(found.deviation)),
    }
