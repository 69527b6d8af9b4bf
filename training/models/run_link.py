from __future__ import annotations

from django.db import models


class RunLink(models.Model):
    """One run was made from another's model or responses, or evaluates it. The other is deleted after it."""

    class Role(models.TextChoices):
        BASE = "base", "Base model"
        REWARD_MODEL = "reward_model", "Reward model"
        JUDGE = "judge", "Judge"
        AGAINST = "against", "Judged against"
        SUBJECT = "subject", "Evaluated run"

    run = models.ForeignKey("training.Run", on_delete=models.CASCADE, related_name="sources")
    source = models.ForeignKey("training.Run", on_delete=models.PROTECT, related_name="uses")
    role = models.CharField(max_length=12, choices=Role.choices)

    class Meta:
        ordering = ["role"]
        constraints = [models.UniqueConstraint(fields=["run", "role"], name="one_source_a_role")]

    def __str__(self) -> str:
        return f"{self.role} of run {self.run_id}"
