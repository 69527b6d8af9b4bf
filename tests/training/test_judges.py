"""Runs that are judged: by a run's reward model, against a run's responses; both are links like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests.annotation.frozen import decide, fill, frozen
from tests.cast import Cast, make_project
from tests.training.conftest import Launch
from training import artifacts, lineage, specs
from training.engine.evaluations.duels import prompt_id
from training.errors import Invalid, NotPrepared
from training.models import Run
from training.selectors import lineage as family
from training.services import sources

pytestmark = [pytest.mark.either, pytest.mark.django_db]

WRITING = {"generation": {"prompts": 8}}


@pytest.fixture
def others(launch: Launch, settings: Any, tmp_path: Path) -> tuple[Run, Run]:
    """A finished reward model, and a finished policy that wrote responses."""
    settings.RUNS_DIR = tmp_path / "runs"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    made = [launch(spec={"kind": kind}) for kind in ("reward_model", "preference")]
    Run.objects.update(state=Run.State.FINISHED, has_model=True)
    default_storage.save(artifacts.stored_name(made[0].pk, "model/config.json"), ContentFile(b"{}"))
    default_storage.save(artifacts.stored_name(made[1].pk, artifacts.RESPONSES), ContentFile(b"{}\n"))
    return made[0], made[1]


def judged(judge: Run, against: Run | None = None) -> dict[str, Any]:
    named = {} if against is None else {"against": f"run:{against.pk}"}
    return {"evaluation": WRITING | {"judge": f"run:{judge.pk}"} | named}


def test_judge_and_others_are_linked_and_brought(
    launch: Launch, others: tuple[Run, Run], cast: Cast, tmp_path: Path
) -> None:
    judge, against = others
    made = launch(spec=judged(judge, against))
    assert [(one.role, one.source) for one in family.sources(cast.owner, made)] == [
        ("against", against),
        ("judge", judge),
    ]
    spec = lineage.with_folders(made.spec)["evaluation"]
    sources.bring(made, tmp_path)
    assert (tmp_path / spec["judge"] / "config.json").read_text() == "{}"
    assert [one.name for one in (tmp_path / spec["against"]).iterdir()] == ["generations.jsonl"]


def test_responses_of_the_base_itself_have_a_folder_of_their_own(
    launch: Launch, others: tuple[Run, Run], tmp_path: Path
) -> None:
    judge, policy = others
    default_storage.save(artifacts.stored_name(policy.pk, "model/config.json"), ContentFile(b"{}"))
    made = launch(spec=judged(judge, policy), base_run=policy.pk)
    sources.bring(made, tmp_path)
    found = lineage.with_folders(made.spec)
    assert (tmp_path / found["model"]["base"] / "config.json").exists()
    assert (tmp_path / found["evaluation"]["against"] / "generations.jsonl").exists()


def test_a_run_that_wrote_nothing_is_nobody_to_be_judged_against(
    launch: Launch, others: tuple[Run, Run]
) -> None:
    judge, policy = others
    default_storage.delete(artifacts.stored_name(policy.pk, artifacts.RESPONSES))
    with pytest.raises(Invalid) as refusal:
        launch(spec=judged(judge, policy))
    assert "wrote no responses" in refusal.value.fields["evaluation.against"][0]
    with pytest.raises(Invalid) as refusal:
        launch(spec=judged(policy))
    assert "this takes Reward model" in refusal.value.fields["evaluation.judge"][0]


def test_responses_to_other_prompts_are_refused_before_anything_is_queued(
    launch: Launch, others: tuple[Run, Run], cast: Cast
) -> None:
    project = make_project(cast.owner, "Judged")
    decide(project, fill(project, cast.owner))
    dataset = frozen(project, cast.owner)
    policy = launch(dataset=dataset, spec={"evaluation": {"generation": {"prompts": 2}}}, name="Mine")
    judge = launch(dataset=dataset, spec={"kind": "reward_model"})
    Run.objects.filter(project=project).update(state=Run.State.FINISHED, has_model=True)
    held = sorted(prompt_id(one.prompt) for one in project.preferences.filter(split="heldout"))
    lines = "".join(json.dumps({"prompt_id": name}) + "\n" for name in held[:2])
    default_storage.save(artifacts.stored_name(policy.pk, artifacts.RESPONSES), ContentFile(lines.encode()))

    def again(split: str, prompts: int) -> Run:
        spec = judged(judge, policy)
        spec["evaluation"] = spec["evaluation"] | {"generation": {"prompts": prompts}}
        spec["subject"] = {"split": split}
        return launch(subject_run=policy.pk, dataset=None, spec=spec)

    for split, prompts, shared in (("train", 4, "0 of the 4"), ("heldout", 100, f"2 of the {len(held)}")):
        with pytest.raises(Invalid) as refusal:
            again(split, prompts)
        (said,) = refusal.value.fields["evaluation.against"]
        assert f"held-out split of “{dataset}”: it answered {shared} prompts" in said
    assert again("heldout", 4).state == Run.State.QUEUED
    written = artifacts.stored_name(policy.pk, artifacts.RESPONSES)
    default_storage.delete(written)
    default_storage.save(written, ContentFile(b'{"prompt_id": "a'))
    assert again("train", 4).state == Run.State.QUEUED  # a broken file: the worker tells
    later = frozen(project, cast.owner, max_rows_per_strong=1)  # other rows, and the same held out
    spec = judged(judge, policy)
    spec["evaluation"] = spec["evaluation"] | {"generation": {"prompts": 2}}
    assert launch(dataset=later, spec=spec).state == Run.State.QUEUED


def test_responses_that_are_gone_are_told_on_the_worker(
    launch: Launch, others: tuple[Run, Run], tmp_path: Path
) -> None:
    judge, policy = others
    made = launch(spec=judged(judge, policy))
    default_storage.delete(artifacts.stored_name(policy.pk, artifacts.RESPONSES))
    with pytest.raises(NotPrepared, match="The responses of "):
        sources.bring(made, tmp_path / "run")


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("judge", "/etc"),
        ("judge", "../up"),
        ("judge", "a\0b"),
        ("against", "/etc/passwd"),
        ("against", "org/model"),
    ],
)
def test_other_places_are_refused(
    launch: Launch, others: tuple[Run, Run], field: str, named: str, settings: Any
) -> None:
    settings.MODEL_DIRS = []
    spec = judged(others[0])
    spec["evaluation"][field] = named
    with pytest.raises(Invalid) as refusal:
        launch(spec=spec)
    assert list(refusal.value.fields) == [f"evaluation.{field}"]


def test_an_oracle_is_taken_where_models_are_and_nowhere_else(
    launch: Launch, others: tuple[Run, Run], settings: Any, tmp_path: Path
) -> None:
    settings.MODEL_DIRS = [tmp_path / "models"]
    for place in ("models/world.json", "models/world/oracle.json", "elsewhere/world.json", "models/none.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text('{"judge": "oracle"}')
    (tmp_path / "models" / "link.json").symlink_to(tmp_path / "elsewhere" / "world.json")

    def judge(place: str) -> dict[str, Any]:
        return {"evaluation": WRITING | {"judge": str(tmp_path / place)}}

    for place in ("models/world.json", "models/world"):
        specs.recheck_models(launch(spec=judge(place)).spec)
    for place in ("elsewhere/world.json", "models/link.json", "models/none.txt"):
        with pytest.raises(Invalid) as refusal:
            launch(spec=judge(place))
        assert list(refusal.value.fields) == ["evaluation.judge"]
    with pytest.raises(Invalid):  # it is no model to start from
        launch(spec={"model": {"base": str(tmp_path / "models" / "world")}})


def test_a_judge_is_looked_at_again_on_the_worker(
    launch: Launch, others: tuple[Run, Run], settings: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "judge"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    settings.MODEL_DIRS = [tmp_path / "models"]
    made = launch(spec={"evaluation": WRITING | {"judge": str(folder)}})
    (folder / "config.json").unlink()
    with pytest.raises(NotPrepared, match=r"no config\.json"):
        specs.recheck_models(made.spec)


def test_what_a_run_wrote_is_published_and_removed_with_it(launch: Launch, others: tuple[Run, Run]) -> None:
    made = launch()
    top = artifacts.folder(made.pk)
    top.mkdir(parents=True)
    (top / artifacts.RESPONSES).write_text(json.dumps({"response": "Yes"}))
    artifacts.publish(made.pk)
    stored = artifacts.stored_name(made.pk, artifacts.RESPONSES)
    assert default_storage.exists(stored)
    artifacts.remove(made.pk)
    assert not default_storage.exists(stored)
