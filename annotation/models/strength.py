from __future__ import annotations

from django.db import models


class Strength(models.Model):
    """Bradley-Terry strength θ of a preference, fitted to PoP labels: P(i stronger than j) = σ(θᵢ − θⱼ)."""

    pool = models.ForeignKey("annotation.Pool", on_delete=models.CASCADE, related_name="strengths")
    preference = models.OneToOneField(
        "annotation.Preference", on_delete=models.CASCADE, related_name="strength"
    )
    theta = models.FloatField(default=0.0, help_text="Posterior mean, nats.")
    sd = models.FloatField(help_text="Posterior standard deviation, nats.")
    wins = models.PositiveIntegerField(default=0)
    losses = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["pool", "-theta", "id"], name="strength_by_theta")]
        constraints = [models.CheckConstraint(condition=models.Q(sd__gt=0), name="strength_sd_positive")]

    def __str__(self) -> str:
        return f"strength of {self.preference_id}: {self.theta:.2f}"
