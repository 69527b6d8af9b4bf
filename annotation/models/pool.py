from __future__ import annotations

from django.db import models


class Split(models.TextChoices):
    TRAIN = "train", "Training"
    HELDOUT = "heldout", "Held out"


class Pool(models.Model):
    """The preferences of one split of a project and the position of its sampling stream.

    The stream is a seeded permutation over a pool of `epoch_size` preferences; `counter` is how much of it
    has been drawn. When the pool has grown since, the next draw opens a new epoch. What was drawn and
    labelled is counted in tallies, one row a person: nobody waits for a count.
    """

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="pools")
    split = models.CharField(max_length=8, choices=Split.choices)
    size = models.BigIntegerField(default=0)
    epoch = models.PositiveIntegerField(default=0)
    epoch_size = models.BigIntegerField(default=0)
    counter = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "split"], name="one_pool_per_split"),
            models.CheckConstraint(
                condition=models.Q(size__gte=0, counter__gte=0),
                name="pool_counts_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.split} pool of {self.project}"
