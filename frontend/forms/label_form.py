"""Changing an answer."""

from __future__ import annotations

from uuid import uuid4

from django import forms
from django.http import QueryDict

from annotation.models import Label
from frontend import wording
from frontend.forms.choices import offer


class CorrectionForm(forms.Form):
    correction = forms.CharField(
        label="Why it is corrected",
        max_length=500,
        required=False,
        help_text="A frozen dataset holds this answer. It stays as it is; the next one sees the correction.",
    )


class AnswerForm(CorrectionForm):
    """`key` is made with the form: sending it twice changes the answer once."""

    verdict = forms.ChoiceField(choices=Label.Verdict.choices, widget=forms.RadioSelect)
    reason = forms.CharField(label="Note", max_length=500, required=False)
    first_looks_swapped = forms.BooleanField(label="A looks swapped", required=False)
    second_looks_swapped = forms.BooleanField(label="B looks swapped", required=False)
    key = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)
    field_order = ("verdict", "first_looks_swapped", "second_looks_swapped", "reason", "correction")

    @classmethod
    def of(cls, label: Label, data: QueryDict | None = None) -> AnswerForm:
        """In the words of the project; a response of an arena cannot look swapped."""
        flags = ("first_looks_swapped", "second_looks_swapped")
        form = cls(data, initial={name: getattr(label, name) for name in ("verdict", "reason", *flags)})
        offer(form, "verdict", wording.verdicts(label.project).items())
        for name in flags if label.project.is_arena else ():
            del form.fields[name]
        return form
