"""Small forms of the manager's pages: imports, invites, tokens, freezes."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.template.defaultfilters import filesizeformat

from annotation.consensus import RULES
from annotation.imports import FORMATS
from annotation.models import ApiToken, Role

ENDINGS = ",".join(ending for item in FORMATS.values() for ending in (*item.endings, f"{item.endings[0]}.gz"))
INVITE_ROLES = [(role.value, role.label) for role in (Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN)]


class UploadForm(forms.Form):
    """A file of preferences."""

    upload = forms.FileField(
        label="File",
        widget=forms.ClearableFileInput(attrs={"accept": ENDINGS}),
    )

    @staticmethod
    def limit() -> str:
        return filesizeformat(settings.MAX_UPLOAD_BYTES)


class HubForm(forms.Form):
    """A Hugging Face dataset to stream preferences from."""

    dataset = forms.CharField(
        max_length=200,
        label="Dataset id",
        widget=forms.TextInput(
            attrs={"placeholder": "trl-lib/ultrafeedback_binarized", "autocomplete": "off"}
        ),
        help_text="As in its address: huggingface.co/datasets/<id>.",
    )
    config = forms.CharField(
        max_length=200, required=False, label="Configuration", help_text="Empty: the default one."
    )
    split = forms.CharField(max_length=100, initial="train", label="Split")
    limit = forms.IntegerField(
        required=False, min_value=1, label="At most", help_text="Rows to read. Empty: all of them."
    )


class InviteForm(forms.Form):
    """A link that makes whoever follows it a member."""

    role = forms.ChoiceField(choices=INVITE_ROLES, initial=Role.ANNOTATOR)
    max_uses = forms.IntegerField(
        label="Uses", min_value=1, max_value=10_000, initial=1, help_text="How many people may join by it."
    )
    valid_days = forms.IntegerField(label="Valid for, days", min_value=1, max_value=365, initial=14)


class TokenForm(forms.Form):
    """An API token that acts as the person who makes it."""

    name = forms.CharField(
        max_length=100,
        help_text="What uses it, so that you know which one to revoke.",
        widget=forms.TextInput(attrs={"placeholder": "Training cluster", "autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        choices=ApiToken.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=[ApiToken.Scope.READ],
        label="It may",
    )
    days = forms.IntegerField(
        label="Expires after, days",
        required=False,
        min_value=1,
        max_value=3650,
        help_text="Empty: never.",
    )


class FreezeForm(forms.Form):
    """What goes into a frozen dataset."""

    name = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "First pass", "autocomplete": "off"}),
        help_text="Empty: the project's name and a number.",
    )
    max_rows_per_strong = forms.IntegerField(
        label="Most rows per strong preference",
        required=False,
        min_value=1,
        max_value=1000,
        help_text="The surest ones are kept. Empty: all of them.",
    )
    min_confidence = forms.FloatField(
        label="Lowest confidence",
        min_value=0,
        max_value=1,
        initial=0,
        help_text="0 to 1. Rows whose consensus is less sure are left out.",
    )
    consensus = forms.ChoiceField(
        choices=[(rule.name, rule.title) for rule in RULES.values()],
        initial="majority",
        required=False,
        label="Consensus rule",
        help_text="What decides a comparison from its labels. All but majority look at every label at once.",
    )
    include_ties = forms.BooleanField(
        required=False,
        label="Include “too close” as ties",
        help_text="As rows marked “tie”, with confidence 0.5. Training leaves them out.",
    )
    resplit_share = forms.FloatField(
        label="Hold out this share instead",
        required=False,
        min_value=0.01,
        max_value=0.5,
        help_text="0.01 to 0.5. Preferences are split anew; rows across are left out. Empty: as imported.",
    )
    resplit_seed = forms.IntegerField(label="Seed of the split", required=False, min_value=0, initial=0)
    inferred_at_least = forms.FloatField(
        label="Infer rows from this probability",
        required=False,
        min_value=0.51,
        max_value=0.999,
        help_text="0.51 to 0.999. Training rows for pairs nobody compared, by fitted strengths. Empty: none.",
    )
    inferred_per_strong = forms.IntegerField(
        label="Inferred rows per strong preference", required=False, min_value=1, max_value=64, initial=2
    )
    noise = forms.FloatField(
        label="Noise",
        required=False,
        min_value=0,
        max_value=0.5,
        initial=0,
        help_text="0 to 0.5. For studies: in this share of the training rows, strong and weak change places.",
    )
    noise_seed = forms.IntegerField(label="Seed of the noise", required=False, min_value=0, initial=0)

    def more(self) -> list[forms.BoundField]:
        """The options that most freezes leave alone."""
        usual = ("name", "max_rows_per_strong", "min_confidence", "consensus")
        return [self[name] for name in self.fields if name not in usual]

    def more_open(self) -> bool:
        return self.is_bound and any(bool(self.data.get(one.html_name)) for one in self.more() if one.errors)

    def options(self) -> dict[str, object]:
        """What was chosen; an empty rule is the usual one."""
        chosen = {name: value for name, value in self.cleaned_data.items() if name != "name"}
        return {**chosen, "consensus": chosen["consensus"] or None}
