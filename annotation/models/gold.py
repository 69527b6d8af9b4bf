from __future__ import annotations

from django.conf import settings
from django.db import models


class Gold(models.Model):
    """A comparison whose answer is known. Its comparison may be an ordinary one, or one made for it.

    A comparison made for it wants no labels (`needed` = 0), so that it is in no queue and in no dataset.
    """

    class Use(models.TextChoices):
        CHECK = "check", "Mixed into the work"
        PRACTICE = "practice", "Practice round"

    class Source(models.TextChoices):
        SCORES = "scores", "From scores"
        ADMIN = "admin", "Chosen by an admin"

    class Answer(models.TextChoices):
        LOW = "low", "Low is stronger"
        HIGH = "high", "High is stronger"

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="golds")
    comparison = models.OneToOneField("annotation.Comparison", on_delete=models.CASCADE, related_name="gold")
    answer = models.CharField(max_length=4, choices=Answer.choices)
    use = models.CharField(max_length=8, choices=Use.choices, default=Use.CHECK)
    source = models.CharField(max_length=6, choices=Source.choices)
    explanation = models.CharField(max_length=500, blank=True, help_text="Shown after a practice answer.")
    retired_at = models.DateTimeField(null=True, blank=True, help_text="Handed out no more.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["project", "use", "id"],
                name="gold_in_use",
                condition=models.Q(retired_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"gold {self.comparison_id}: {self.answer}"
