"""A frozen dataset on its way to the Hugging Face Hub."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from annotation.errors import DomainError
from annotation.models import DatasetPush, PopDataset
from annotation.selectors import datasets as selectors
from annotation.services import pushes
from frontend import desk
from frontend.forms.push_form import PushForm

SHOWN = 20
MOVING = {DatasetPush.State.QUEUED, DatasetPush.State.RUNNING}


@desk.page
@require_http_methods(["GET", "POST"])
def dataset_pushes(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """The pushes of a dataset, and the form that starts one. No answer says a token again."""
    user = desk.person(request)
    dataset = selectors.get(user, dataset_id)
    form = PushForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                pushes.start(dataset=dataset, by=user, at=timezone.now(), **form.cleaned_data)
                return redirect("dataset-pushes", dataset_id=dataset.pk)
            except DomainError as error:
                desk.show_refusal(form, error)
    context = _context(request, dataset) | {"form": form, "missing": desk.missing_queues("default")}
    response = render(request, "frontend/pushes/page.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@desk.page
@require_safe
def pushes_live(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """HTMX, while one is under way."""
    dataset = selectors.get(desk.person(request), dataset_id)
    return render(request, "frontend/pushes/table.html", _context(request, dataset) | {"live": True})


def _context(request: HttpRequest, dataset: PopDataset) -> dict[str, object]:
    rows = list(selectors.pushes(desk.person(request), dataset)[:SHOWN])
    moving = any(row.state in MOVING for row in rows)
    return {"project": dataset.project, "tab": "datasets", "dataset": dataset, "rows": rows, "moving": moving}
