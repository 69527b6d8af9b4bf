from __future__ import annotations

from django.conf import settings
from django.db import models


class Run(models.Model):
    """One job on a frozen PoP dataset: a model trained, or evaluated again. A worker owns it by `slot`."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        CANCELLING = "cancelling", "Cancelling"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"
        FINISHED = "finished", "Finished"

    class Kind(models.TextChoices):
        PREFERENCE = "preference", "Preference"
        REWARD_MODEL = "reward_model", "Reward model"
        SFT = "sft", "SFT"
        EVALUATION = "evaluation", "Evaluation"

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="runs")
    dataset = models.ForeignKey("annotation.PopDataset", on_delete=models.PROTECT, related_name="runs")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.PREFERENCE)
    method = models.CharField(max_length=40, blank=True, help_text="Empty for kinds without a method.")
    spec = models.JSONField(help_text="The run spec: training.engine.spec.RunSpec.")
    slot = models.CharField(
        max_length=200, blank=True, help_text="Who trains it: worker name and slot number."
    )
    attempt = models.PositiveSmallIntegerField(default=0)
    losses = models.PositiveSmallIntegerField(
        default=0, help_text="Workers lost in a row without a new checkpoint between."
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    events_read = models.BigIntegerField(default=0, help_text="Bytes of events.jsonl already in rows.")
    stage = models.CharField(max_length=40, blank=True)
    stage_done = models.PositiveIntegerField(default=0, help_text="Units of the stage's work done.")
    stage_total = models.PositiveIntegerField(default=0, help_text="Units in the stage; 0: not known.")
    step = models.PositiveIntegerField(default=0, help_text="The newest optimizer step.")
    eta_seconds = models.FloatField(null=True, blank=True)
    latest = models.JSONField(default=dict, help_text="The newest metrics line.")
    warnings = models.JSONField(default=list)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True, help_text="What to do about the error.")
    has_checkpoint = models.BooleanField(default=False)
    has_model = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="run_numbered_once"),
            models.UniqueConstraint(
                fields=["slot"],
                condition=models.Q(state__in=["running", "cancelling"]),
                name="one_run_per_slot",
            ),
        ]
        indexes = [models.Index(fields=["state", "id"], name="run_by_state")]

    def __str__(self) -> str:
        return self.name or f"run {self.number}"
