"""One of everything the API can be asked about, made when first asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from annotation import rules
from annotation.models import (
    Assignment,
    Comparison,
    DatasetPush,
    Gold,
    Invite,
    Label,
    PopDataset,
    PreferenceImport,
    Project,
    User,
    Webhook,
    WebhookDelivery,
)
from annotation.services import (
    adjudication,
    assignments,
    datasets,
    gold,
    invites,
    labels,
    pushes,
    tokens,
    webhook_settings,
    webhooks,
)
from tests.annotation.arenas import voted_arena
from tests.annotation.disputes import disputed
from tests.cast import Cast, add_preferences, make_user, reviewer_of
from training.models import Run

SHA = "5e" * 32


@dataclass
class World:
    """The cast's project, with whatever the endpoint under test needs."""

    cast: Cast
    caller: User | None = None

    @property
    def at(self) -> datetime:
        return timezone.now()

    @cached_property
    def reviewer(self) -> User:
        return reviewer_of(self.cast.project)

    @property
    def slug(self) -> str:
        return self.cast.project.slug

    @cached_property
    def preferences(self) -> int:
        return len(add_preferences(self.cast.project, 12))

    @cached_property
    def invite_and_secret(self) -> tuple[Invite, str]:
        return invites.create(
            project=self.cast.project, role="annotator", by=self.cast.owner, at=self.at, max_uses=9
        )

    @cached_property
    def import_id(self) -> int:
        made = PreferenceImport.objects.create(
            project=self.cast.project,
            format="jsonl",
            filename="a.jsonl",
            state="done",
            created_by=self.cast.owner,
            created_at=self.at,
        )
        return made.pk

    @cached_property
    def lease(self) -> Assignment:
        """A comparison leased to the first annotator."""
        return self.lease_of(self.cast.ann_one)

    @cached_property
    def label(self) -> Label:
        """An answer of the first annotator."""
        return labels.submit(
            assignment_id=self.lease.pk, verdict="first", by=self.cast.ann_one, at=self.at, key=uuid4()
        )

    @cached_property
    def dispute(self) -> Comparison:
        """A comparison the annotators disagree about."""
        return disputed(self.cast)

    @cached_property
    def decided(self) -> Comparison:
        """One that was decided: by the caller, if they may."""
        caller = self.caller or self.cast.owner
        by = caller if rules.can_review(caller, self.cast.project) else self.cast.owner
        adjudication.decide(comparison=self.dispute, outcome="low", by=by, at=self.at)
        return self.dispute

    @cached_property
    def pair(self) -> tuple[int, int]:
        """Two preferences of the training split."""
        made = add_preferences(self.cast.project, 2)
        return made[0].pk, made[1].pk

    @cached_property
    def gold(self) -> Gold:
        one, other = self.pair
        return gold.add(
            project=self.cast.project,
            one=one,
            other=other,
            answer="one",
            use="check",
            by=self.cast.owner,
            at=self.at,
        )

    @cached_property
    def webhook(self) -> Webhook:
        made, _ = webhook_settings.create(
            project=self.cast.project,
            url="https://hooks.example.org/pop",
            events=["run.finished"],
            by=self.cast.owner,
            at=self.at,
        )
        return made

    @cached_property
    def delivery(self) -> WebhookDelivery:
        """A message that was given up."""
        made = webhooks.queue(self.webhook, "ping", {}, self.at)
        made.state = WebhookDelivery.State.FAILED
        made.save()
        return made

    def lease_of(self, user: User) -> Assignment:
        assert self.preferences
        lease = assignments.next_for(project=self.cast.project, by=user, at=self.at)
        assert lease is not None
        return lease

    def answer(self, user: User) -> None:
        labels.submit(assignment_id=self.lease_of(user).pk, verdict="first", by=user, at=self.at, key=uuid4())

    @cached_property
    def answered_by_all(self) -> int:
        """Every member has given one answer."""
        everyone = (self.cast.owner, self.cast.admin, self.cast.ann_one, self.reviewer)
        for user in everyone:
            self.answer(user)
        return len(everyone)

    @cached_property
    def dataset(self) -> PopDataset:
        """A dataset really frozen from one answer."""
        assert self.answered_by_all
        made = datasets.freeze(project=self.cast.project, by=self.cast.owner, at=self.at)
        datasets.run_freeze(made.pk)
        made.refresh_from_db()
        assert made.state == "frozen", made.error
        return made

    def dataset_row(self, **fields: object) -> PopDataset:
        """A dataset as a row only: for what never opens its files."""
        number = 77 + PopDataset.objects.filter(project=self.cast.project).count()
        values = {"state": "frozen", "sha256": SHA, "row_count": 3, "number": number} | fields
        return PopDataset.objects.create(
            project=self.cast.project, created_by=self.cast.owner, created_at=self.at, **values
        )

    @cached_property
    def push(self) -> DatasetPush:
        """A push that no worker has taken up."""
        return pushes.start(
            dataset=self.dataset_row(),
            repo_id="acme/tone",
            token="hf_of_nobody",
            by=self.cast.owner,
            at=self.at,
        )

    @cached_property
    def arena(self) -> Project:
        """An arena with a vote, the cast and the reviewer in it."""
        made = voted_arena(self.cast)
        reviewer_of(made)
        return made

    def queued_import(self) -> PreferenceImport:
        """An import that no worker has taken up."""
        return PreferenceImport.objects.create(
            project=self.cast.project, format="jsonl", created_by=self.cast.owner, created_at=self.at
        )

    def run(self, state: str = "finished", **fields: object) -> Run:
        values = {"number": 5, "method": "dpo_pop", "spec": {}} | fields
        values.setdefault("dataset", self.dataset_row())
        return Run.objects.create(
            project=self.cast.project,
            state=state,
            created_by=self.cast.owner,
            created_at=self.at,
            **values,
        )

    def run_with_responses(self) -> Run:
        run = self.run()
        folder = settings.RUNS_DIR / str(run.pk)
        folder.mkdir(parents=True)
        (folder / "generations.jsonl").write_text("{}\n")
        return run

    def run_with_alpaca_files(self) -> Run:
        run = self.run()
        folder = settings.RUNS_DIR / str(run.pk)
        folder.mkdir(parents=True)
        (folder / "alpaca-outputs.json").write_text("[]")
        return run

    def run_that_answered(self) -> Run:
        """With responses of its model and of its reference."""
        run = self.run(number=6)
        folder = settings.RUNS_DIR / str(run.pk)
        folder.mkdir(parents=True)
        for name in ("generations.jsonl", "reference-generations.jsonl"):
            line = {"prompt_id": "p", "prompt": "Why?", "response": name, "tokens": [1], "ended": "eos"}
            (folder / name).write_text(json.dumps(line) + "\n")
        return run

    def run_with_model(self) -> Run:
        run = self.run(has_model=True)
        folder = settings.RUNS_DIR / str(run.pk) / "model"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"weights")
        return run

    @cached_property
    def own_token_key(self) -> str:
        """The name of a token of the caller's."""
        owner = self.caller or make_user("somebody")
        token, _ = tokens.create(name="own", scopes=["read"], by=owner, at=self.at)
        return str(token.token_key)
