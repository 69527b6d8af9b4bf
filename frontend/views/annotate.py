"""The comparison page and the endpoints its script talks to. Scores never come near this module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import BoundedSemaphore
from typing import Annotated, Any, TypeVar
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.middleware import get_user
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annotation import rules
from annotation.errors import DomainError
from annotation.models import Assignment, Label, Project, User
from annotation.selectors import arena_names, practice, progress, projects, queue
from annotation.services import assignments, labels
from annotation.services import practice as practising
from frontend import cards, wording
from frontend.http import SignedInRequest, now
from frontend.refusals import as_json

REASONS = (
    "I do not know enough about this topic",
    "A text is broken, cut off or empty",
    "I do not read this language well enough",
    "A text is disturbing; I would rather skip it",
)
# Of a process's threads, which are more so that downloads can hold some. More labels at once only wait for
# each other's interpreter lock, some of them while others wait for a lock of theirs in the database.
_AT_ONCE = BoundedSemaphore(2)
_TURN_SECONDS = 0.5  # then it goes on all the same: two that wait for a lock must not stop everybody else
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]  # no database can be asked for more


class Ask(BaseModel):
    """`exclude`: the assignments the browser already holds or is sending."""

    model_config = ConfigDict(extra="forbid")
    exclude: list[Id] = Field(default_factory=list, max_length=20)


class Answer(Ask):
    assignment: Id
    verdict: str = Field(max_length=20)
    key: UUID
    reason: str = Field(default="", max_length=500)
    first_looks_swapped: bool = False
    second_looks_swapped: bool = False
    duration_ms: int | None = Field(default=None, ge=0, le=2**31 - 1)
    want_next: bool = True


class Beat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    assignments: list[Id] = Field(max_length=20)


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


Body = TypeVar("Body", bound=BaseModel)
Endpoint = Callable[[User, Project, Body], dict[str, Any]]


@contextmanager
def _turn() -> Iterator[None]:
    mine = _AT_ONCE.acquire(timeout=_TURN_SECONDS)
    try:
        yield
    finally:
        if mine:
            _AT_ONCE.release()


def endpoint(shape: type[Body]) -> Callable[[Endpoint[Body]], Callable[[HttpRequest, str], HttpResponse]]:
    """A JSON POST of a signed-in member: 401 in words instead of a redirect, refusals as code and detail."""

    def wrap(view: Endpoint[Body]) -> Callable[[HttpRequest, str], HttpResponse]:
        @require_POST
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, slug: str) -> HttpResponse:
            user = get_user(request)  # themselves: `request.user` looks who it is at each use
            if not user.is_authenticated:
                return JsonResponse({"code": "signed_out", "detail": "You are signed out."}, status=401)
            try:
                body = shape.model_validate_json(request.body or b"{}")
                project = projects.get(user, slug)  # 404 unless it is theirs; every member may label
                with _turn():
                    return JsonResponse(view(user, project, body))
            except ValidationError as error:
                return JsonResponse({"code": "invalid", "detail": _first_error(error)}, status=422)
            except DomainError as error:
                return as_json(error)

        return guarded

    return wrap


@login_required
@never_cache
@ensure_csrf_cookie
def page(request: SignedInRequest, slug: str) -> HttpResponse:
    """The frame. The script asks for the comparisons: showing a page leases nothing."""
    project = projects.get(request.user, slug)
    rules.check_annotate(request.user, project)
    context = {
        "project": project,
        "reasons": REASONS,
        "better": wording.better(project),
        "can_manage": rules.can_manage(request.user, project),
        "settings": _settings(request.user, project),
    }
    return render(request, "frontend/annotate/page.html", context)


@endpoint(Ask)
def next_task(user: User, project: Project, body: Ask) -> dict[str, Any]:
    return _next(user, project, body.exclude)


@endpoint(Answer)
def answer(user: User, project: Project, body: Answer) -> dict[str, Any]:
    """Store the answer; the reply brings the next comparison in the same round trip."""
    given = body.model_dump(exclude={"assignment", "exclude", "want_next"})
    label = labels.submit(assignment_id=body.assignment, by=user, at=now(), **given)
    reply = _next(user, project, body.exclude) if body.want_next else {"counts": _counts(user, project)}
    told = practice.feedback(label)
    if told:
        return {**reply, "feedback": _feedback(label, told, project)}
    names = arena_names.of_label(project, label)
    return {**reply, "names": f"{wording.told(label.verdict, names)}."} if names else reply


@endpoint(Nothing)
def skip_practice(user: User, project: Project, body: Nothing) -> dict[str, Any]:
    """For managers: leave out one's own practice round."""
    practising.skip(project=project, by=user, at=now())
    return {}


