"""What the runs API says and takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, get_args

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.routing import MAX_ID
from training.engine.events import Kind
from training.models import Evaluation, Run, RunEvent, RunLink
from training.selectors import lineage as family

KINDS: list[str] = list(get_args(Kind))


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run in a list: where it stands."""

    project_id = serializers.IntegerField()
    dataset_id = serializers.IntegerField()
    created_by = serializers.CharField(source="created_by.username")
    latest = serializers.DictField(help_text="The newest metrics.")

    class Meta:
        model = Run
        fields: tuple[str, ...] = (
            "id",
            "project_id",
            "dataset_id",
            "number",
            "name",
            "kind",
            "state",
            "method",
            "stage",
            "stage_done",
            "stage_total",
            "step",
            "eta_seconds",
            "latest",
            "attempt",
            "error",
            "hint",
            "has_checkpoint",
            "has_model",
            "created_by",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class RunSourceSerializer(serializers.Serializer[Any]):
    """A run whose model this one was made from, or evaluates, of a project that the asker manages."""

    role = serializers.ChoiceField(RunLink.Role.choices)
    run = serializers.IntegerField(source="source_id", help_text="Its id.")
    project_id = serializers.IntegerField(source="source.project_id")
    number = serializers.IntegerField(source="source.number")
    name = serializers.CharField(source="source.name")
    kind = serializers.ChoiceField(Run.Kind.choices, source="source.kind")


class RunUseSerializer(serializers.Serializer[Any]):
    """A run that was made from this one's model, or evaluates it; likewise."""

    role = serializers.ChoiceField(RunLink.Role.choices)
    run = serializers.IntegerField(source="run_id", help_text="Its id.")
    project_id = serializers.IntegerField(source="run.project_id")
    number = serializers.IntegerField(source="run.number")
    name = serializers.CharField(source="run.name")
    kind = serializers.ChoiceField(Run.Kind.choices, source="run.kind")


class RunDetailSerializer(RunSerializer):
    """A run with its spec, its warnings, and the runs it has to do with. Context: `by`, who asks."""

    sources = serializers.SerializerMethodField(help_text="The runs whose models it was made from.")
    used_by = serializers.SerializerMethodField(help_text="The runs that were made from its model.")
    spec = serializers.DictField(help_text="See `run-spec-schema`.")
    warnings = serializers.ListField(child=serializers.JSONField())

    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "spec", "warnings", "sources", "used_by")
        read_only_fields = fields

    @extend_schema_field(RunSourceSerializer(many=True))
    def get_sources(self, run: Run) -> Any:
        return RunSourceSerializer(family.sources(self.context["by"], run), many=True).data

    @extend_schema_field(RunUseSerializer(many=True))
    def get_used_by(self, run: Run) -> Any:
        return RunUseSerializer(family.uses(self.context["by"], run), many=True).data


