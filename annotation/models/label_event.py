from __future__ import annotations

from django.conf import settings
from django.db import models


class LabelEvent(models.Model):
    """Append-only history of labels: who did what when, with the verdict before and after."""

    class Kind(models.TextChoices):
        SUBMITTED = "submitted", "Submitted"
        UNDONE = "undone", "Undone"
        EDITED = "edited", "Edited"
        CORRECTED = "corrected", "Corrected"  # an edit or undo of what a frozen dataset holds

    label = models.ForeignKey("annotation.Label", on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    old_verdict = models.CharField(max_length=12, blank=True)
    new_verdict = models.CharField(max_length=12, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why a frozen answer was corrected.")
    dataset = models.ForeignKey(
        "annotation.PopDataset",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="corrections",
        help_text="The latest frozen dataset that holds the corrected label.",
    )

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} label {self.label_id}"
