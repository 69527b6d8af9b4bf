"""Forms of an arena: made of runs, added to, its responses excluded, its votes made into preferences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.template.defaultfilters import filesizeformat

from annotation.models import Preference, Project
from annotation.services.arenas import NAME_LENGTH
from annotation.services.exclusion import REASON_LENGTH
from frontend.forms.choices import offer


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


BATTLES_LATER = (
    "How many comparisons to ask for from now on. Empty: the same share of all there can be as before."
)


class AddRunsForm(forms.Form):
    """Which arena the compared runs are added to. It stands beside `ArenaForm`: it has a prefix."""

    arena = forms.ChoiceField(label="Arena")
    battles = forms.IntegerField(
        label="Battles", required=False, min_value=1, max_value=2**31 - 1, help_text=BATTLES_LATER
    )
    with_reference = forms.BooleanField(label="The reference is added too", required=False)

    @classmethod
    def of(cls, arenas: Iterable[Project], data: QueryDict | None = None) -> AddRunsForm:
        form = cls(data, prefix="add")
        offer(form, "arena", ((one.slug, one.name) for one in arenas))
        return form


class AddFileForm(forms.Form):
    """Responses that are added to an arena from a file."""

    file = forms.FileField(
        label="File of responses",
        # Kept by htmx when the refused form takes this one's place: no server can fill it in again.
        widget=forms.FileInput(attrs={"accept": ".jsonl,.json,.csv", "hx-preserve": "true"}),
        help_text="JSON lines, a JSON list or CSV: prompt, model, response, and source if you like.",
    )
    model = forms.CharField(
        label="Model",
        required=False,
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Whose they are where the file does not say.",
    )
    battles = forms.IntegerField(
        label="Battles", required=False, min_value=1, max_value=2**31 - 1, help_text=BATTLES_LATER
    )

    def clean_file(self) -> Any:
        given = self.cleaned_data["file"]
        if given.size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            limit = filesizeformat(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
            raise forms.ValidationError(f"The file is larger than {limit}. Add it in parts.")
        return given


class IntoForm(forms.Form):
    """Which project votes become preferences of."""

    into = forms.ChoiceField(label="Into")

    @classmethod
    def of(cls, targets: Iterable[Project], data: QueryDict | None = None) -> IntoForm:
        form = cls(data)
        offer(form, "into", ((one.slug, one.name) for one in targets))
        return form


class ExclusionForm(forms.Form):
    """Why a response is taken out. Many stand on one page: each has its own prefix."""

    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Managers read it, and it stands in the trail.",
    )

    @classmethod
    def of(cls, response: Preference, data: QueryDict | None = None) -> ExclusionForm:
        return cls(data, prefix=f"response-{response.pk}")
