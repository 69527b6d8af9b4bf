"""What kinds of project differ in: what one refuses that the other does, in words."""

from __future__ import annotations

from annotation.errors import Conflict, Invalid
from annotation.models import Project

NO_IMPORTS = "its responses are given when it is made, and nothing is imported into it"
NO_FREEZING = (
    "its votes are about responses, not about preferences. Make preferences of them in another project, "
    "and freeze those"
)
NO_SCORES = "its responses have no scores. Make gold by choice"
NO_STRENGTHS = "which model is better stands on its results"
NO_SWAPPING = "a response has nothing it could be swapped with"


def check_preferences(project: Project, why: str) -> None:
    """Raises Conflict in an arena; `why` completes the sentence."""
    if project.is_arena:
        raise Conflict("arena", f"This project is an arena: {why}.")


def check_arena(project: Project) -> None:
    """Raises Conflict unless the project is an arena."""
    if not project.is_arena:
        raise Conflict("no_arena", "This project is no arena.")


def check_flags(project: Project, *flags: bool) -> None:
    """Raises Invalid where a response of an arena is said to be swapped."""
    if project.is_arena and any(flags):
        words = f"Not in an arena: {NO_SWAPPING}."
        raise Invalid("invalid_label", words, {"first_looks_swapped": [words]})


def check_changeable(project: Project) -> None:
    """Raises Conflict once whoever answered knows the models' names: the answer would be blind no more."""
    if project.is_arena and project.names_told == Project.NamesTold.ANSWERED:
        raise Conflict(
            "names_told",
            "This arena tells which model wrote what after each answer, so that an answer stands as it is.",
        )


def tells_names(project: Project) -> bool:
    """Whether a person may know the models behind what they answered: they can no longer change it."""
    if not project.is_arena:
        return False
    return project.names_told == Project.NamesTold.ANSWERED or project.state == Project.State.ARCHIVED
