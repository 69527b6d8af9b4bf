"""Choices of a form's field that are known when the form is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from django import forms


def offer(form: forms.Form, name: str, choices: Iterable[tuple[str, str]]) -> None:
    """Offer these (value, words) in a field of choices."""
    cast("forms.ChoiceField", form.fields[name]).choices = list(choices)
