from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from annotation.models.assignment import Assignment


class Label(models.Model):
    """One annotator's answer to one comparison. Undo clears `is_current`; `LabelEvent` keeps the story."""

    class Verdict(models.TextChoices):
        FIRST = "first", "First is stronger"
        SECOND = "second", "Second is stronger"
        TOO_CLOSE = "too_close", "Too close"
        CANNOT_JUDGE = "cannot_judge", "Cannot judge"

    assignment = models.ForeignKey("annotation.Assignment", on_delete=models.CASCADE, related_name="labels")
    comparison = models.ForeignKey("annotation.Comparison", on_delete=models.CASCADE, related_name="labels")
    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="labels")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="labels")
    kind = models.CharField(max_length=8, choices=Assignment.Kind.choices, default=Assignment.Kind.WORK)
    supersedes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Edited answer."
    )
    agrees = models.BooleanField(
        null=True, help_text="Gold and practice: it is the known answer. Retest: the same side as before."
    )
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    low_first = models.BooleanField(help_text="The order shown when this answer was given.")
    reason = models.CharField(max_length=500, blank=True)
    first_looks_swapped = models.BooleanField(default=False)
    second_looks_swapped = models.BooleanField(default=False)
    idempotency_key = models.UUIDField(default=uuid.uuid4)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["comparison", "annotator"],
                condition=models.Q(is_current=True, kind="work"),
                name="one_current_label_per_person",
            ),
            models.UniqueConstraint(
                fields=["assignment"],
                condition=models.Q(is_current=True),
                name="one_current_label_per_assignment",
            ),
            models.UniqueConstraint(fields=["annotator", "idempotency_key"], name="label_key_used_once"),
        ]
        indexes = [
            models.Index(fields=["project", "annotator", "-id"], name="label_latest_of_person"),
            models.Index(fields=["project", "created_at"], name="label_by_time"),
        ]

    def __str__(self) -> str:
        return f"label {self.pk}: {self.verdict}"
