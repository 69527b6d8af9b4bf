from __future__ import annotations

from django.conf import settings
from django.db import models

from annotation.models.comparison import Comparison


class Adjudication(models.Model):
    """A reviewer's decision about a comparison. A later one or a withdrawal leaves the row, not current."""

    comparison = models.ForeignKey(
        "annotation.Comparison", on_delete=models.CASCADE, related_name="adjudications"
    )
    outcome = models.CharField(max_length=5, choices=Comparison.Outcome.choices)
    reason = models.CharField(max_length=500, blank=True)
    votes_outcome = models.CharField(max_length=5, blank=True, help_text="What the votes had said.")
    votes_confidence = models.FloatField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()
    is_current = models.BooleanField(default=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["comparison"],
                condition=models.Q(is_current=True),
                name="one_current_adjudication",
            )
        ]

    def __str__(self) -> str:
        return f"adjudication of {self.comparison_id}: {self.outcome}"
