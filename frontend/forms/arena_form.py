"""Forms of an arena: made of runs, and its votes made into preferences."""

from __future__ import annotations

from django import forms

from annotation.models import Project


class ArenaForm(forms.Form):
    """What is asked of a new arena; the runs come beside it."""

    name = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Annotators read it: name no model.",
    )
    battles = forms.IntegerField(
        label="Battles",
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="How many comparisons to ask for. Empty: every two different responses to a prompt.",
    )
    labels_per_comparison = forms.IntegerField(
        label="Votes per battle", min_value=1, max_value=25, initial=1, help_text="By different people."
    )
    names_told = forms.ChoiceField(
        label="Models are told",
        choices=Project.NamesTold.choices,
        initial=Project.NamesTold.CLOSED,
        help_text="Told after each answer, an answer can no longer be changed.",
    )
    with_reference = forms.BooleanField(label="The reference takes part too", required=False)