@endpoint(Nothing)
def undo(user: User, project: Project, body: Nothing) -> dict[str, Any]:
    again = labels.undo_last(project=project, by=user, at=now())
    return {"task": _task(again), "counts": _counts(user, project)}


@endpoint(Beat)
def heartbeat(user: User, project: Project, body: Beat) -> dict[str, Any]:
    return {"live": assignments.heartbeat(assignment_ids=body.assignments, by=user, at=now())}


@endpoint(Nothing)
def release(user: User, project: Project, body: Nothing) -> dict[str, Any]:
    assignments.release(project=project, by=user, at=now())
    return {}


def _next(user: User, project: Project, exclude: list[int]) -> dict[str, Any]:
    assignment = assignments.next_for(project=project, by=user, at=now(), exclude=exclude)
    counts = _counts(user, project)
    if assignment is not None:
        return {"task": _task(assignment), "counts": counts}
    return {"task": None, "empty": _empty(user, project), "counts": counts}


def _task(assignment: Assignment) -> dict[str, Any]:
    """What the browser gets of a comparison: its assignment, its texts as safe HTML, nothing else."""
    card = queue.card(assignment)
    sides = [
        {"side": side, "letter": letter, "anchor": card["anchor"] == side, **cards.texts(card[side])}
        for side, letter in (("first", "A"), ("second", "B"))
    ]
    context = {"sides": sides, "is_arena": assignment.project.is_arena}
    task = {"id": card["id"], "html": render_to_string("frontend/annotate/task.html", context)}
    if card["practice"] is None:
        return task
    can_skip = rules.can_manage(assignment.annotator, assignment.project)
    place = {**card["practice"], "can_skip": can_skip}
    return {**task, "practice": render_to_string("frontend/annotate/practice.html", place)}


def _feedback(label: Label, told: dict[str, Any], project: Project) -> dict[str, Any]:
    """What a practice answer is told, as HTML; it names the assignment it belongs to."""
    letters = {"first": "A", "second": "B"}
    context = {**told, "stronger": letters[told["answer"]], "given": letters.get(label.verdict)}
    context["is_arena"] = project.is_arena
    return {
        "id": label.assignment_id,
        "right": told["right"],
        "html": render_to_string("frontend/annotate/feedback.html", context),
    }


def _empty(user: User, project: Project) -> dict[str, Any]:
    why = queue.why_empty(user, project, now())
    context = {"why": why, "project": project, "can_manage": rules.can_manage(user, project)}
    return {
        "code": why.code,
        "final": why.code == "archived",
        "html": render_to_string("frontend/annotate/empty.html", context),
    }


def _counts(user: User, project: Project) -> dict[str, Any]:
    mine, whole = progress.while_labelling(user, project, now())
    return {
        "today": mine.today,
        "total": mine.total,
        "labels": whole.labels,
        "expected": whole.labels_expected,
    }


def _settings(user: User, project: Project) -> dict[str, Any]:
    """What the script needs to know; `scope` keeps two people on one browser apart."""

    def url(name: str) -> str:
        return reverse(f"annotate-{name}", args=[project.slug])

    return {
        "scope": f"{user.pk}.{project.pk}",
        "leaseMinutes": project.lease_minutes,
        "words": wording.verdicts(project),
        "nextUrl": url("next"),
        "answerUrl": url("answer"),
        "undoUrl": url("undo"),
        "heartbeatUrl": url("heartbeat"),
        "releaseUrl": url("release"),
        "skipUrl": url("skip-practice"),
        "homeUrl": reverse("home"),
    }


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
