"""AlpacaEval's annotations of a run's outputs, from its page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from annotation.errors import DomainError
from frontend import desk
from frontend.forms.annotations_form import AnnotationsForm
from frontend.snippets import annotations_snippet
from training import rules
from training.models import Run
from training.selectors import runs as selectors
from training.services import alpaca


def context(request: HttpRequest, run: Run, form: AnnotationsForm | None = None) -> dict[str, Any]:
    """What the form needs; nothing for runs whose model writes nothing."""
    if not rules.can_take_annotations(desk.person(request), run):
        return {}
    return {
        "annotations_form": form or AnnotationsForm(),
        "generator": selectors.generator_name(run),
        "annotated": run.evaluations.filter(name=alpaca.NAME).exists(),
        "annotations_snippet": annotations_snippet(run),
    }


@desk.page
@require_POST
def run_annotations(request: HttpRequest, run_id: int) -> HttpResponse:
    """Refused, the form comes back to HTMX, and htmx keeps the file chosen; elsewhere the page says why."""
    run = selectors.get(desk.person(request), run_id)
    form, fragment = AnnotationsForm(request.POST, request.FILES), "HX-Request" in request.headers
    onward = reverse("run", args=[run.pk])
    if _taken(request, run, form):
        desk.say(request, "The figures stand among the evaluations.")
        return HttpResponseClientRedirect(onward) if fragment else redirect(onward)
    if fragment and (shown := context(request, run, form)):
        return render(
            request, "frontend/parts/annotations_form.html", {"run": run, "form": form, **shown}, status=422
        )
    for reasons in form.errors.values():
        messages.error(request, " ".join(map(str, reasons)))
    return redirect(onward)


def _taken(request: HttpRequest, run: Run, form: AnnotationsForm) -> bool:
    """False where it was refused, and the form says why."""
    rules.check_see(desk.person(request), run)
    if not form.is_valid():
        return False
    try:
        alpaca.take(run=run, file=form.cleaned_data["file"], by=desk.person(request), at=timezone.now())
    except DomainError as error:
        desk.show_refusal(form, error)
        return False
    return True
