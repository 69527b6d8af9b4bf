from __future__ import annotations

from django.db import models


class PreferenceFlag(models.Model):
    """An annotator said that chosen and rejected look swapped. It counts while its label does."""

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="flags")
    preference = models.ForeignKey("annotation.Preference", on_delete=models.CASCADE, related_name="flags")
    label = models.ForeignKey("annotation.Label", on_delete=models.CASCADE, related_name="flags")
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["preference", "label"], name="flagged_once_per_label")]
        indexes = [models.Index(fields=["project", "preference"], name="flag_by_preference")]

    def __str__(self) -> str:
        return f"flag on {self.preference_id} by label {self.label_id}"
