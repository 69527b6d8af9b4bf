"""What the manager's pages share: who asks, which project, how refusals become answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from annotation import kinds, rules
from annotation.errors import DomainError, Invalid
from annotation.models import Project, User
from annotation.selectors import projects as project_selectors
from annotation.selectors import workers

View = Callable[..., HttpResponseBase]


def page(view: View) -> View:
    """For signed-in people. What a service refuses, `refusals` answers: 404 unknown, 403 not allowed.

    A fragment asked for after the session has ended sends the whole page to the sign-in form and back.
    """
    guarded = login_required(view)

    @wraps(view)
    def entered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if "HX-Request" in request.headers and not request.user.is_authenticated:
            onward = urlsplit(request.headers.get("HX-Current-URL", "/")).path
            return HttpResponseClientRedirect(f"{reverse('login')}?{urlencode({'next': onward})}")
        return guarded(request, *args, **kwargs)

    return entered


def person(request: HttpRequest) -> User:
    """The signed-in user, typed: `page` lets nobody else in."""
    return cast("User", request.user)


def managed(request: HttpRequest, slug: str) -> Project:
    """The project, for its owners and admins only.

    Raises:
        NotFound: the asker is no member.
        NotAllowed: the asker is an annotator.
    """
    project = project_selectors.get(person(request), slug)
    rules.check_manage(person(request), project)
    return project


def of_preferences(request: HttpRequest, slug: str, why: str) -> Project:
    """As `managed`, for pages that an arena has not: `why` completes the sentence.

    Raises:
        Conflict: the project is an arena.
    """
    project = managed(request, slug)
    kinds.check_preferences(project, why)
    return project


def number(text: str) -> int | None:
    """An id out of an address or a form; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def pages(request: HttpRequest, rows: Any, per_page: int = 50) -> Page[Any]:
    """The page of a list the address asks for; a number out of range is the nearest page there is."""
    return Paginator(rows, per_page).get_page(request.GET.get("page"))


def show_refusal(
    form: forms.Form, error: DomainError, names: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Put a service's refusal into the form: beside its fields where it names them, on top otherwise.

    `names` says which form field shows what a service calls otherwise.
    """
    fields: Mapping[str, Sequence[str]] = error.fields if isinstance(error, Invalid) else {}
    elsewhere = [error.message] if not fields else []
    for field, reasons in fields.items():
        name = names.get(field, field)
        if name in form.fields:
            form.add_error(name, list(reasons))
        else:
            elsewhere.extend(reasons)
    for reason in elsewhere:
        form.add_error(None, reason)


def tell(request: HttpRequest, deed: Callable[[], object], done: str) -> bool:
    """Do it and say `done`, or say why it was refused. True when it was done."""
    try:
        deed()
    except DomainError as error:
        messages.error(request, error.message)
        return False
    messages.success(request, done)
    return True


def say(request: HttpRequest, words: str) -> None:
    messages.success(request, words)


def missing_queues(*needed: str) -> list[str]:
    """Those of the queues that no live worker serves."""
    status = workers.worker_status(timezone.now())
    return [queue for queue in needed if not status.serves(queue)]
