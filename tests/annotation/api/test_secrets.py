"""Nothing that tells an annotator which answer is right, or who a row is, reaches them by any endpoint."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.urls import reverse

from annotation.api import urls as annotation_urls
from annotation.api.routing import actions_of
from annotation.models import Preference, Project
from tests.callers import post, signed_in
from tests.cast import Cast, add_preferences
from training.api import urls as training_urls

pytestmark = pytest.mark.either
SCORES = (8123.4375, 7011.5625)
EXTERNAL, SOURCE = "planted-external-id", "planted-source"
FIRST_ID = 987_650_000


@pytest.fixture
def planted(cast: Cast) -> list[str]:
    """Preferences whose secrets can be told apart from anything else in an answer."""
    made = add_preferences(cast.project, 10)
    Preference.objects.filter(project=cast.project).delete()
    for number, preference in enumerate(made):
        preference.pk = FIRST_ID + number
        preference.score_chosen, preference.score_rejected = SCORES
        preference.external_id, preference.source = f"{EXTERNAL}-{number}", SOURCE
    Preference.objects.bulk_create(made)
    Project.objects.filter(pk=cast.project.pk).update(seed=424_242_424_242)
    hashes = [preference.content_hash for preference in made]
    ids = [str(preference.pk) for preference in made]
    return [*map(str, SCORES), "1111.875", EXTERNAL, SOURCE, "424242424242", *hashes, *ids]


def readable(slug: str) -> list[str]:
    """Every GET endpoint that can be asked with nothing but the project."""
    urls = []
    for pattern in [*annotation_urls.urlpatterns, *training_urls.urlpatterns]:
        wanted = set(pattern.pattern.converters)
        if "get" in actions_of(pattern)[1] and wanted <= {"project"}:
            urls.append(reverse(str(pattern.name), kwargs={"project": slug} if wanted else {}))
    return urls


def test_the_planted_secrets_would_be_seen(cast: Cast, planted: list[str]) -> None:
    seen = signed_in(cast.owner).get(f"/api/v1/projects/{cast.project.slug}/preferences/").content.decode()
    assert str(SCORES[0]) in seen
    assert EXTERNAL in seen
    assert SOURCE in seen


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_no_answer_to_an_annotator_holds_a_secret(cast: Cast, planted: list[str], strategy: str) -> None:
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy)
    client, base = signed_in(cast.ann_one), f"/api/v1/projects/{cast.project.slug}"
    answers = [post(client, f"{base}/next")]
    for _ in range(3):
        card = answers[-1].json().get("next") or answers[-1].json()
        body = {"verdict": "first", "key": str(uuid4())}
        answers.append(post(client, f"/api/v1/assignments/{card['id']}/label", body))
        assert answers[-1].status_code == 201
    answers += [post(client, f"{base}/undo"), post(client, f"{base}/release")]
    answers += [client.get(url) for url in readable(cast.project.slug)]
    assert {answer.status_code for answer in answers} == {200, 201, 403}
    for answer in answers:
        text = answer.content.decode()
        assert not [secret for secret in planted if secret in text], answer.request["PATH_INFO"]
