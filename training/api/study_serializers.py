"""What the API says of studies."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from training.study.reports import Entry, State
from training.study.variants import VARIANTS


class StudySerializer(serializers.Serializer[Any]):
    """A study and how far it is on this server."""

    name = serializers.CharField(help_text="With `-quick` behind it: a trial in a small world.")
    question = serializers.CharField(source="study.question")
    methods = serializers.IntegerField(help_text="How many methods and controls it compares.")
    settings = serializers.SerializerMethodField(help_text="Titles of the settings it compares them at.")
    seeds_wanted = serializers.IntegerField(source="study.seeds")
    command = serializers.CharField(help_text="What computes it, or goes on with it.")
    state = serializers.ChoiceField([one.value for one in State])
    words = serializers.CharField(help_text="What is missing, or why the report cannot be read.")
    shipped = serializers.BooleanField(
        help_text="The figures come with the program, none were computed here."
    )
    computed_at = serializers.CharField(
        source="found.at", default=None, allow_null=True, help_text="What was computed last, as what follows."
    )
    commit = serializers.CharField(source="found.commit", default=None, allow_null=True)
    seeds = serializers.ListField(
        source="found.seeds", child=serializers.IntegerField(), default=None, allow_null=True
    )

    def get_settings(self, entry: Entry) -> list[str]:
        return [one.title for one in entry.study.settings]


class StudyFigureSerializer(serializers.Serializer[Any]):
    mean = serializers.FloatField()
    low = serializers.FloatField(allow_null=True, help_text="Of the 95% t-interval over seeds.")
    high = serializers.FloatField(allow_null=True)
    values = serializers.ListField(child=serializers.FloatField(), help_text="One a seed.")


class StudyLineSerializer(serializers.Serializer[Any]):
    """A method, or a control, at one setting."""

    name = serializers.CharField()
    title = serializers.CharField()
    control = serializers.BooleanField()
    figures = serializers.DictField(child=StudyFigureSerializer(), help_text="By measure.")


class StudySettingSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    seeds = serializers.ListField(source="made.seeds", child=serializers.IntegerField())
    command = serializers.CharField(source="made.command", help_text="The command that computed it.")
    computed_at = serializers.CharField(source="made.at")
    commit = serializers.CharField(source="made.commit")
    lines = StudyLineSerializer(many=True)


class StudyDetailSerializer(StudySerializer):
    """A study with its figures; `results` is empty before it was computed."""

    run_with = serializers.CharField(
        source="found.command", default=None, allow_null=True, help_text="The command that computed it."
    )
    results = serializers.SerializerMethodField()

    @extend_schema_field(StudySettingSerializer(many=True))
    def get_results(self, entry: Entry) -> Any:
        if entry.found is None:
            return []
        found = [
            {
                "title": title,
                "made": entry.found.made[title],
                "lines": [
                    {
                        "name": name,
                        "title": VARIANTS[name].title,
                        "control": VARIANTS[name].control,
                        "figures": figures,
                    }
                    for name, figures in lines.items()
                ],
            }
            for title, lines in entry.found.settings.items()
        ]
        return StudySettingSerializer(found, many=True).data