class LaunchSerializer(serializers.Serializer[Any]):
    dataset = serializers.IntegerField(
        min_value=1,
        required=False,
        allow_null=True,
        help_text="Id of a frozen dataset. An evaluation can do without: it then has its run's.",
    )
    spec = serializers.DictField(default=dict, help_text="See `run-spec-schema`; what is absent is default.")
    name = serializers.CharField(max_length=200, default="", allow_blank=True)
    base_run = serializers.IntegerField(
        min_value=1,
        max_value=MAX_ID,
        required=False,
        allow_null=True,
        help_text="Id of a finished `sft` or `preference` run whose model is the base; like `run:ID` in "
        "`spec.model.base`, and before it.",
    )
    reward_model_run = serializers.IntegerField(
        min_value=1,
        max_value=MAX_ID,
        required=False,
        allow_null=True,
        help_text="Id of a finished `reward_model` run, of any project that you manage, whose margins the "
        "method reads; like `run:ID` in `spec.method.reward_model`, and before it.",
    )

    subject_run = serializers.IntegerField(
        min_value=1,
        max_value=MAX_ID,
        required=False,
        allow_null=True,
        help_text="Id of a run that has ended and whose model is evaluated again; like `run:ID` in "
        "`spec.subject.run`, and before it. The spec's kind is then `evaluation`, and what its section "
        "`evaluation` leaves open is as that run had it.",
    )

    def validate_spec(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The database takes no NUL, no half characters and no infinite numbers inside JSON."""
        problem = next(_unstorable(spec), None)
        if problem is not None:
            raise serializers.ValidationError(f"{problem} cannot be stored.")
        return spec


def _unstorable(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _unstorable(name)
            yield from _unstorable(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _unstorable(inner)
    elif isinstance(value, str) and any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
        yield "Text with NUL or half characters"
    elif isinstance(value, float) and not math.isfinite(value):
        yield "A number beyond all bounds"


class EventSerializer(serializers.ModelSerializer[RunEvent]):
    data = serializers.DictField()  # type: ignore[assignment]

    class Meta:
        model = RunEvent
        fields = ("seq", "kind", "step", "at", "data")
        read_only_fields = fields


class EventsSerializer(serializers.Serializer[Any]):
    events = EventSerializer(many=True)
    last_seq = serializers.IntegerField(
        allow_null=True, help_text="Send as `after_seq` to go on from here; null before the first event."
    )
    state = serializers.ChoiceField(Run.State.choices)


class EventsQuerySerializer(serializers.Serializer[Any]):
    after_seq = serializers.IntegerField(min_value=0, required=False, help_text="Only events after this one.")
    kinds = serializers.MultipleChoiceField(choices=KINDS, required=False, help_text="Only these kinds.")
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=500)


class CurvesSerializer(serializers.Serializer[Any]):
    """Each metric as a list of [step, value]."""

    curves = serializers.DictField(
        child=serializers.ListField(
            child=serializers.ListField(child=serializers.FloatField(allow_null=True), max_length=2)
        )
    )


class LogQuerySerializer(serializers.Serializer[Any]):
    lines = serializers.IntegerField(min_value=1, max_value=5000, default=200)


class LogSerializer(serializers.Serializer[Any]):
    log = serializers.CharField(help_text="The last lines the engine wrote.")


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    result = serializers.DictField()

    spec = serializers.SerializerMethodField(
        help_text="By which settings: the section `evaluation` of the run's spec, and `subject` where the "
        "run evaluates another."
    )

    class Meta:
        model = Evaluation
        fields = ("name", "result", "spec", "seed", "dataset_sha256", "duration_seconds", "created_at")
        read_only_fields = fields

    @extend_schema_field(serializers.DictField())
    def get_spec(self, item: Evaluation) -> Any:
        spec = item.run.spec
        return {name: spec[name] for name in ("subject", "evaluation") if name in spec}


class AnnotationsSerializer(serializers.Serializer[Any]):
    """An uploaded file: multipart/form-data."""

    file = serializers.FileField(
        allow_empty_file=True, max_length=255, help_text="AlpacaEval's annotations.json."
    )


class StoodSerializer(serializers.Serializer[Any]):
    """A PoP row that a preference stands in."""

    strong = serializers.BooleanField(help_text="Whether it is the stronger side.")
    other_id = serializers.CharField(source="other.id")
    confidence = serializers.FloatField()
    provenance = serializers.CharField()
    other_margin = serializers.FloatField(
        source="margin", allow_null=True, help_text="Learned margin of the other side, if it is known."
    )
    agrees = serializers.BooleanField(
        allow_null=True, help_text="Whether the model's margin is larger on the stronger side."
    )


class RunPreferenceSerializer(serializers.Serializer[Any]):
    """A preference of a run's dataset, as it was frozen, under the run's model."""

    id = serializers.CharField(source="record.id", help_text="SHA-256 of its texts, as in evaluations.")
    split = serializers.CharField(source="record.split")
    prompt = serializers.JSONField(source="record.prompt")
    chosen = serializers.JSONField(source="record.chosen")
    rejected = serializers.JSONField(source="record.rejected")
    score_chosen = serializers.FloatField(source="record.score_chosen", allow_null=True)
    score_rejected = serializers.FloatField(source="record.score_rejected", allow_null=True)
    score_margin = serializers.FloatField(allow_null=True)
    margin = serializers.FloatField(
        allow_null=True, help_text="The learned margin; null where it is not among the run's points."
    )
    preference_id = serializers.IntegerField(
        source="present.pk", default=None, allow_null=True, help_text="In the project, if it is there still."
    )
    row_count = serializers.IntegerField(help_text="PoP rows that it stands in.")
    rows = StoodSerializer(many=True, help_text="The first 50 of them.")


class MethodSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    needs_score_margin = serializers.BooleanField()
    needs_reward_margin = serializers.BooleanField(help_text="Reads a reward model: a run must name one.")
    reward_margin_instead = serializers.BooleanField(
        help_text="A reward model's margins may stand in for the scores'."
    )
    needs_positive_margin = serializers.BooleanField(
        help_text="Preferences whose score margin is not above 0 are left out."
    )
    pop_rows = serializers.BooleanField(help_text="Trains on PoP rows; others train on preferences.")
    needs_rows = serializers.BooleanField(
        help_text="The dataset must have training rows: to train on, or to fit strengths to."
    )
    reward_model = serializers.BooleanField(
        help_text="Trains a reward model: not for runs that train a policy."
    )
    target = serializers.BooleanField(help_text="Keeps a target policy.")
    params_schema = serializers.SerializerMethodField(help_text="JSON Schema of `method.params`.")

    def get_params_schema(self, method: Any) -> dict[str, Any]:
        return dict(method.params.model_json_schema())


class EvaluationEntrySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    kinds = serializers.ListField(
        child=serializers.ChoiceField(Run.Kind.choices), help_text="The kinds of run that it is for."
    )
    needs_scores = serializers.BooleanField()
    needs_pop_rows = serializers.BooleanField()


class PresetSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    spec = serializers.DictField()
