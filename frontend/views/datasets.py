"""Frozen PoP datasets: freeze one, look at it, take it home."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation import kinds, sampling
from annotation.errors import DomainError
from annotation.exports import EXPORTS
from annotation.models import PopDataset, Project
from annotation.selectors import datasets as selectors
from annotation.selectors import freeze_preview as preview_selectors
from annotation.selectors import history, pace
from annotation.services import datasets, freeze_options
from frontend import desk, wording
from frontend.forms.admin_forms import FreezeForm
from frontend.snippets import dataset_snippets
from training.selectors import runs as run_selectors

LIVE = {PopDataset.State.QUEUED, PopDataset.State.FREEZING}
PREVIEW_ROWS = 5


@desk.page
@require_http_methods(["GET", "POST"])
def dataset_list(request: HttpRequest, slug: str) -> HttpResponse:
    """The list, and the form that freezes another."""
    user = desk.person(request)
    project = desk.of_preferences(request, slug, kinds.NO_FREEZING)
    form = _form(request, project)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            options = form.options()
            name = form.cleaned_data["name"]
            try:
                made = datasets.freeze(
                    project=project, by=user, at=timezone.now(), name=name, options=options
                )
                return redirect("dataset", dataset_id=made.pk)
            except DomainError as error:
                desk.show_refusal(form, error)
    page = desk.pages(request, selectors.of_project(user, project))
    context = {
        "project": project,
        "tab": "datasets",
        "form": form,
        "preview": _preview(request, project, form),
        "missing": desk.missing_queues("default"),
        "page": page,
        "moving": any(item.state in LIVE for item in page),
    }
    return render(request, "frontend/datasets.html", context, status=status)


@desk.page
@require_safe
def freeze_preview(request: HttpRequest, slug: str) -> HttpResponse:
    """HTMX: the rows a freeze with these options would give now."""
    project = desk.managed(request, slug)
    context = {"preview": _preview(request, project, FreezeForm(request.GET))}
    return render(request, "frontend/parts/freeze_preview.html", context)


@desk.page
@require_safe
def dataset_page(request: HttpRequest, dataset_id: int) -> HttpResponse:
    return render(request, "frontend/dataset.html", _context(request, dataset_id))


@desk.page
@require_safe
def dataset_live(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """HTMX, every second while it is being frozen; in the end it brings the whole page's content."""
    return render(request, "frontend/dataset_live.html", _context(request, dataset_id))


@desk.page
@require_safe
def dataset_download(request: HttpRequest, dataset_id: int, kind: str) -> HttpResponseBase:
    dataset = selectors.get(desk.person(request), dataset_id)
    if kind not in EXPORTS:
        raise Http404("No such format.")
    export = EXPORTS[kind]
    try:
        chunks = selectors.stream(dataset, kind)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("dataset", dataset_id=dataset.pk)
    response = StreamingHttpResponse(chunks, content_type=export.content_type)
    name = f"{slugify(dataset.project.slug)}-{dataset.number}{export.suffix}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@desk.page
@require_POST
def dataset_cancel(request: HttpRequest, dataset_id: int) -> HttpResponse:
    user = desk.person(request)
    dataset = selectors.get(user, dataset_id)
    desk.tell(
        request,
        lambda: datasets.cancel(dataset=dataset, by=user, at=timezone.now()),
        "The freeze stops; what it has written so far is thrown away.",
    )
    return redirect("dataset", dataset_id=dataset.pk)


@desk.page
@require_POST
def dataset_delete(request: HttpRequest, dataset_id: int) -> HttpResponse:
    user = desk.person(request)
    dataset = selectors.get(user, dataset_id)
    gone = desk.tell(
        request,
        lambda: datasets.delete(dataset=dataset, by=user, at=timezone.now()),
        f"“{dataset}” is deleted. Its labels stay.",
    )
    if gone:
        return redirect("datasets", slug=dataset.project.slug)
    return redirect("dataset", dataset_id=dataset.pk)


def _form(request: HttpRequest, project: Project) -> FreezeForm:
    if request.method == "POST":
        return FreezeForm(request.POST)
    most = project.k if sampling.strategy(project.strategy).anchored else None
    return FreezeForm(initial={"max_rows_per_strong": most, "min_confidence": 0})


def _preview(
    request: HttpRequest, project: Project, form: FreezeForm
) -> preview_selectors.FreezePreview | None:
    """None while the options are not numbers."""
    if form.is_bound and not form.is_valid():
        return None
    given = form.options() if form.is_bound else {"max_rows_per_strong": form.initial["max_rows_per_strong"]}
    chosen = freeze_options.resolve(given, project)
    return preview_selectors.of_project(desk.person(request), project, chosen)


def _context(request: HttpRequest, dataset_id: int) -> dict[str, Any]:
    user = desk.person(request)
    dataset = selectors.get(user, dataset_id)
    live = dataset.state in LIVE
    context = {
        "project": dataset.project,
        "tab": "datasets",
        "dataset": dataset,
        "live": live,
        "pace": pace.of_dataset(dataset, timezone.now()),
        "training_rows": dataset.row_count - dataset.heldout_row_count,
        "missing": desk.missing_queues("default") if dataset.state == PopDataset.State.QUEUED else [],
    }
    if dataset.state == PopDataset.State.FROZEN:
        runs = run_selectors.of_project(user, dataset.project).filter(dataset=dataset)
        corrections = history.corrections(user, dataset)
        context |= {
            "corrections": corrections[:20],
            "corrected": corrections.count(),
            "words": wording.verdicts(dataset.project),
            "rows": _first_rows(dataset),
            "runs": runs[:20],
            "snippets": dataset_snippets(request, dataset),
            "manifest": json.dumps(dataset.manifest, indent=2, ensure_ascii=False, sort_keys=True),
            "exports": EXPORTS.values(),
        }
    return context


def _first_rows(dataset: PopDataset) -> list[dict[str, Any]]:
    """The first rows with their texts; none where storage has lost the files."""
    try:
        return selectors.first_rows(dataset, PREVIEW_ROWS)
    except DomainError:
        return []
