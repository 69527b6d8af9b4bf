"""Forms of a project: new, and its settings."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.http import QueryDict

from annotation.models import Project
from annotation.models.project import DEFAULT_QUESTION
from frontend.forms.strategies import strategy_choices


class SettingsForm(forms.Form):
    """What a project's settings are; the service says what may still change."""

    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    question = forms.CharField(
        max_length=300,
        initial=DEFAULT_QUESTION,
        help_text="Asked above every comparison. Ask for the difference, not for the better answer.",
    )
    guidelines = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "true"}),
        help_text="Markdown. Annotators open it with one key while they work.",
    )
    strategy = forms.ChoiceField(choices=strategy_choices, widget=forms.RadioSelect, initial="random")
    k = forms.IntegerField(
        label="k, rows per strong preference",
        min_value=1,
        max_value=64,
        initial=2,
        help_text="How many weaker partners each stronger preference should end up with.",
    )
    attempt_cap = forms.IntegerField(
        label="Attempt cap",
        min_value=1,
        max_value=20,
        initial=3,
        help_text="With anchors: one is given up after k times this many comparisons.",
    )
    reuse = forms.BooleanField(
        label="Reuse wins of partners",
        required=False,
        initial=True,
        help_text="With anchors: a partner that wins fills its own quota too: a third fewer labels.",
    )
    labels_per_comparison = forms.IntegerField(
        label="Labels per comparison",
        min_value=1,
        max_value=25,
        initial=1,
        help_text="More than one lets you measure agreement, and costs that many times the work.",
    )
    lease_minutes = forms.IntegerField(
        label="Lease time, minutes",
        min_value=1,
        max_value=1440,
        initial=15,
        help_text="A comparison somebody opened and left goes back to the queue after this long.",
    )
    holdout_percent = forms.IntegerField(
        label="Held out, percent",
        min_value=0,
        max_value=50,
        initial=10,
        help_text="This share of the preferences is never trained on: evaluations use it. Fixed by content "
        "hash at import, so that importing a file again agrees.",
    )

    gold_percent = forms.IntegerField(
        label="Gold, percent",
        min_value=0,
        max_value=50,
        initial=0,
        help_text="Share of what annotators get that is a check: its answer is known, and they cannot tell.",
    )
    retest_percent = forms.IntegerField(
        label="Retests, percent",
        min_value=0,
        max_value=50,
        initial=0,
        help_text="Share that is one of their own earlier comparisons again, with its sides swapped.",
    )
    practice_size = forms.IntegerField(
        label="Practice comparisons",
        min_value=0,
        max_value=20,
        initial=0,
        help_text="Answered with feedback before a person's first real one. 0: no practice.",
    )

    dispute_below = forms.FloatField(
        label="Disputed below, share of votes",
        min_value=0,
        max_value=1,
        initial=0.0,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text="With several labels a comparison: ties go to a reviewer, and so does a winner with less "
        "than this share of the votes. 0: ties only.",
    )

    @classmethod
    def of(cls, project: Project, data: QueryDict | None = None, fixed: Iterable[str] = ()) -> SettingsForm:
        """The project's settings; those in `fixed` are shown and cannot be changed."""
        form = cls(data, initial={name: getattr(project, name) for name in cls.base_fields})
        for name in fixed:
            form.fields[name].disabled = True
        return form


class ArenaSettingsForm(SettingsForm):
    """An arena has no strategy, no k and nothing held out; it has battles."""

    strategy = k = attempt_cap = reuse = holdout_percent = None  # type: ignore[assignment]
    question = forms.CharField(max_length=300, help_text="Asked above every battle.")
    battles = forms.IntegerField(
        label="Battles wanted",
        min_value=1,
        help_text="How many comparisons to ask for in all. More can be asked for at any time.",
    )
    names_told = forms.ChoiceField(
        label="Models are told",
        choices=Project.NamesTold.choices,
        help_text="After each answer, an answer stands as it is, and whoever meets a prompt again may "
        "recognise a response. Fixed once the first battle was drawn.",
    )


class RaiseForm(forms.Form):
    """The numbers that may still be raised in the middle of the work."""

    k = SettingsForm.base_fields["k"]
    attempt_cap = SettingsForm.base_fields["attempt_cap"]
    labels_per_comparison = SettingsForm.base_fields["labels_per_comparison"]
