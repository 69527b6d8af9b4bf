"""Changing an answer."""

from __future__ import annotations

from uuid import uuid4

from django import forms

from annotation.models import Label

VERDICTS = (
    (Label.Verdict.FIRST, "A is stronger"),
    (Label.Verdict.SECOND, "B is stronger"),
    (Label.Verdict.TOO_CLOSE, "Too close"),
    (Label.Verdict.CANNOT_JUDGE, "Cannot judge"),
)
VERDICT_WORDS = {value.value: words for value, words in VERDICTS}


class CorrectionForm(forms.Form):
    correction = forms.CharField(
        label="Why it is corrected",
        max_length=500,
        required=False,
        help_text="A frozen dataset holds this answer. It stays as it is; the next one sees the correction.",
    )


class AnswerForm(CorrectionForm):
    """`key` is made with the form: sending it twice changes the answer once."""

    verdict = forms.ChoiceField(choices=VERDICTS, widget=forms.RadioSelect)
    reason = forms.CharField(label="Note", max_length=500, required=False)
    first_looks_swapped = forms.BooleanField(label="A looks swapped", required=False)
    second_looks_swapped = forms.BooleanField(label="B looks swapped", required=False)
    key = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)
    field_order = ("verdict", "first_looks_swapped", "second_looks_swapped", "reason", "correction")

    @classmethod
    def of(cls, label: Label) -> AnswerForm:
        names = ("verdict", "reason", "first_looks_swapped", "second_looks_swapped")
        return cls(initial={name: getattr(label, name) for name in names})
