from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

DEFAULT_QUESTION = "In which pair is the preferred response better by more?"


class Project(models.Model):
    """One annotation effort: a preference pool, guidelines, a sampling strategy and its members.

    In an arena a preference is one response: `chosen` holds it, `rejected` is empty, and a comparison puts
    two responses to one prompt side by side (ADR 10).
    """

    class Kind(models.TextChoices):
        PREFERENCES = "preferences", "Preferences"
        ARENA = "arena", "Arena"

    class NamesTold(models.TextChoices):
        CLOSED = "closed", "When the arena is archived"
        ANSWERED = "answered", "After each answer"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        PAUSED = "paused", "Paused"
        ARCHIVED = "archived", "Archived"

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.PREFERENCES)
    question = models.CharField(max_length=300, default=DEFAULT_QUESTION)
    guidelines = models.TextField(blank=True, help_text="Markdown, shown to annotators.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    strategy = models.CharField(
        max_length=40, default="random", help_text="Name in the sampling registry: random or iterative."
    )
    k = models.PositiveSmallIntegerField(
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
        help_text="Rows wanted per strong preference.",
    )
    attempt_cap = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="Iterative: give up on an anchor after k times this many comparisons.",
    )
    reuse = models.BooleanField(
        default=True, help_text="Iterative: a partner that wins fills its own quota too."
    )
    labels_per_comparison = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(25)]
    )
    lease_minutes = models.PositiveSmallIntegerField(
        default=15, validators=[MinValueValidator(1), MaxValueValidator(1440)]
    )
    holdout_percent = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(50)],
        help_text="Share of the preferences kept out of training, chosen by content hash at import.",
    )
    gold_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(50)],
        help_text="Share of the comparisons handed out that are gold: their answer is known.",
    )
    retest_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(50)],
        help_text="Share of the comparisons handed out that the person answered before, sides swapped.",
    )
    practice_size = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(20)],
        help_text="Practice comparisons with feedback before the first real one.",
    )
    dispute_below = models.FloatField(
        default=0.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="With several labels a comparison: a winner with less confidence goes to a reviewer.",
    )
    battles = models.PositiveIntegerField(default=0, help_text="Arena: comparisons wanted.")
    battles_possible = models.PositiveIntegerField(
        default=0, help_text="Arena: comparisons there can be, each pair of different responses once."
    )
    names_told = models.CharField(
        max_length=8,
        choices=NamesTold.choices,
        default=NamesTold.CLOSED,
        help_text="Arena: when annotators are told which model wrote what.",
    )
    seed = models.BigIntegerField(help_text="Seeds every permutation of the project.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(k__gte=1), name="project_k_positive"),
            models.CheckConstraint(
                condition=models.Q(labels_per_comparison__gte=1), name="project_overlap_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(holdout_percent__lte=50), name="project_holdout_at_most_half"
            ),
            models.CheckConstraint(
                condition=models.Q(battles_possible__gte=models.F("battles")),
                name="project_battles_possible",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_arena(self) -> bool:
        return self.kind == self.Kind.ARENA
