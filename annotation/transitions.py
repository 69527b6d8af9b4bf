"""The states things may be in and the moves between them, as tables. Docs draw their diagrams from here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from annotation.errors import Conflict
from annotation.models import Anchor, Assignment, Comparison, PopDataset, PreferenceImport, Project

Table = Mapping[str, tuple[str, ...]]

PROJECT: Table = {
    Project.State.OPEN: (Project.State.PAUSED, Project.State.ARCHIVED),
    Project.State.PAUSED: (Project.State.OPEN, Project.State.ARCHIVED),
    Project.State.ARCHIVED: (Project.State.OPEN,),
}
COMPARISON: Table = {
    Comparison.State.OPEN: (Comparison.State.RESOLVED, Comparison.State.WITHDRAWN),
    # A label was undone, or more labels are wanted; one of its preferences was excluded.
    Comparison.State.RESOLVED: (Comparison.State.OPEN, Comparison.State.WITHDRAWN),
    Comparison.State.WITHDRAWN: (Comparison.State.OPEN,),
}
ASSIGNMENT: Table = {
    Assignment.State.LEASED: (
        Assignment.State.LABELLED,
        Assignment.State.EXPIRED,
        Assignment.State.RELEASED,
    ),
    Assignment.State.LABELLED: (Assignment.State.LEASED,),  # undo
    # Taken up again, or answered late while the place was still free.
    Assignment.State.EXPIRED: (Assignment.State.LEASED, Assignment.State.LABELLED),
    Assignment.State.RELEASED: (Assignment.State.LEASED, Assignment.State.LABELLED),
}
ANCHOR: Table = {
    Anchor.State.OPEN: (Anchor.State.FULL, Anchor.State.EXHAUSTED),
    Anchor.State.FULL: (Anchor.State.OPEN, Anchor.State.EXHAUSTED),  # undo
    Anchor.State.EXHAUSTED: (Anchor.State.OPEN, Anchor.State.FULL),  # undo, a grown pool; a reused win
}
IMPORT: Table = {
    PreferenceImport.State.QUEUED: (
        PreferenceImport.State.RUNNING,
        PreferenceImport.State.FAILED,
        PreferenceImport.State.CANCELLED,
    ),
    # Back to queued when its worker died.
    PreferenceImport.State.RUNNING: (
        PreferenceImport.State.DONE,
        PreferenceImport.State.FAILED,
        PreferenceImport.State.QUEUED,
        PreferenceImport.State.CANCELLED,
    ),
    PreferenceImport.State.DONE: (),
    PreferenceImport.State.FAILED: (),
    PreferenceImport.State.CANCELLED: (),
}
DATASET: Table = {
    PopDataset.State.QUEUED: (
        PopDataset.State.FREEZING,
        PopDataset.State.FAILED,
        PopDataset.State.CANCELLED,
    ),
    PopDataset.State.FREEZING: (
        PopDataset.State.FROZEN,
        PopDataset.State.FAILED,
        PopDataset.State.QUEUED,
        PopDataset.State.CANCELLED,
    ),
    PopDataset.State.FROZEN: (),
    PopDataset.State.FAILED: (),
    PopDataset.State.CANCELLED: (),
}
TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "project": PROJECT,
        "comparison": COMPARISON,
        "assignment": ASSIGNMENT,
        "anchor": ANCHOR,
        "import": IMPORT,
        "dataset": DATASET,
    }
)


def can_move(name: str, old: str, new: str) -> bool:
    return new in TABLES[name][old]


def check_move(name: str, old: str, new: str) -> None:
    """Raises Conflict unless a thing of this name may go from `old` to `new`."""
    if not can_move(name, old, new):
        raise Conflict("wrong_state", f"This {name} is {old} and cannot become {new}.")
