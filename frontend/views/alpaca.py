"""AlpacaEval's annotations of a run's outputs, from its page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from annotation.errors import DomainError
from frontend import desk
from frontend.forms.annotations_form import AnnotationsForm
from frontend.snippets import annotations_snippet
from training import rules
from training.models import Run
from training.selectors import alpaca as files
from training.selectors import runs as selectors
from training.services import alpaca


def context(request: HttpRequest, run: Run, form: AnnotationsForm | None = None) -> dict[str, Any]:
    """What the form needs; of runs without a model of their own, the files that they made."""
    if not rules.can_take_annotations(desk.person(request), run):
        return {"alpaca_files": files.there(desk.person(request), run)}
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
    shown = context(request, run, form)
    if fragment and "annotations_form" in shown:
        return render(
            request, "frontend/parts/annotations_form.html", {"run": run, "form": form, **shown}, status=422
        )
    for reasons in form.errors.values():
        messages.error(request, " ".join(map(str, reasons)))
    return redirect(onward)


@desk.page
@require_safe
def run_alpaca_file(request: HttpRequest, run_id: int, file: str) -> StreamingHttpResponse:
    """The outputs or the annotations of an evaluation run, whole."""
    person = desk.person(request)
    run = selectors.get(person, run_id)
    found = files.file(person, run, file)
    response = StreamingHttpResponse(found.chunks(), content_type="application/json")
    response["Content-Length"] = str(found.size)
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}-{found.name}"'
    return response


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
