from __future__ import annotations

from django.db import models


class AgreementPattern(models.Model):
    """How many comparisons of a project were answered so often for low, for high and as too close.

    Agreement follows from these counts alone. `folding` keeps them equal to what `Comparison.folded` says.
    """

    project = models.ForeignKey(
        "annotation.Project", on_delete=models.CASCADE, related_name="agreement_patterns"
    )
    low = models.SmallIntegerField()
    high = models.SmallIntegerField()
    too_close = models.SmallIntegerField()
    comparisons = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "low", "high", "too_close"], name="agreement_pattern_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.comparisons} × {self.low}/{self.high}/{self.too_close}"
