"""What the API says of runs side by side, and of their order by a measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.routing import MAX_ID
from annotation.models import PopDataset
from training import comparing
from training.api.serializers import RunSourceSerializer
from training.comparing import Better, Line, Standing
from training.comparison_files import FORMATS
from training.models import Run
from training.selectors import lineage
from training.selectors.comparing import MAX_RUNS, Comparison

BETTER = [one.value for one in Better]
STANDINGS = [one.value for one in Standing]
MEASURES = [comparing.key_of(*one) for one in comparing.DIRECTIONS]
STANDING_HELP = (
    "How it stands to the best value: `not_distinguishable` where the 95% intervals overlap, which is a "
    "coarse test; `unknown` where one has no interval; `not_compared` where there is no best, see `why`."
)


class CompareQuerySerializer(serializers.Serializer[Any]):
    run = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        default=list,
        max_length=100,
        help_text=f"Ids of runs of the project, at most {MAX_RUNS}.",
    )


class CompareFileQuerySerializer(CompareQuerySerializer):
    format = serializers.ChoiceField(sorted(FORMATS), default="csv")


class LeaderboardQuerySerializer(serializers.Serializer[Any]):
    measure = serializers.ChoiceField(MEASURES, default=MEASURES[0])
    dataset = serializers.IntegerField(
        min_value=1, max_value=MAX_ID, required=False, help_text="Only runs on the dataset with this id."
    )


class ComparedDatasetSerializer(serializers.ModelSerializer[PopDataset]):
    name = serializers.CharField(source="__str__")
    strategy = serializers.CharField(
        source="manifest.strategy", default="", help_text="By which its comparisons were drawn."
    )

    class Meta:
        model = PopDataset
        fields = ("id", "name", "sha256", "strategy", "row_count", "heldout_row_count")
        read_only_fields = fields


class ComparedRunSerializer(serializers.ModelSerializer[Run]):
    dataset_id = serializers.IntegerField()
    sources = RunSourceSerializer(many=True, help_text="The runs whose models it was made from.")

    class Meta:
        model = Run
        fields = ("id", "number", "name", "kind", "method", "state", "dataset_id", "sources")
        read_only_fields = fields


class ComparedValueSerializer(serializers.Serializer[Any]):
    run = serializers.IntegerField(help_text="Its id.")
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True, help_text="Of its 95% interval.")
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(allow_null=True, help_text="How many items it is made of.")
    standing = serializers.ChoiceField(STANDINGS, help_text=STANDING_HELP)


class ComparedMeasureSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="`EVALUATION.MEASURE`, as the leaderboard takes it.")
    evaluation = serializers.CharField()
    measure = serializers.CharField()
    title = serializers.CharField(source="full_title")
    better = serializers.ChoiceField(BETTER)
    why = serializers.CharField(help_text="Why no value is called the best, though one way is better.")
    values = ComparedValueSerializer(many=True, help_text="Of the runs that have one.")


class ComparedFieldSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Its place in the spec, such as `training.learning_rate`.")
    values = serializers.ListField(
        child=serializers.JSONField(allow_null=True), help_text="In the order of `runs`."
    )


class ComparisonSerializer(serializers.Serializer[Comparison]):
    """Runs side by side."""

    runs = ComparedRunSerializer(many=True)
    datasets = ComparedDatasetSerializer(many=True)
    measures = serializers.SerializerMethodField()
    config = ComparedFieldSerializer(
        source="differences", many=True, help_text="The fields of the specs that differ, and no others."
    )
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What keeps the runs from being compared line by line."
    )

    @extend_schema_field(ComparedMeasureSerializer(many=True))
    def get_measures(self, found: Comparison) -> Any:
        return ComparedMeasureSerializer([_measure(line, found.runs) for line in found.lines], many=True).data


def _measure(line: Line, runs: Sequence[Run]) -> dict[str, Any]:
    names = ("key", "evaluation", "measure", "full_title", "better", "why")
    values = [
        {"run": run.pk, **asdict(cell)}
        for run, cell in zip(runs, line.cells, strict=True)
        if cell is not None
    ]
    return {name: getattr(line, name) for name in names} | {"values": values}


class SamplingValueSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(allow_null=True)


class RankedRunSerializer(serializers.Serializer[Any]):
    """A finished run and its place. `standing` is towards the first."""

    rank = serializers.IntegerField(source="place.rank")
    run = serializers.IntegerField(source="run.pk", help_text="Its id.")
    number = serializers.IntegerField(source="run.number")
    name = serializers.CharField(source="run.name")
    kind = serializers.ChoiceField(Run.Kind.choices, source="run.kind")
    method = serializers.CharField(source="run.method")
    subject = serializers.SerializerMethodField(
        help_text="Id of the run whose model this is, where it is an evaluation: the model stands here twice."
    )
    dataset_id = serializers.IntegerField(source="run.dataset_id")
    dataset_sha256 = serializers.CharField(source="run.dataset.sha256")
    value = serializers.FloatField(source="place.cell.value")
    low = serializers.FloatField(source="place.cell.low", allow_null=True)
    high = serializers.FloatField(source="place.cell.high", allow_null=True)
    n = serializers.IntegerField(source="place.cell.n", allow_null=True)
    standing = serializers.ChoiceField(STANDINGS, source="place.cell.standing", help_text=STANDING_HELP)
    why = serializers.CharField(source="place.why", help_text="Why it is not compared with the first.")
    kl_token = SamplingValueSerializer(
        source="place.kl",
        allow_null=True,
        help_text="Beside win rates and advantages: KL to the reference, nats a token, over own responses "
        "where all these runs have it, else at contexts of held-out responses. Null where not known.",
    )

    def get_subject(self, found: dict[str, Any]) -> int | None:
        of = lineage.evaluated(found["run"])
        return of.pk if of else None


class SamplingSerializer(serializers.Serializer[Any]):
    strategy = serializers.CharField()
    k = serializers.IntegerField()
    labels_per_comparison = serializers.IntegerField()
    reuse = serializers.BooleanField(allow_null=True, help_text="Null where it means nothing.")


class SampledRunSerializer(serializers.Serializer[Any]):
    """A run beside how its data were sampled."""

    run = serializers.IntegerField(source="trained.run", help_text="Its id; perhaps of another project.")
    sampling = SamplingSerializer(source="trained.sampling")
    labels = serializers.IntegerField(
        source="trained.labels", allow_null=True, help_text="Spent on training rows; null where not known."
    )
    rows = serializers.IntegerField(source="trained.rows", help_text="PoP rows of the training split.")
    labels_per_row = serializers.FloatField(source="trained.labels_per_row", allow_null=True)
    pair_accuracy = SamplingValueSerializer(allow_null=True)
    spearman = SamplingValueSerializer(allow_null=True)
    pop_accuracy = SamplingValueSerializer(allow_null=True)
    win_rate = SamplingValueSerializer(allow_null=True)
    kl_token = SamplingValueSerializer(allow_null=True, help_text="To the reference, nats a token.")


class MissingSerializer(serializers.Serializer[Any]):
    words = serializers.CharField()
    dataset = serializers.IntegerField(allow_null=True, help_text="Id of a dataset to train on.")
    like = serializers.IntegerField(allow_null=True, help_text="Id of the run whose settings to take.")


class SamplingAdviceSerializer(serializers.Serializer[Any]):
    """Which sampling to use, as far as runs tell (docs/evaluations.md)."""

    conclusion = serializers.CharField()
    grounds = serializers.ListField(child=serializers.CharField(), help_text="A sentence each.")
    remarks = serializers.ListField(child=serializers.CharField(), help_text="What limits the numbers.")
    missing = MissingSerializer(many=True, help_text="What would be needed to tell more.")
    runs = SampledRunSerializer(source="lines", many=True)
