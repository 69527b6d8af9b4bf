"""Where on the Hugging Face Hub a dataset goes."""

from __future__ import annotations

from django import forms


class PushForm(forms.Form):
    repo_id = forms.CharField(
        max_length=200,
        label="Repository",
        widget=forms.TextInput(attrs={"placeholder": "owner/name", "autocomplete": "off"}),
        help_text="Made when it does not exist.",
    )
    token = forms.CharField(
        max_length=500,
        label="Token of the Hub",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="One that may write. It is forgotten when the push has ended.",
    )
    private = forms.BooleanField(required=False, initial=True, label="Private")
