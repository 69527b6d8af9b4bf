"""A project with one of everything the manager's pages show, made through the services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from annotation.models import (
    ApiToken,
    Comparison,
    Gold,
    Invite,
    Label,
    Membership,
    PopDataset,
    PreferenceImport,
    Project,
    User,
    Webhook,
    WebhookDelivery,
)
from annotation.services import (
    datasets,
    gold_sampling,
    imports,
    invites,
    tokens,
    webhook_settings,
    webhooks,
)
from tests.annotation.arenas import voted_arena
from tests.annotation.disputes import disputed
from tests.annotation.playing import label_everything
from tests.cast import Cast, add_preferences
from training.engine.spec import RunSpec
from training.models import Evaluation, Run, RunEvent

LINES = b"""{"prompt": "Why is the sky blue?", "chosen": "Rayleigh.", "rejected": "Paint.", "score_chosen": 5, "score_rejected": 1}
{"prompt": "Same?", "chosen": "Same.", "rejected": "Same."}
not json
"""  # noqa: E501 - lines as they stand in a file


@dataclass(frozen=True)
class Desk:
    """The cast's project with an import, a dataset, a finished run, an invite and the owner's token."""

    cast: Cast
    done_import: PreferenceImport
    dataset: PopDataset
    run: Run
    invite: Invite
    invite_secret: str
    token: ApiToken

    @property
    def project(self) -> Project:
        return self.cast.project

    @property
    def gold(self) -> Gold:
        """One of three, made when first asked for."""
        if not self.project.golds.exists():
            gold_sampling.from_scores(
                project=self.project,
                count=3,
                min_gap=0.25,
                use="check",
                by=self.cast.owner,
                at=timezone.now(),
            )
        return self.project.golds.earliest("pk")

    @property
    def dispute(self) -> Comparison:
        """A comparison the annotators disagree about, made when first asked for."""
        waiting = Comparison.objects.filter(pool__project=self.project, disputed=True)
        return waiting.first() or disputed(self.cast)

    @property
    def arena(self) -> Project:
        """An arena with a vote, made when first asked for."""
        return Project.objects.filter(kind="arena").first() or voted_arena(self.cast)

    @property
    def webhook(self) -> Webhook:
        """One whose first message was given up, made when first asked for."""
        found = Webhook.objects.filter(project=self.project).first()
        return found or given_up(self.cast).webhook

    @property
    def delivery(self) -> tuple[int, int]:
        """The ids of that webhook and its message."""
        return self.webhook.pk, self.webhook.deliveries.latest("pk").pk

    @property
    def label(self) -> Label:
        """The first annotator's."""
        return Label.objects.filter(annotator=self.cast.ann_one, is_current=True).latest("pk")

    @property
    def member(self) -> Membership:
        return Membership.objects.get(project=self.project, user=self.cast.ann_two)


def below(folder: Path) -> dict[str, Any]:
    """Settings that keep files, uploads and run folders there; static files by their plain names."""
    return {
        "RUNS_DIR": folder / "runs",
        "STORAGES": {
            "default": {
                "BACKEND": "django.core.files.storage.FileSystemStorage",
                "OPTIONS": {"location": str(folder / "files")},
            },
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        },
    }


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    """Files, uploads and run folders of the test's own."""
    for name, value in below(tmp_path).items():
        setattr(settings, name, value)


@pytest.fixture
def desk(cast: Cast) -> Desk:
    return make_desk(cast)


def make_desk(cast: Cast) -> Desk:
    now = timezone.now()
    invite, secret = invites.create(project=cast.project, role="annotator", by=cast.owner, at=now, max_uses=9)
    token, _ = tokens.create(name="script", scopes=["read"], by=cast.owner, at=now)
    done = bring(cast, LINES)
    add_preferences(cast.project, 6)
    label_everything(cast.project, [cast.ann_one], at=now - timedelta(minutes=2))
    dataset = freeze(cast, "First pass")
    return Desk(cast, done, dataset, finished_run(dataset), invite, secret, token)


def bring(cast: Cast, lines: bytes, name: str = "set.jsonl") -> PreferenceImport:
    """Import the lines here and now."""
    upload = SimpleUploadedFile(name, lines)
    started = imports.start_file(project=cast.project, upload=upload, by=cast.owner, at=timezone.now())
    imports.run(started.pk)
    started.refresh_from_db()
    return started


def given_up(cast: Cast, url: str = "https://hooks.example.org/pop") -> WebhookDelivery:
    """A message of a new webhook, given up."""
    now = timezone.now()
    hook, _ = webhook_settings.create(
        project=cast.project, url=url, events=["dataset.frozen"], by=cast.owner, at=now
    )
    made = webhooks.queue(hook, "dataset.frozen", {"project": cast.project.slug}, now)
    answer = {"attempts": 10, "response_status": 500, "response_excerpt": "not today"}
    WebhookDelivery.objects.filter(pk=made.pk).update(state=WebhookDelivery.State.FAILED, **answer)
    return made


def freeze(cast: Cast, name: str = "") -> PopDataset:
    dataset = datasets.freeze(project=cast.project, by=cast.owner, at=timezone.now(), name=name)
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert dataset.state == PopDataset.State.FROZEN, dataset.error
    return dataset


def make_run(dataset: PopDataset, **fields: Any) -> Run:
    number = Run.objects.filter(project=dataset.project).count() + 1
    values = {
        "number": number,
        "method": "dpo_pop",
        "spec": RunSpec().model_dump(mode="json"),
        "state": "queued",
    }
    return Run.objects.create(
        project=dataset.project,
        dataset=dataset,
        created_by=dataset.created_by,
        created_at=timezone.now(),
        **(values | fields),
    )


def finished_run(dataset: PopDataset) -> Run:
    """A run with metrics, an evaluation that worked, one that was skipped, and no model files."""
    run = make_run(dataset, state="finished", step=2, stage_total=2, latest={"loss": 0.5})
    RunEvent.objects.bulk_create(
        RunEvent(
            run=run, seq=100 * step, kind="metrics", step=step, at=run.created_at, data={"loss": 0.7 / step}
        )
        for step in (1, 2)
    )
    for name, result in (
        ("pair_accuracy", {"n": 40, "accuracy": 0.725, "interval": [0.6, 0.85]}),
        ("pop_accuracy", {"skipped": "The dataset has no held-out comparisons."}),
    ):
        Evaluation.objects.create(
            run=run, name=name, result=result, dataset_sha256=dataset.sha256, created_at=run.created_at
        )
    return run


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner_client(cast: Cast) -> Client:
    return signed_in(cast.owner)
