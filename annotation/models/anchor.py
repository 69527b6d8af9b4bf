from __future__ import annotations

from django.conf import settings
from django.db import models


class Anchor(models.Model):
    """A preference whose quota of k wins the iterative strategy is filling. Made when first needed.

    `wins + in_flight` never exceeds `quota`: a comparison is only drawn for an anchor that has a free slot.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        FULL = "full", "Full"
        EXHAUSTED = "exhausted", "Exhausted"

    pool = models.ForeignKey("annotation.Pool", on_delete=models.CASCADE, related_name="anchors")
    preference = models.OneToOneField(
        "annotation.Preference", on_delete=models.CASCADE, related_name="anchor"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    quota = models.PositiveSmallIntegerField(help_text="k of the project when the anchor was made.")
    wins = models.PositiveSmallIntegerField(default=0)
    in_flight = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0, help_text="Comparisons drawn for this anchor.")
    attempt_limit = models.PositiveIntegerField()
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The annotator it is pinned to while it lasts.",
    )
    held_until = models.DateTimeField(null=True, blank=True)
    partner_pool_size = models.BigIntegerField(default=0)
    partner_cursor = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quota__gte=models.F("wins") + models.F("in_flight")),
                name="anchor_never_over_quota",
            ),
        ]
        indexes = [
            # Only anchors a comparison can be drawn for: the one most worked on is found without a scan.
            models.Index(
                fields=["pool", "attempts", "id"],
                name="anchor_with_room",
                condition=models.Q(
                    state="open",
                    quota__gt=models.F("wins") + models.F("in_flight"),
                    attempt_limit__gt=models.F("attempts"),
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"anchor {self.preference_id}: {self.wins}/{self.quota}"
