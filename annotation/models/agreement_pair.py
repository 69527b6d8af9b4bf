from __future__ import annotations

from django.conf import settings
from django.db import models


class AgreementPair(models.Model):
    """How many comparisons two people both answered, and how often alike. `one` has the smaller id."""

    project = models.ForeignKey(
        "annotation.Project", on_delete=models.CASCADE, related_name="agreement_pairs"
    )
    one = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    shared = models.BigIntegerField(default=0)
    same = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "one", "other"], name="agreement_pair_once"),
            models.CheckConstraint(
                condition=models.Q(one__lt=models.F("other")), name="agreement_pair_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.one_id} and {self.other_id}: {self.same} of {self.shared} alike"
