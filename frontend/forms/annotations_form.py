"""A judge's annotations of a run's outputs."""

from __future__ import annotations

from django import forms


class AnnotationsForm(forms.Form):
    """AlpacaEval's annotations.json; what is in it is the service's to check."""

    file = forms.FileField(
        label="Annotations",
        allow_empty_file=True,
        # Kept by htmx when the refused form takes this one's place: no server can fill it in again.
        widget=forms.FileInput(attrs={"accept": ".json", "hx-preserve": "true"}),
        help_text="The annotations.json of alpaca_eval or of pop-train alpaca-judge.",
    )
