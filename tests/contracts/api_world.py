"""One of everything the API can be asked about, made when first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from annotation.models import Assignment, Invite, PopDataset, PreferenceImport, User
from annotation.services import assignments, datasets, invites, labels, tokens
from tests.cast import Cast, add_preferences, make_user
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
        everyone = (self.cast.owner, self.cast.admin, self.cast.ann_one)
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
        values = {"state": "frozen", "sha256": SHA, "row_count": 3, "number": 77} | fields
        return PopDataset.objects.create(
            project=self.cast.project, created_by=self.cast.owner, created_at=self.at, **values
        )

    def run(self, state: str = "finished", **fields: object) -> Run:
        values = {"number": 5, "method": "dpo_pop", "spec": {}} | fields
        return Run.objects.create(
            project=self.cast.project,
            dataset=self.dataset_row(),
            state=state,
            created_by=self.cast.owner,
            created_at=self.at,
            **values,
        )

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
