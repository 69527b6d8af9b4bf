from __future__ import annotations

from django.conf import settings
from django.db import models


class PopDataset(models.Model):
    """A frozen PoP dataset: rows (strong preference, weak preference), hashed over canonical JSON lines.

    Its files lie in storage under `folder`: `preferences.parquet`, `rows.parquet`, `manifest.json`.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        FREEZING = "freezing", "Freezing"
        FROZEN = "frozen", "Frozen"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="datasets")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    options = models.JSONField(default=dict)
    folder = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    row_count = models.PositiveIntegerField(default=0)
    heldout_row_count = models.PositiveIntegerField(default=0)
    preference_count = models.PositiveIntegerField(default=0)
    manifest = models.JSONField(default=dict)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True, blank=True)
    snapshot_at = models.DateTimeField(null=True, blank=True, help_text="It holds the labels of this moment.")
    error = models.TextField(blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    frozen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="dataset_numbered_once"),
            models.CheckConstraint(
                condition=~models.Q(state="frozen") | ~models.Q(sha256=""), name="frozen_has_hash"
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.project} #{self.number}"
