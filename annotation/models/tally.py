from __future__ import annotations

from django.conf import settings
from django.db import models


class Tally(models.Model):
    """One person's share of a pool's counts. Sums over a pool are exact; no row is shared between people.

    A count may be negative in one row: what one person's label decided, another's undo may open again.
    Every count is of current labels; `seconds` and `timed` give the mean time per label.
    """

    pool = models.ForeignKey("annotation.Pool", on_delete=models.CASCADE, related_name="tallies")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tallies")
    drawn = models.BigIntegerField(default=0, help_text="Comparisons made.")
    labels = models.BigIntegerField(default=0, help_text="Work labels.")
    first = models.BigIntegerField(default=0)
    second = models.BigIntegerField(default=0)
    too_close = models.BigIntegerField(default=0)
    cannot_judge = models.BigIntegerField(default=0)
    flags = models.BigIntegerField(default=0, help_text="Preferences flagged as swapped.")
    decided = models.BigIntegerField(default=0, help_text="Comparisons resolved with a winner.")
    undecided = models.BigIntegerField(default=0, help_text="Comparisons resolved without one.")
    full_anchors = models.BigIntegerField(default=0)
    exhausted_anchors = models.BigIntegerField(default=0)
    gold = models.BigIntegerField(default=0, help_text="Gold comparisons answered.")
    gold_right = models.BigIntegerField(default=0)
    retests = models.BigIntegerField(default=0)
    retests_same = models.BigIntegerField(default=0)
    timed = models.BigIntegerField(default=0, help_text="Labels with a duration.")
    milliseconds = models.BigIntegerField(default=0, help_text="Their durations, each at most ten minutes.")
    day = models.DateField(null=True, blank=True, help_text="The UTC day that `day_labels` counts.")
    day_labels = models.BigIntegerField(default=0)
    last_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [models.UniqueConstraint(fields=["pool", "annotator"], name="one_tally_per_person")]

    def __str__(self) -> str:
        return f"tally of {self.annotator_id} in pool {self.pool_id}"
