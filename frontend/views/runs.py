"""Training runs: the list, and the form that launches one."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation import kinds
from annotation.errors import DomainError, Invalid
from annotation.models import PopDataset, Project
from annotation.selectors import datasets as dataset_selectors
from frontend import desk
from frontend.forms.run_form import DEFAULT_PRESET, KINDS, RunForm
from frontend.snippets import run_snippets
from training import lineage
from training.engine import catalog, presets
from training.models import Run
from training.selectors import lineage as family
from training.selectors import runs as selectors
from training.selectors.comparing import MAX_RUNS
from training.services import runs

MAX_SOURCES = 200  # runs offered as a base or a reward model, the newest
LIVE = {Run.State.QUEUED, Run.State.RUNNING, Run.State.CANCELLING}


@desk.page
@require_safe
def run_list(request: HttpRequest, slug: str) -> HttpResponse:
    user = desk.person(request)
    project = desk.of_preferences(request, slug, kinds.NO_FREEZING)
    rows = selectors.of_project(user, project).select_related("dataset__project", "created_by")
    rows = rows.prefetch_related(family.prefetched(user))
    page = desk.pages(request, rows)
    context = {
        "project": project,
        "tab": "runs",
        "page": page,
        "most": MAX_RUNS,
        "moving": any(run.state in LIVE for run in page),
        "has_dataset": frozen(request, project).exists(),
        "missing": desk.missing_queues("gpu"),
    }
    return render(request, "frontend/runs.html", context)


@desk.page
@require_http_methods(["GET", "POST"])
def run_new(request: HttpRequest, slug: str) -> HttpResponse:
    """The form: a preset fills it, the spec checks it, the service launches."""
    project = desk.of_preferences(request, slug, kinds.NO_FREEZING)
    if (evaluation := _evaluation_like(request)) is not None:
        return redirect(evaluation)
    form = _form(request)
    status = 200
    if request.method == "POST":
        run = launched(request, project, form)
        if run is not None:
            return redirect("run", run_id=run.pk)
        status = 422
    return render(request, "frontend/run_new.html", _context(request, project, form), status=status)


@desk.page
@require_POST
def run_form_parts(request: HttpRequest, slug: str) -> HttpResponse:
    """HTMX: the chosen method's parameters and the spec as it would be sent, with what was typed kept."""
    project = desk.managed(request, slug)
    form = RunForm.from_post(request.POST)
    part = "frontend/run_method.html" if "method" in request.GET else "frontend/run_form_parts.html"
    return render(request, part, _context(request, project, form))


def _form(request: HttpRequest) -> RunForm:
    """What was typed; or a preset; or the spec of an earlier run that is to be varied."""
    if request.method == "POST":
        return RunForm.from_post(request.POST)
    dataset = request.GET.get("dataset", "")
    source = request.GET.get("like", "")
    if source.isdigit():
        run = selectors.get(desk.person(request), int(source))
        return RunForm.from_spec(run.spec, dataset=dataset or str(run.dataset_id))
    return RunForm.from_preset(request.GET.get("preset", DEFAULT_PRESET), dataset=dataset)


def _evaluation_like(request: HttpRequest) -> str | None:
    """Where an earlier evaluation is varied: its form is another. None for runs that train."""
    source = request.GET.get("like", "") if request.method == "GET" else ""
    if not source.isdigit():
        return None
    user = desk.person(request)
    run = selectors.get(user, int(source))
    of = family.subject(user, run) if run.kind == Run.Kind.EVALUATION else None
    return f"{reverse('run-evaluate', args=[of.pk])}?like={run.pk}" if of else None


def launched(request: HttpRequest, project: Project, form: RunForm) -> Any:
    """The run, or None with the reasons in the form."""
    form.is_valid()
    dataset = frozen(request, project).filter(pk=desk.number(form.dataset)).first()
    if dataset is None:
        form.errors["dataset"] = ["Choose a frozen dataset."]
    if form.errors or dataset is None:
        return None
    try:
        return runs.launch(
            dataset=dataset, spec=form.spec(), by=desk.person(request), at=timezone.now(), name=form.name
        )
    except Invalid as error:
        form.add_errors(error.fields, error.message)
    except DomainError as error:
        form.add_errors({}, error.message)
    return None


def frozen(request: HttpRequest, project: Project) -> Any:
    """The project's datasets that a run can name."""
    rows = dataset_selectors.of_project(desk.person(request), project)
    return rows.filter(state=PopDataset.State.FROZEN)


def _context(request: HttpRequest, project: Project, form: RunForm) -> dict[str, Any]:
    datasets = list(frozen(request, project))
    chosen = next((d for d in datasets if str(d.pk) == form.dataset), datasets[0] if datasets else None)
    if chosen is not None:
        form.dataset = str(chosen.pk)
    return {
        "project": project,
        "tab": "runs",
        "form": form,
        "datasets": datasets,
        "chosen": chosen,
        "kinds": KINDS.items(),
        "reward_errors": form.errors.get("method.reward_model", []),
        "reward_models": offered(request, project, "reward_model", form.reward_model),
        "bases": offered(request, project, "base"),
        "judges": offered(request, project, "judge"),
        "opponents": offered(request, project, lineage.AGAINST),
        "methods": catalog.POLICY_METHODS.values(),
        "method": catalog.POLICY_METHODS.get(form.method),
        "presets": presets.PRESETS.values(),
        "preset": request.GET.get("preset", DEFAULT_PRESET),
        "estimate": _estimate(form, chosen),
        "snippets": run_snippets(request, form, chosen),
        "missing": desk.missing_queues("gpu"),
    }


def offered(request: HttpRequest, project: Project, role: str, now: str = "") -> list[tuple[str, str]]:
    """Runs that a new one can be made from, as (value in the spec, words), with what the form has now."""
    found = family.candidates(desk.person(request), project, role)[:MAX_SOURCES]
    values = {
        lineage.reference(
            run.pk
        ): f"{run}, #{run.number}{'' if run.project == project else f', {run.project}'}"
        for run in found
    }
    if now:
        values.setdefault(now, now)
    return list(values.items())


def _estimate(form: RunForm, dataset: PopDataset | None) -> dict[str, int] | None:
    """Optimizer steps the form would take, or None while its numbers are not numbers."""
    method = catalog.POLICY_METHODS.get(form.method)
    if dataset is None or method is None or form.kind not in KINDS:
        return None
    spec = form.spec()["training"]
    epochs, per_step = spec["epochs"], spec["rows_per_step"]
    if not isinstance(epochs, float) or not isinstance(per_step, int) or per_step < 1 or epochs <= 0:
        return None
    held_out = dataset.manifest.get("counts", {}).get("heldout_preferences", 0)
    rows = dataset.preference_count - held_out
    if form.on_rows:
        rows = dataset.row_count - dataset.heldout_row_count
    return {"rows": rows, "steps": max(1, round(epochs * rows / per_step))}
