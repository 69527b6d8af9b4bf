"""Webhooks of a project: the list, one with its log, and what can be done with them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.errors import DomainError
from annotation.models import Project, Webhook, WebhookDelivery
from annotation.selectors import webhooks as selectors
from annotation.services import webhook_settings
from frontend import desk
from frontend.forms.webhook_form import WebhookChangeForm, WebhookForm

PER_PAGE = 25


@desk.page
@require_http_methods(["GET", "POST"])
def project_webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    """The list, and the form that makes one: its secret is in this answer only."""
    user, project = desk.person(request), desk.managed(request, slug)
    form = WebhookForm(request.POST or None)
    secret, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                _, secret = webhook_settings.create(
                    project=project, by=user, at=timezone.now(), **form.cleaned_data
                )
                form, status = WebhookForm(), 200
            except DomainError as error:
                desk.show_refusal(form, error)
    rows = selectors.of_project(user, project)
    context = {"project": project, "tab": "webhooks", "form": form, "secret": secret, "rows": rows}
    return _unkept(render(request, "frontend/webhooks/list.html", context, status=status))


@desk.page
@require_http_methods(["GET", "POST"])
def webhook(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    """One webhook and its log. A POST changes it."""
    project = desk.managed(request, slug)
    hook = selectors.get(desk.person(request), project, webhook_id)
    now = {"url": hook.url, "events": hook.events, "is_active": hook.is_active}
    form = WebhookChangeForm(request.POST or None, initial=now)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                by = desk.person(request)
                webhook_settings.update(webhook=hook, by=by, at=timezone.now(), **form.cleaned_data)
            except DomainError as error:
                desk.show_refusal(form, error)
            else:
                desk.say(request, "The webhook is changed.")
                return redirect("webhook", slug=project.slug, webhook_id=hook.pk)
    return _page(request, project, hook, form, status=status)


@desk.page
@require_safe
def webhook_log(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    """The newest deliveries as a fragment, asked for while one waits."""
    project = desk.managed(request, slug)
    hook = selectors.get(desk.person(request), project, webhook_id)
    return render(request, "frontend/webhooks/log.html", _log(request, project, hook))


@desk.page
@require_POST
def webhook_rotate(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    """A new secret, in this answer only."""
    user, project = desk.person(request), desk.managed(request, slug)
    hook = selectors.get(user, project, webhook_id)
    secret = webhook_settings.rotate(webhook=hook, by=user, at=timezone.now())
    now = {"url": hook.url, "events": hook.events, "is_active": hook.is_active}
    return _page(request, project, hook, WebhookChangeForm(initial=now), secret=secret)


@desk.page
@require_POST
def webhook_test(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    user, project = desk.person(request), desk.managed(request, slug)
    hook = selectors.get(user, project, webhook_id)
    desk.tell(
        request,
        lambda: webhook_settings.ping(webhook=hook, by=user, at=timezone.now()),
        "A test message is on its way.",
    )
    return redirect("webhook", slug=project.slug, webhook_id=hook.pk)


@desk.page
@require_POST
def webhook_redeliver(request: HttpRequest, slug: str, webhook_id: int, delivery_id: int) -> HttpResponse:
    user, project = desk.person(request), desk.managed(request, slug)
    hook = selectors.get(user, project, webhook_id)
    delivery = selectors.delivery(user, hook, delivery_id)
    desk.tell(
        request,
        lambda: webhook_settings.redeliver(delivery=delivery, by=user, at=timezone.now()),
        "The message is on its way again.",
    )
    return redirect("webhook", slug=project.slug, webhook_id=hook.pk)


@desk.page
@require_POST
def webhook_delete(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    user, project = desk.person(request), desk.managed(request, slug)
    hook = selectors.get(user, project, webhook_id)
    desk.tell(
        request,
        lambda: webhook_settings.delete(webhook=hook, by=user, at=timezone.now()),
        "The webhook and its log are deleted.",
    )
    return redirect("project-webhooks", slug=project.slug)


def _page(
    request: HttpRequest,
    project: Project,
    hook: Webhook,
    form: WebhookChangeForm,
    *,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    context = _log(request, project, hook) | {"form": form, "secret": secret}
    return _unkept(render(request, "frontend/webhooks/webhook.html", context, status=status))


def _log(request: HttpRequest, project: Project, hook: Webhook) -> dict[str, object]:
    """A page of the log, paged by the id before which to go on: a long log costs no more than a short one."""
    found = selectors.deliveries(desk.person(request), hook)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        found = found.filter(pk__lt=int(before))
    rows = list(found[: PER_PAGE + 1])
    return {
        "project": project,
        "tab": "webhooks",
        "hook": hook,
        "rows": rows[:PER_PAGE],
        "older": rows[PER_PAGE - 1].pk if len(rows) > PER_PAGE else None,
        "waits": any(row.state == WebhookDelivery.State.WAITING for row in rows[:PER_PAGE]),
        "before": before,
    }


def _unkept(response: HttpResponse) -> HttpResponse:
    """It may carry a secret: no cache keeps it."""
    response["Cache-Control"] = "no-store"
    return response
