from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.models import AgreementPair
from annotation.quality.shares import share
from annotation.selectors.annotators import CHOICES, DEFAULT_SORT, PAIR_SORTS


class ShareSerializer(serializers.Serializer[Any]):
    """`hits` of `of`, with Wilson's 95 % interval; null where there is no case."""

    hits = serializers.IntegerField()
    of = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class AgreementSerializer(serializers.Serializer[Any]):
    """Over comparisons with two answers or more; "cannot judge" counts as no answer."""

    comparisons = serializers.IntegerField()
    answers = serializers.IntegerField()
    alpha = serializers.FloatField(allow_null=True, help_text="Krippendorff's α, nominal.")
    low = serializers.FloatField(allow_null=True, help_text="The 95 % interval of α, by resampling.")
    high = serializers.FloatField(allow_null=True)
    why = serializers.CharField(allow_blank=True, help_text="Why α is undefined.")
    why_no_interval = serializers.CharField(allow_blank=True)
    alike = serializers.FloatField(allow_null=True, help_text="Share of pairs of answers that are alike.")
    alike_low = serializers.FloatField(allow_null=True)
    alike_high = serializers.FloatField(allow_null=True)


class AnswersSerializer(serializers.Serializer[Any]):
    labels = serializers.IntegerField()
    first = ShareSerializer(help_text="The side shown first, of the answers that name a side.")
    too_close = ShareSerializer()
    cannot_judge = ShareSerializer()
    gold = ShareSerializer(help_text="Gold comparisons answered right.")
    retests = ShareSerializer(help_text="Retests answered as before.")
    seconds = serializers.FloatField(allow_null=True, help_text="Mean; none counted above ten minutes.")


class QualitySerializer(serializers.Serializer[Any]):
    """How good the answers of a project are."""

    agreement = AgreementSerializer()
    reading = serializers.CharField(help_text="What the value of α lets one do.")
    answers = AnswersSerializer()
    on_position = serializers.CharField(help_text="What the share of `first` says.")
    waiting = serializers.IntegerField(help_text="Comparisons that `agreement` does not count yet.")
    waiting_more = serializers.BooleanField(help_text="Even more than `waiting` wait.")


class AnnotatorSerializer(serializers.Serializer[Any]):
    """One annotator's answers beside everybody else's."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    alike = ShareSerializer(help_text="Answers of others to the same comparisons that are like theirs.")
    answers = AnswersSerializer()
    last_at = serializers.DateTimeField(allow_null=True)


class PairSerializer(serializers.ModelSerializer[AgreementPair]):
    """Two people who answered ten or more of the same comparisons."""

    one = serializers.CharField(source="one.username")
    other = serializers.CharField(source="other.username")
    alike = serializers.SerializerMethodField()

    class Meta:
        model = AgreementPair
        fields = ("one", "other", "alike")
        read_only_fields = fields

    @extend_schema_field(ShareSerializer)
    def get_alike(self, pair: AgreementPair) -> Any:
        return ShareSerializer(share(pair.same, pair.shared)).data


class AnnotatorQuerySerializer(serializers.Serializer[Any]):
    sort = serializers.ChoiceField(CHOICES, default=DEFAULT_SORT, help_text="With `-` the largest first.")


class PairQuerySerializer(serializers.Serializer[Any]):
    sort = serializers.ChoiceField(PAIR_SORTS, default="alike", help_text="With `-` the largest first.")
