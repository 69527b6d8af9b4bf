"""Arenas by the API: made of responses or of runs, read, voted in, and made into preferences."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from annotation.models import Project
from annotation.services import imports
from tests.callers import post, signed_in
from tests.cast import Cast

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def said(prompt: Any, model: str, response: Any) -> dict[str, Any]:
    return {"prompt": prompt, "model": model, "response": response}


@pytest.mark.usefixtures("files")
def test_from_responses_to_preferences(cast: Cast) -> None:
    owner = signed_in(cast.owner)
    chat = [{"role": "user", "content": "Second?"}]
    entries = [
        said("First?", "one", "Yes."),
        said("First?", "two", "No."),
        said(chat, "one", "Perhaps."),
        said(chat, "two", [{"role": "assistant", "content": "Surely."}]),
        said("Alone?", "two", "Alone."),
    ]
    made = post(owner, "/api/v1/arenas/", {"name": "Two", "entries": entries, "names_told": "answered"})
    assert (made.status_code, made.json()["kind"], made.json()["battles"]) == (201, "arena", 2)
    base = f"/api/v1/projects/{made.json()['slug']}"
    card = post(owner, f"{base}/next").json()
    assert (card["kind"], card["first"]["rejected"]) == ("arena", [])
    answered = post(
        owner, f"/api/v1/assignments/{card['id']}/label", {"verdict": "first", "key": str(uuid4())}
    )
    models = answered.json()["models"]
    assert sorted([models["first"], models["second"]]) == [["one"], ["two"]]
    story = owner.get(f"/api/v1/labels/{answered.json()['label']['id']}/").json()
    assert story["models"] == models
    results = owner.get(f"{base}/arena/").json()
    best, other = results["standings"]
    assert [best["model"]] == models["first"]
    assert (best["rate"]["value"], best["high"], other["low"], results["battles"]) == (1.0, None, None, 1)
    assert [one["model"] for one in best["against"]] == models["second"]
    started = post(owner, f"{base}/arena/preferences", {"into": cast.project.slug})
    imports.run(started.json()["id"])
    row = cast.project.preferences.get()
    assert row.chosen == card["first"]["chosen"]
    assert row.rejected == card["second"]["chosen"]


def test_a_model_and_a_prompt_are_added_later_and_twice_is_once(cast: Cast) -> None:
    owner = signed_in(cast.owner)
    two = [said("First?", model, model) for model in ("one", "two")]
    slug = post(owner, "/api/v1/arenas/", {"name": "Two", "entries": two}).json()["slug"]
    more = [
        said("First?", "three", "Perhaps."),
        *(said("Next?", model, f"{model}!") for model in ("one", "two")),
    ]
    url = f"/api/v1/projects/{slug}/arena/entries"
    added = post(owner, url, {"entries": [*more, said("Alone?", "three", "Alone.")]})
    assert (added.status_code, added.json()) == (
        200,
        {
            "new_models": ["three"],
            "models": [
                {"model": "three", "responses": 1, "missing": 1},
                {"model": "one", "responses": 1, "missing": 0},
                {"model": "two", "responses": 1, "missing": 0},
            ],
            "prompts": 1,
            "responses": 3,
            "known": 0,
            "left_out": 1,
            "battles": 4,
        },
    )
    again = post(owner, url, {"entries": more, "battles": 2}).json()
    assert (again["responses"], again["known"], again["battles"]) == (0, 3, 4)
    wrong = post(owner, url, {"entries": [said("First?", "three", "Else.")]})
    assert (wrong.status_code, "said something else" in wrong.json()["fields"]["entries"][0]) == (422, True)
    assert len(owner.get(f"/api/v1/projects/{slug}/arena/").json()["standings"]) == 3


def test_what_is_wrong_is_said_by_its_number(cast: Cast) -> None:
    owner = signed_in(cast.owner)
    wrong = [said("First?", "one", "Yes."), said("First?", "two", 7)]
    refused = post(owner, "/api/v1/arenas/", {"name": "Two", "entries": wrong})
    assert refused.status_code == 422
    assert (
        refused.json()["detail"] == "Response 2: response must be text or a list of messages, not a number."
    )
    assert post(owner, "/api/v1/arenas/", {"name": "Two", "entries": wrong[:1]}).status_code == 422
    assert not Project.objects.filter(kind="arena").exists()


def test_battles_are_a_setting_of_arenas_alone(cast: Cast) -> None:
    owner = signed_in(cast.owner)
    assert (
        owner.patch(f"/api/v1/projects/{cast.project.slug}/", {"battles": 3}, format="json").status_code
        == 422
    )
    entries = [said(f"Question {n}?", model, f"{model} {n}") for n in range(3) for model in ("one", "two")]
    slug = post(owner, "/api/v1/arenas/", {"name": "Two", "entries": entries}).json()["slug"]
    changed = owner.patch(
        f"/api/v1/projects/{slug}/", {"battles": 2, "names_told": "answered"}, format="json"
    ).json()
    assert (changed["battles"], changed["names_told"]) == (2, "answered")
    assert owner.patch(f"/api/v1/projects/{slug}/", {"k": 5}, format="json").status_code == 422
