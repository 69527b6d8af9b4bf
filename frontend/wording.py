"""What the pages say in a project of each kind: a preference is stronger than another, a response better."""

from __future__ import annotations

from annotation.models import Label, Project
from annotation.selectors.arena_names import Names

Verdict = Label.Verdict


def better(project: Project) -> str:
    return "better" if project.is_arena else "stronger"


def verdicts(project: Project) -> dict[str, str]:
    """The answers an annotator may give."""
    word = better(project)
    return {
        Verdict.FIRST.value: f"A is {word}",
        Verdict.SECOND.value: f"B is {word}",
        Verdict.TOO_CLOSE.value: "Too close",
        Verdict.CANNOT_JUDGE.value: "Cannot judge",
    }


def outcomes(project: Project) -> dict[str, str]:
    """What a comparison comes to; "" for one without all its answers."""
    word = better(project)
    return {"low": f"A is {word}", "high": f"B is {word}", "none": "No winner", "": "An answer is missing"}


def votes(project: Project) -> dict[str, str]:
    """A vote as a reviewer reads it."""
    return {**outcomes(project), "too_close": "Too close", "cannot_judge": "Cannot judge"}


def told(verdict: str, names: Names) -> str:
    """An answer with the models' names: "Lark is better than Wren"."""
    first, second = " and ".join(names.first), " and ".join(names.second)
    if verdict == Verdict.FIRST:
        return f"{first} is better than {second}"
    if verdict == Verdict.SECOND:
        return f"{second} is better than {first}"
    return f"{first} and {second}: {Verdict(verdict).label.lower()}"
