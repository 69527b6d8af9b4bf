from __future__ import annotations

from django.conf import settings
from django.db import models


class DatasetPush(models.Model):
    """One upload of a frozen dataset to the Hugging Face Hub."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    dataset = models.ForeignKey("annotation.PopDataset", on_delete=models.CASCADE, related_name="pushes")
    repo_id = models.CharField(max_length=200)
    private = models.BooleanField(default=True)
    sealed_token = models.TextField(
        blank=True, help_text="The person's token, encrypted under the server's key; empty once it has ended."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    url = models.URLField(max_length=500, blank=True)
    error = models.TextField(blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "dataset pushes"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"push of {self.dataset_id} to {self.repo_id}"
