from __future__ import annotations

from django.conf import settings
from django.db import models


class Assignment(models.Model):
    """One comparison leased to one annotator, with the order shown and an expiry."""

    class State(models.TextChoices):
        LEASED = "leased", "Leased"
        LABELLED = "labelled", "Labelled"
        EXPIRED = "expired", "Expired"
        RELEASED = "released", "Released"

    class Kind(models.TextChoices):
        WORK = "work", "Work"
        GOLD = "gold", "Gold"
        RETEST = "retest", "Retest"
        PRACTICE = "practice", "Practice"

    comparison = models.ForeignKey(
        "annotation.Comparison", on_delete=models.CASCADE, related_name="assignments"
    )
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="assignments"
    )
    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="assignments")
    state = models.CharField(max_length=10, choices=State.choices, default=State.LEASED)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.WORK)
    retest_of = models.ForeignKey(
        "annotation.Label", null=True, blank=True, on_delete=models.CASCADE, related_name="retests"
    )
    low_first = models.BooleanField(help_text="The order shown: low on the left.")
    leased_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            # One row per person, comparison and kind: an expired lease is taken up again in place.
            models.UniqueConstraint(
                fields=["comparison", "annotator", "kind"], name="assigned_once_per_person"
            )
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], name="assignment_lease_end", condition=models.Q(state="leased")
            ),
            models.Index(
                fields=["project", "annotator", "id"],
                name="assignment_mine",
                condition=models.Q(state="leased"),
            ),
        ]

    def __str__(self) -> str:
        return f"assignment {self.pk} of comparison {self.comparison_id}"
