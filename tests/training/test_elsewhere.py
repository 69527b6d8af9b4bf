"""Judges, opponents and reward models of another project: who may name them, and who is told of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from annotation.models import Project, Role
from tests.annotation.frozen import decide, fill, frozen
from tests.cast import NOW, Cast, join, make_project
from tests.training.conftest import Launch
from training import artifacts
from training.engine.evaluations.duels import prompt_id
from training.errors import Conflict, Invalid, NotPrepared
from training.models import Run
from training.selectors import lineage as family
from training.services import runs, sources

pytestmark = [pytest.mark.either, pytest.mark.django_db]

WRITING = {"generation": {"prompts": 8}}


@pytest.fixture
def elsewhere(cast: Cast) -> Project:
    """A project that the owner has beside the cast's own; its admin annotates there."""
    project = make_project(cast.owner, "Elsewhere")
    join(project, cast.admin, Role.ANNOTATOR)
    return project


@pytest.fixture
def foreign(launch: Launch, elsewhere: Project, settings: Any, tmp_path: Path) -> Callable[[str], Run]:
    """A finished run of a kind in the other project, with a model and responses."""
    settings.RUNS_DIR = tmp_path / "runs"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }

    def make(kind: str) -> Run:
        run = launch(
            spec={"kind": kind, "evaluation": WRITING if kind == "preference" else {}}, name="Theirs"
        )
        Run.objects.filter(pk=run.pk).update(
            project=elsewhere, number=run.pk, state=Run.State.FINISHED, has_model=True
        )
        default_storage.save(artifacts.stored_name(run.pk, "model/config.json"), ContentFile(b"{}"))
        default_storage.save(artifacts.stored_name(run.pk, artifacts.RESPONSES), ContentFile(b"{}\n"))
        run.refresh_from_db()
        return run

    return make


def naming(role: str, run_id: int, judge: int) -> dict[str, Any]:
    """A spec in which the run has the role; `judge`: who judges where it does not itself."""
    if role == "reward_model":
        return {"method": {"slug": "mmpo", "reward_model": f"run:{run_id}"}}
    return {"evaluation": WRITING | {"judge": f"run:{judge}", role: f"run:{run_id}"}}


ROLES = {"judge": "reward_model", "against": "preference", "reward_model": "reward_model"}


@pytest.mark.parametrize("role", ROLES)
def test_who_manages_both_may_name_it_and_for_others_there_is_none(
    launch: Launch, foreign: Callable[[str], Run], cast: Cast, role: str, tmp_path: Path
) -> None:
    source, judge = foreign(ROLES[role]), foreign("reward_model")
    made = launch(spec=naming(role, source.pk, judge.pk))
    assert {link.source for link in family.sources(cast.owner, made)} >= {source}
    sources.bring(made, tmp_path / "run")
    assert list((tmp_path / "run" / "sources").iterdir())

    Run.objects.filter(pk=judge.pk).update(project=cast.project, number=judge.pk)
    field = {"reward_model": "method.reward_model"}.get(role, f"evaluation.{role}")
    said = []
    for run_id in (source.pk, source.pk + 1000):
        with pytest.raises(Invalid) as refusal:
            launch(spec=naming(role, run_id, judge.pk), by=cast.admin)
        said.append(refusal.value.fields[field][0].replace(str(run_id), "N"))
    assert said == ["There is no run with the id N in this project, nor in another one that you manage."] * 2


def test_base_and_subject_are_of_the_project_itself(launch: Launch, foreign: Callable[[str], Run]) -> None:
    theirs = foreign("preference")
    for named in ({"base_run": theirs.pk}, {"subject_run": theirs.pk}):
        with pytest.raises(Invalid, match=f"There is no run with the id {theirs.pk} in this project\\.$"):
            launch(spec={}, **named)


def test_whoever_manages_one_of_the_two_is_told_that_there_is_one_and_not_which(
    launch: Launch, foreign: Callable[[str], Run], cast: Cast, elsewhere: Project
) -> None:
    judge = foreign("reward_model")
    made = launch(spec=naming("judge", judge.pk, judge.pk), name="Ours")
    join(elsewhere, cast.outsider, Role.ADMIN)
    assert list(family.sources(cast.admin, made)) == []
    assert [link.role for link in family.hidden_sources(cast.admin, made)] == ["judge"]
    assert list(family.hidden_sources(cast.owner, made)) == []
    assert (list(family.used_by(cast.outsider, judge)), family.hidden_uses(cast.outsider, judge)) == ([], 1)
    assert [link.run for link in family.used_by(cast.owner, judge)] == [made]
    listed = Run.objects.filter(pk=made.pk).prefetch_related(family.prefetched(cast.admin)).get()
    assert list(listed.sources.all()) == []
    for by, words in ((cast.outsider, "a run of a project that you do not manage"), (cast.owner, "“Ours”")):
        with pytest.raises(Conflict) as refusal:
            runs.delete(run=judge, by=by, at=NOW)
        assert refusal.value.message == f"Made from this run's model: {words}. Delete those first."


def test_what_is_gone_is_told_without_a_name(
    launch: Launch, foreign: Callable[[str], Run], tmp_path: Path
) -> None:
    judge = foreign("reward_model")
    made = launch(spec=naming("judge", judge.pk, judge.pk))
    default_storage.delete(artifacts.stored_name(judge.pk, "model/config.json"))
    with pytest.raises(NotPrepared, match=f"The model of run:{judge.pk}, which"):
        sources.bring(made, tmp_path / "run")


def test_offered_are_the_projects_own_first_and_no_ones_elses(
    launch: Launch, foreign: Callable[[str], Run], cast: Cast
) -> None:
    own = launch(spec={"kind": "reward_model"})
    Run.objects.filter(pk=own.pk).update(state=Run.State.FINISHED, has_model=True)
    theirs = foreign("reward_model")
    for role in ("judge", "reward_model"):
        assert list(family.candidates(cast.owner, cast.project, role)) == [own, theirs]
        assert list(family.candidates(cast.admin, cast.project, role)) == [own]
    base = foreign("sft")
    assert base not in family.candidates(cast.owner, cast.project, "base")


def test_responses_to_other_prompts_are_told_of_another_projects_run_to_its_managers_alone(
    launch: Launch, foreign: Callable[[str], Run], cast: Cast
) -> None:
    theirs, judge = foreign("preference"), foreign("reward_model")
    project = make_project(cast.owner, "Other prompts")
    join(project, cast.admin, Role.ADMIN)
    decide(project, fill(project, cast.owner))
    dataset = frozen(project, cast.owner)
    written = artifacts.stored_name(theirs.pk, artifacts.RESPONSES)
    default_storage.delete(written)
    line = f'{{"prompt_id": "{prompt_id([{"role": "user", "content": "?"}])}"}}\n'
    default_storage.save(written, ContentFile(line.encode()))
    Run.objects.filter(pk=judge.pk).update(project=project)
    spec = naming("against", theirs.pk, judge.pk)
    with pytest.raises(Invalid, match="“Theirs” wrote 1 responses to prompts"):
        launch(dataset=dataset, spec=spec)
    with pytest.raises(Invalid, match=f"There is no run with the id {theirs.pk}"):
        launch(dataset=dataset, spec=spec, by=cast.admin)
