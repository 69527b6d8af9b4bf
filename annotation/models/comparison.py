from __future__ import annotations

from django.db import models


class Comparison(models.Model):
    """An unordered pair of preferences put to annotators. `low` is the one with the smaller id."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        RESOLVED = "resolved", "Resolved"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Outcome(models.TextChoices):
        LOW = "low", "Low is stronger"
        HIGH = "high", "High is stronger"
        NONE = "none", "No winner"

    pool = models.ForeignKey("annotation.Pool", on_delete=models.CASCADE, related_name="comparisons")
    low = models.ForeignKey("annotation.Preference", on_delete=models.CASCADE, related_name="+")
    high = models.ForeignKey("annotation.Preference", on_delete=models.CASCADE, related_name="+")
    anchor = models.ForeignKey(
        "annotation.Anchor", null=True, blank=True, on_delete=models.SET_NULL, related_name="comparisons"
    )
    holds_slot = models.BooleanField(default=False, help_text="Counted in its anchor's in_flight.")
    credited = models.ForeignKey(
        "annotation.Anchor",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The anchor whose wins this outcome raised.",
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    needed = models.PositiveSmallIntegerField(help_text="Labels wanted.")
    free_slots = models.PositiveSmallIntegerField(help_text="needed − current labels − live leases.")
    label_count = models.PositiveSmallIntegerField(default=0)
    outcome = models.CharField(max_length=5, choices=Outcome.choices, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    disputed = models.BooleanField(default=False, help_text="Waits for a reviewer.")
    adjudicated = models.BooleanField(default=False, help_text="A reviewer decided: votes no longer do.")
    needs_fold = models.BooleanField(
        default=False, help_text="Its labels changed since the agreement figures counted them."
    )
    folded = models.JSONField(
        default=list, help_text="The votes the agreement figures hold now: [[annotator, vote], …]."
    )
    # Grows when the comparison comes back to the queue, so that everyone's cursor meets it again.
    queue_position = models.BigIntegerField()
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["low", "high"], name="pair_compared_once"),
            models.CheckConstraint(condition=models.Q(low__lt=models.F("high")), name="low_before_high"),
            models.CheckConstraint(
                condition=models.Q(needed__gte=models.F("label_count") + models.F("free_slots")),
                name="comparison_never_over_overlap",
            ),
            models.CheckConstraint(
                condition=models.Q(free_slots__gte=0, label_count__gte=0),
                name="comparison_counts_not_negative",
            ),
        ]
        indexes = [
            models.Index(
                fields=["pool", "queue_position"],
                name="comparison_waiting",
                condition=models.Q(free_slots__gt=0),
            ),
            models.Index(fields=["pool", "state", "id"], name="comparison_by_state"),
            models.Index(
                fields=["pool", "id"], name="comparison_disputed", condition=models.Q(disputed=True)
            ),
            models.Index(
                fields=["pool", "id"], name="comparison_to_fold", condition=models.Q(needs_fold=True)
            ),
        ]

    def __str__(self) -> str:
        return f"comparison {self.pk}"
