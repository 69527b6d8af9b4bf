"""Who may do what with runs: owners and admins of the project; for everybody else runs do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotation import rules
from training import lineage, transitions
from training.errors import Conflict, NotFound
from training.models import Run

if TYPE_CHECKING:
    from annotation.rules import Person


def can_see(user: Person, run: Run) -> bool:
    return rules.can_manage(user, run.project)


def check_see(user: Person, run: Run) -> None:
    """Raises NotFound to outsiders, in the words of a run that does not exist; NotAllowed to annotators."""
    if not rules.can_view(user, run.project):
        raise run_not_found()
    rules.check_manage(user, run.project)


def can_cancel(user: Person, run: Run) -> bool:
    return can_see(user, run) and _cancellable(run)


def check_cancel(user: Person, run: Run) -> None:
    """Raises NotFound or NotAllowed like `check_see`, and Conflict when the run has ended."""
    check_see(user, run)
    if not _cancellable(run):
        raise Conflict(
            "run_not_active", f"Only a queued or running run can be cancelled; this one is {run.state}."
        )


def can_resume(user: Person, run: Run) -> bool:
    return can_see(user, run) and transitions.allows("resume", run.state) and _has_start(run)


def check_resume(user: Person, run: Run) -> None:
    """Raises NotFound or NotAllowed like `check_see`, and Conflict without a checkpoint to go on from."""
    check_see(user, run)
    if not transitions.allows("resume", run.state):
        raise Conflict(
            "run_not_stopped", f"Only a cancelled or failed run can be resumed; this one is {run.state}."
        )
    if not _has_start(run):
        raise Conflict("no_checkpoint", "This run has no checkpoint to go on from. Launch it again instead.")


def can_delete(user: Person, run: Run) -> bool:
    return can_see(user, run) and run.state in transitions.ENDED


def check_delete(user: Person, run: Run) -> None:
    """Raises NotFound or NotAllowed like `check_see`, and Conflict while the run is queued or running."""
    check_see(user, run)
    if run.state not in transitions.ENDED:
        raise Conflict("run_active", "Cancel the run before deleting it.")


def can_evaluate(user: Person, run: Run) -> bool:
    """Whether there may be a model of it to evaluate again: the finished one, or a checkpoint."""
    there = run.state in transitions.ENDED and (run.has_model or run.has_checkpoint)
    return can_see(user, run) and there and run.kind in lineage.KINDS["subject"]


def can_take_annotations(user: Person, run: Run) -> bool:
    """Whether a judge's annotations of its outputs say something: it has a model that writes."""
    return can_see(user, run) and _writes(run)


def check_take_annotations(user: Person, run: Run) -> None:
    """Raises NotFound or NotAllowed like `check_see`, and Conflict where there is no model that writes."""
    check_see(user, run)
    if not _writes(run):
        raise Conflict(
            "no_outputs",
            "Annotations are of what a run's model wrote, and this run has no model that writes.",
        )


def _writes(run: Run) -> bool:
    return run.has_model and run.kind in (Run.Kind.PREFERENCE, Run.Kind.SFT)


def _has_start(run: Run) -> bool:
    """Something to go on from; an evaluation needs nothing, as it begins again and finds what is cached."""
    return run.has_checkpoint or run.kind == Run.Kind.EVALUATION


def run_not_found() -> NotFound:
    return NotFound("run_not_found", "There is no such run.")


def _cancellable(run: Run) -> bool:
    return transitions.allows("withdraw", run.state) or transitions.allows("cancel", run.state)
