"""Where a webhook's messages go, and which."""

from __future__ import annotations

from django import forms

from annotation.services.webhooks import EVENTS


class WebhookForm(forms.Form):
    """A new webhook."""

    url = forms.CharField(
        max_length=500,
        label="Address",
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/hooks/pop", "autocomplete": "off"}),
        help_text="Each message is a POST of JSON, signed.",
    )
    events = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {when}") for name, when in EVENTS.items()],
        widget=forms.CheckboxSelectMultiple,
        label="Tell it of",
    )


class WebhookChangeForm(WebhookForm):
    """The same later on."""

    is_active = forms.BooleanField(
        required=False, label="Active", help_text="While it is paused, its messages wait."
    )
