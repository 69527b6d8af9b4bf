"""Forms of the checks page: gold from scores, gold by choice, an explanation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from annotation.models import Gold, Project
from annotation.services.gold import EXPLANATION_LENGTH
from annotation.services.gold_sampling import MOST
from frontend import wording
from frontend.forms.choices import offer

LARGEST_ID = 2**63 - 1


class FromScoresForm(forms.Form):
    """How many golds to make from scores."""

    count = forms.IntegerField(label="How many", min_value=1, max_value=MOST, initial=20)
    min_gap = forms.FloatField(
        label="Margins at least this far apart",
        min_value=0,
        initial=1.0,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="A margin is score chosen − score rejected. The larger the gap, the clearer the answer.",
    )
    use = forms.ChoiceField(choices=Gold.Use.choices, initial=Gold.Use.CHECK)


class PairForm(forms.Form):
    """One comparison whose answer the manager knows."""

    comparison_id = forms.IntegerField(
        label="Decided comparison",
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="Its number, as in the list of decided comparisons. Or name two preferences:",
    )
    one = forms.IntegerField(
        label="Preference A",
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="Its id, as on the Preferences page.",
    )
    other = forms.IntegerField(
        label="Preference B",
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="The other one’s id.",
    )
    answer = forms.ChoiceField(choices=[("a", "A is stronger"), ("b", "B is stronger")], label="Known answer")
    gold_use = forms.ChoiceField(choices=Gold.Use.choices, label="Use")
    explanation = forms.CharField(
        required=False, max_length=EXPLANATION_LENGTH, help_text="Shown after a practice answer."
    )

    @classmethod
    def of(cls, project: Project, data: QueryDict | None = None) -> PairForm:
        """In the words of the project."""
        form = cls(data)
        word = wording.better(project)
        offer(form, "answer", [("a", f"A is {word}"), ("b", f"B is {word}")])
        if project.is_arena:
            form.fields["one"].label, form.fields["other"].label = "Response A", "Response B"
            form.fields["one"].help_text = "Its id, as on the Responses page; both to one prompt."
            form.fields[
                "comparison_id"
            ].help_text = "Its number, as in the list below. Or name two responses:"
        return form

    def gold(self) -> dict[str, Any]:
        """What the service is told: A and B are low and high of a comparison, or the two named here."""
        given = self.cleaned_data
        sides = ("low", "high") if given["comparison_id"] else ("one", "other")
        return {
            "comparison_id": given["comparison_id"],
            "one": given["one"],
            "other": given["other"],
            "answer": sides[given["answer"] == "b"],
            "use": given["gold_use"],
            "explanation": given["explanation"],
        }
