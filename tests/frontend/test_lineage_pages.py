"""Kinds of runs and their family on the pages: the form, the run's page, the list."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from frontend.forms.run_form import RunForm
from frontend.run_state import stages
from tests.cast import join, make_project
from tests.frontend.conftest import Desk, make_run
from tests.frontend.test_project_pages import text
from tests.frontend.test_run_form import posted
from training.models import Run, RunLink

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def source(desk: Desk, kind: str, **changes: Any) -> Run:
    run = make_run(desk.dataset, state="finished", **changes)
    Run.objects.filter(pk=run.pk).update(kind=kind, method="", has_model=True, name=f"My {kind}")
    run.refresh_from_db()
    return run


def form(desk: Desk, preset: str = "tiny-cpu", **changes: Any) -> QueryDict:
    return posted(RunForm.from_preset(preset, dataset=str(desk.dataset.pk)), **changes)


@pytest.mark.parametrize(("preset", "kind"), [("tiny-cpu-sft", "sft"), ("tiny-cpu-reward", "reward_model")])
def test_the_form_launches_the_other_kinds(owner_client: Client, desk: Desk, preset: str, kind: str) -> None:
    page = text(owner_client.get(reverse("run-new", args=[desk.project.slug]), {"preset": preset}))
    assert f'<option value="{kind}" selected>' in page
    answer = owner_client.post(reverse("run-new", args=[desk.project.slug]), form(desk, preset))
    run = Run.objects.latest("pk")
    assert answer["Location"] == reverse("run", args=[run.pk])
    assert (run.kind, run.method, "method" in run.spec) == (kind, "", False)


def test_finished_runs_are_offered_and_chosen(owner_client: Client, desk: Desk) -> None:
    base, reward = source(desk, "sft"), source(desk, "reward_model")
    url = reverse("run-form-parts", args=[desk.project.slug])
    part = text(owner_client.post(f"{url}?method=1", form(desk, **{"method.slug": "mmpo"})))
    assert f'<option value="run:{reward.pk}" >My reward_model, #{reward.number}</option>' in part
    assert "or a reward model" in part
    assert "f-reward-model" not in text(owner_client.post(f"{url}?method=1", form(desk)))
    new = reverse("run-new", args=[desk.project.slug])
    side = text(owner_client.post(url, form(desk, **{"model.base": f"run:{base.pk}"})))
    assert f"api/v1/runs/{base.pk}/model" in side
    assert f"tar -x --strip-components=1 -C run/sources/run-{base.pk}" in side
    assert f'<option value="run:{base.pk}">My sft, #{base.number}</option>' in text(owner_client.get(new))
    chosen = {
        "method.slug": "mmpo",
        "method.was": "mmpo",
        "method.params.gamma": "2",
        "method.reward_model": f"run:{reward.pk}",
        "model.base": f"run:{base.pk}",
    }
    owner_client.post(new, form(desk, **chosen))
    run = Run.objects.latest("pk")
    assert {link.role: link.source for link in run.sources.all()} == {"base": base, "reward_model": reward}


def test_a_source_that_will_not_do_is_marked_at_its_field(owner_client: Client, desk: Desk) -> None:
    running = source(desk, "reward_model")
    Run.objects.filter(pk=running.pk).update(state="failed")
    new = reverse("run-new", args=[desk.project.slug])
    chosen = {"method.slug": "mmpo", "method.was": "mmpo", "method.params.gamma": "2"}
    answer = owner_client.post(new, form(desk, **chosen, **{"method.reward_model": f"run:{running.pk}"}))
    assert answer.status_code == 422
    assert 'id="f-reward-model_errors"' in text(answer)
    assert "has no model to go on from: it is failed" in text(answer)


def test_the_pages_link_both_ways(owner_client: Client, desk: Desk) -> None:
    base = source(desk, "sft")
    made = make_run(desk.dataset, state="finished")
    RunLink.objects.create(run=made, source=base, role="base")
    above = text(owner_client.get(reverse("run", args=[made.pk])))
    assert f'<dt>Base model</dt><dd><a href="{reverse("run", args=[base.pk])}">My sft</a>' in above
    below = text(owner_client.get(reverse("run", args=[base.pk])))
    assert "Used by" in below
    assert f'<a href="{reverse("run", args=[made.pk])}">' in below
    listed = text(owner_client.get(reverse("runs", args=[desk.project.slug])))
    assert "<td>SFT</td>" in listed


def test_a_longer_family_asks_no_more_queries(owner_client: Client, desk: Desk) -> None:
    base = source(desk, "sft")

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert owner_client.get(reverse("run", args=[base.pk])).status_code == 200
        return len(seen)

    RunLink.objects.create(run=make_run(desk.dataset, state="finished"), source=base, role="base")
    before = queries()
    for _ in range(4):
        RunLink.objects.create(run=make_run(desk.dataset, state="finished"), source=base, role="base")
    assert queries() == before


def test_an_earlier_run_of_a_kind_fills_the_form_again(owner_client: Client, desk: Desk) -> None:
    new = reverse("run-new", args=[desk.project.slug])
    owner_client.post(new, form(desk, "tiny-cpu-reward", **{"reward.patience": "7"}))
    run = Run.objects.latest("pk")
    page = text(owner_client.get(new, {"like": run.pk}))
    assert '<option value="reward_model" selected>' in page
    assert 'name="reward.patience" value="7"' in page


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("sft", {"model": {"base": "tiny"}}, ["Training", "Evaluation", "Saving"]),
        ("reward_model", {"model": {"base": "run:3"}}, ["Training", "Evaluation", "Saving"]),
        (
            "preference",
            {"model": {"base": "run:3"}, "method": {"slug": "mmpo", "reward_model": "run:4"}},
            ["Reward scores", "Reference scores", "Training", "Evaluation", "Saving"],
        ),
        (
            "sft",
            {"model": {"base": "run:3"}, "evaluation": {"generation": {"prompts": 8}, "judge": "run:4"}},
            ["Training", "Evaluation", "Responses", "Judging", "Saving"],
        ),
    ],
)
def test_the_stages_are_those_of_the_kind(kind: str, spec: dict[str, Any], expected: list[str]) -> None:
    assert [stage.title for stage in stages(Run(kind=kind, spec=spec))] == expected


def test_an_unknown_kind_is_refused_at_its_field(desk: Desk) -> None:
    made = RunForm.from_post(form(desk, kind="policy"))
    assert not made.is_valid()
    assert set(made.errors) == {"kind"}


def test_runs_of_another_project_are_offered_with_it_and_told_to_those_who_manage_it(
    owner_client: Client, desk: Desk
) -> None:
    elsewhere = make_project(desk.cast.owner, "Elsewhere")
    judge = source(desk, "reward_model")
    Run.objects.filter(pk=judge.pk).update(project=elsewhere)
    offered = f'<option value="run:{judge.pk}">My reward_model, #{judge.number}, Elsewhere</option>'
    new = reverse("run-new", args=[desk.project.slug])
    assert offered in text(owner_client.get(new))
    assert offered in text(owner_client.get(reverse("run-evaluate", args=[desk.run.pk])))
    made = make_run(desk.dataset, state="finished", warnings=[f"No model in /x/sources/run-{judge.pk}."])
    RunLink.objects.create(run=made, source=judge, role="judge")
    page, admin = reverse("run", args=[made.pk]), Client()
    admin.force_login(desk.cast.admin)
    seen, hidden = text(owner_client.get(page)), text(admin.get(page))
    assert f'My reward_model</a> <span class="muted">#{judge.number}, Reward model, in <a' in seen
    assert '<dt>Judge</dt><dd class="muted">a run of a project that you do not manage</dd>' in hidden
    assert "My reward_model" not in hidden
    assert offered not in text(admin.get(new))
    spec = made.spec | {"evaluation": made.spec["evaluation"] | {"judge": f"run:{judge.pk}"}}
    Run.objects.filter(pk=made.pk).update(spec=spec)
    compared = f"{reverse('compare', args=[desk.project.slug])}?run={made.pk}"
    assert f"#{judge.number}, in Elsewhere</span>" in text(owner_client.get(compared))
    assert 'Judge: <span class="muted">a run of a project' in text(admin.get(compared))
    join(elsewhere, desk.cast.outsider, "admin")
    other = Client()
    other.force_login(desk.cast.outsider)
    there = reverse("run", args=[judge.pk])
    assert "1 run of a project that you do not manage" in text(other.get(there))
    home = reverse("project", args=[desk.project.slug])
    assert f'Preference, in <a href="{home}">' in text(owner_client.get(there))
