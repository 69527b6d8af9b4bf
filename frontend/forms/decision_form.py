"""A reviewer's decision about a disputed comparison."""

from __future__ import annotations

from django import forms

from annotation.models import Comparison
from annotation.services.adjudication import REASON_LENGTH


class DecisionForm(forms.Form):
    """The outcome is the button that was pressed; the reason may be left out."""

    outcome = forms.ChoiceField(choices=Comparison.Outcome.choices)
    reason = forms.CharField(max_length=REASON_LENGTH, required=False)
