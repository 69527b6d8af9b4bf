"""Arenas: what they are made from, and what their votes say."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.routing import MAX_ID
from annotation.models import Project
from annotation.selectors.arena_files import VOTES
from annotation.services.arenas import MOST_RESPONSES, NAME_LENGTH, QUESTION

TEXT_OR_MESSAGES = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}


@extend_schema_field(TEXT_OR_MESSAGES)
class TextField(serializers.JSONField):
    """A text, or a list of chat messages."""


class EntrySerializer(serializers.Serializer[Any]):
    """What a model said to a prompt."""

    prompt = TextField(help_text="A text or chat messages; the same for every model.")
    model = serializers.CharField(max_length=NAME_LENGTH)
    response = TextField(help_text="A text or chat messages.")
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=NAME_LENGTH, default="", allow_blank=True, help_text="Where it came from, for the record."
    )


class ArenaSettingsSerializer(serializers.Serializer[Any]):
    """What can be said of any new arena."""

    question = serializers.CharField(max_length=300, default=QUESTION)
    guidelines = serializers.CharField(default="", allow_blank=True)
    battles = serializers.IntegerField(
        min_value=1,
        max_value=MAX_ID,
        allow_null=True,
        default=None,
        help_text="How many comparisons to ask for, as far as there are so many; null: all.",
    )
    labels_per_comparison = serializers.IntegerField(min_value=1, max_value=25, default=1)
    lease_minutes = serializers.IntegerField(min_value=1, max_value=1440, default=15)
    names_told = serializers.ChoiceField(
        Project.NamesTold.choices,
        default=Project.NamesTold.CLOSED,
        help_text="When annotators are told which model wrote what.",
    )
    seed = serializers.IntegerField(min_value=0, max_value=MAX_ID, allow_null=True, default=None)


class ArenaWriteSerializer(ArenaSettingsSerializer):
    """An arena of responses that are sent with it."""

    name = serializers.CharField(max_length=200)
    entries = serializers.ListField(child=EntrySerializer(), max_length=MOST_RESPONSES)


class ArenaAddSerializer(serializers.Serializer[Any]):
    """What may be said whenever responses are added."""

    battles = serializers.IntegerField(
        min_value=1,
        max_value=MAX_ID,
        allow_null=True,
        default=None,
        help_text="How many comparisons to ask for from now on; null: the same share of all as before.",
    )


class ArenaEntriesSerializer(ArenaAddSerializer):
    """Responses that are added to an arena."""

    entries = serializers.ListField(child=EntrySerializer(), max_length=MOST_RESPONSES)


class GivenSerializer(serializers.Serializer[Any]):
    """A model that was given responses."""

    model = serializers.CharField()
    responses = serializers.IntegerField()
    missing = serializers.IntegerField(help_text="Prompts of the arena that it has no response to.")


class ArenaAddedSerializer(serializers.Serializer[Any]):
    """What came of it."""

    new_models = serializers.ListField(child=serializers.CharField())
    models = GivenSerializer(many=True)
    prompts = serializers.IntegerField(help_text="New ones.")
    responses = serializers.IntegerField(help_text="New ones.")
    known = serializers.IntegerField(help_text="Responses that were there already.")
    left_out = serializers.IntegerField(help_text="New prompts that only one model answered.")
    battles = serializers.IntegerField(source="project.battles", help_text="Asked for from now on.")


class RateSerializer(serializers.Serializer[Any]):
    """A share of wins, ties half, with its 95% interval over prompts; null without a vote."""

    votes = serializers.FloatField(help_text="Ties between equal responses weigh what asked battles do.")
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class RivalSerializer(RateSerializer):
    model = serializers.CharField()


class StandingSerializer(serializers.Serializer[Any]):
    """A model. Scores of models in different groups say nothing of each other."""

    model = serializers.CharField(source="contender.name")
    source = serializers.CharField(source="contender.source")  # type: ignore[assignment]
    score = serializers.FloatField(
        source="standing.score",
        allow_null=True,
        help_text="Bradley-Terry, 1000 on average; 400 more is ten wins to one.",
    )
    low = serializers.FloatField(
        source="standing.low", allow_null=True, help_text="null: it never won, there is no bound."
    )
    high = serializers.FloatField(
        source="standing.high", allow_null=True, help_text="null: it never lost, there is no bound."
    )
    group = serializers.IntegerField(source="standing.group")
    rate = RateSerializer(source="standing.rate", help_text="Against all others.")
    against = RivalSerializer(many=True, help_text="Against each other model, the best first.")


class ArenaResultsSerializer(serializers.Serializer[Any]):
    """Which model is better, as far as the votes say."""

    prompts = serializers.IntegerField()
    responses = serializers.IntegerField(help_text="Different ones.")
    battles = serializers.IntegerField(help_text="Comparisons that have all their labels.")
    wanted = serializers.IntegerField()
    votes = serializers.IntegerField()
    neither = serializers.IntegerField(help_text="Votes for neither: too close.")
    cannot_judge = serializers.IntegerField(help_text="Answers that are no votes.")
    same = serializers.IntegerField(help_text="Battles of equal responses: ties that nobody is asked for.")
    groups = serializers.IntegerField(help_text="More than 1: some models never met, even through others.")
    standings = StandingSerializer(source="rows", many=True, help_text="The best first.")


class VotesQuerySerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(
        choices=list(VOTES),
        default="jsonl",
        help_text="jsonl: battles with a winner, as preferences; csv: every answer, a line each.",
    )


class IntoSerializer(serializers.Serializer[Any]):
    into = serializers.CharField(max_length=200, help_text="The project, by its id or its slug.")
