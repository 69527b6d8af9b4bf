"""An arena from run to result: made on the comparison of runs, blind to vote in, told when it may be."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import AuditEntry, Label, Project
from annotation.selectors import arena
from annotation.services import exclusion, projects
from tests.annotation.arenas import MODELS, make_arena, vote_by
from tests.cast import NOW, Cast, add_preferences, make_project
from tests.frontend.conftest import Desk, make_run, signed_in
from tests.frontend.test_project_pages import text
from tests.frontend.test_response_pages import line, write
from training.models import Run

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def post(client: Client, project: Project, name: str, **body: Any) -> dict[str, Any]:
    url = reverse(f"annotate-{name}", args=[project.slug])
    answer = client.post(url, json.dumps(body), content_type="application/json")
    found: dict[str, Any] = json.loads(answer.content)
    return found


def test_a_card_has_one_prompt_two_responses_and_no_name(cast: Cast) -> None:
    project = make_arena(cast, names_told="answered")
    client = signed_in(cast.ann_one)
    page = text(client.get(reverse("annotate", args=[project.slug])))
    assert "Which response is better?" in page
    assert "A</b> is better" in page
    assert "Looks swapped" not in page
    task = post(client, project, "next")["task"]
    assert task["html"].count("Question") == 1
    assert task["html"].count('class="pref pref--response"') == 2
    assert "Preferred" not in task["html"]
    assert not any(name in page + json.dumps(task) for name in MODELS)
    told = post(client, project, "answer", assignment=task["id"], verdict="second", key=str(uuid4()))
    assert re.fullmatch(r"(Lark|Wren|Rook) is better than (Lark|Wren|Rook)\.", told["names"])
    assert not any(name in json.dumps(told["task"]) for name in MODELS)
    refused = post(client, project, "undo")
    assert refused["code"] == "names_told"
    mine = text(client.get(reverse("my-labels", args=[project.slug])))
    assert told["names"].rstrip(".") in mine
    label = text(client.get(reverse("label", args=[Label.objects.get().pk])))
    assert told["names"].rstrip(".") in label
    assert "Save the change" not in label


def test_names_stand_in_the_history_once_the_arena_is_archived(cast: Cast) -> None:
    project = make_arena(cast)
    client = signed_in(cast.ann_one)
    task = post(client, project, "next")["task"]
    assert "names" not in post(
        client, project, "answer", assignment=task["id"], verdict="first", key=str(uuid4())
    )
    addresses = [reverse("my-labels", args=[project.slug]), reverse("label", args=[Label.objects.get().pk])]
    for url in addresses:
        assert not any(name in text(client.get(url)) for name in MODELS)
    changed = client.post(addresses[1], {"verdict": "too_close", "key": str(uuid4())})
    assert changed.status_code == 302
    projects.archive(project=project, by=cast.owner, at=NOW)
    pages = [
        text(client.get(url))
        for url in (addresses[0], reverse("label", args=[Label.objects.latest("pk").pk]))
    ]
    assert all(": too close" in page for page in pages)
    assert "cannot be opened again" in text(
        signed_in(cast.owner).post(
            reverse("project-state", args=[project.slug]), {"to": "reopen"}, follow=True
        )
    )


def test_the_results_show_scores_rates_and_intervals(cast: Cast) -> None:
    project = make_arena(cast, prompts=5, same=1)
    owner = signed_in(cast.owner)
    empty = text(owner.get(reverse("arena", args=[project.slug])))
    assert "0 answers" in empty
    vote_by(project, cast.ann_one, {"Lark": 0, "Wren": 1, "Rook": 2})
    page = text(owner.get(reverse("arena", args=[project.slug])))
    table = page[page.index("standings-title") :]
    assert table.index("Lark") < table.index("Wren") < table.index("Rook")
    assert "At 1 place two models said the same" in page
    assert "Rook: never lost, or never won" in page
    rows = list(
        csv.DictReader(
            owner.get(reverse("arena-standings", args=[project.slug])).content.decode().splitlines()
        )
    )
    assert [row["model"] for row in rows] == ["Lark", "Wren", "Rook"]
    assert rows[2]["score_low"] == ""
    assert float(rows[0]["against Wren votes"]) == 5
    assert float(rows[0]["against Wren rate"]) == pytest.approx(0.9)
    votes = {
        kind: owner.get(reverse("arena-votes", args=[project.slug, kind])).getvalue().decode().splitlines()
        for kind in ("jsonl", "csv")
    }
    lines = votes["jsonl"]
    assert (len(lines), len(votes["csv"])) == (13, 1 + 13)
    assert owner.get(reverse("arena-votes", args=[project.slug, "xml"])).status_code == 404
    assert json.loads(lines[0])["chosen_models"]


def test_votes_go_into_another_project_by_a_form(cast: Cast) -> None:
    project = make_arena(cast)
    owner = signed_in(cast.owner)
    url = reverse("arena", args=[project.slug])
    other = make_project(cast.owner, slug="second")
    refused = owner.post(url, {"into": cast.project.slug})
    assert (refused.status_code, other.slug in text(refused)) == (422, True)
    assert "No battle of this arena has a winner yet" in text(refused)
    assert f'<option value="{cast.project.slug}" selected>' in text(refused)
    assert owner.post(url, {"into": "nowhere"}).status_code == 422
    vote_by(project, cast.ann_one, {"Lark": 0, "Wren": 1, "Rook": 2})
    done = owner.post(url, {"into": cast.project.slug})
    started = cast.project.imports.get()
    assert done["Location"] == reverse("import-detail", args=[started.pk])
    assert started.filename == f"arena-{project.slug}.jsonl"


def answering(desk: Desk, settings: Any, run: Run, words: str, reference: str = "") -> Run:
    folder = Path(settings.RUNS_DIR) / str(run.pk)
    write(folder, "generations.jsonl", [line(n, f"{words} {n}") for n in range(3) for _ in range(2)])
    if reference:
        write(folder, "reference-generations.jsonl", [line(n, f"{reference} {n}") for n in range(3)])
    return run


def test_an_arena_is_made_of_the_runs_that_are_compared(
    desk: Desk, owner_client: Client, settings: Any
) -> None:
    one = answering(desk, settings, desk.run, "One", reference="Base")
    other = make_run(desk.dataset, state="finished", name="Other")
    url = f"{reverse('compare', args=[desk.project.slug])}?run={one.pk}&run={other.pk}"
    given = {"labels_per_comparison": 2, "names_told": "closed"}
    refused = owner_client.post(url, given)
    assert refused.status_code == 422
    assert f"Other #{other.number} wrote no responses" in text(refused)
    assert not Project.objects.filter(kind="arena").exists()
    answering(desk, settings, other, "Two \x00")  # which PostgreSQL does not store
    made = owner_client.post(url, given | {"with_reference": "on", "battles": 5})
    project = Project.objects.get(kind="arena")
    assert made["Location"] == reverse("project", args=[project.slug])
    assert (project.battles, project.battles_possible, project.labels_per_comparison) == (5, 9, 2)
    said = [one.chosen[0]["content"] for one in project.preferences.all()]
    assert "Two \N{REPLACEMENT CHARACTER} 0" in said
    contenders = dict(project.contenders.values_list("name", "source"))
    assert contenders == {
        "run 1": f"run {one.pk}",
        f"Other #{other.number}": f"run {other.pk}",
        "reference of run 1": f"run {one.pk}, reference",
    }
    compared = owner_client.get(reverse("compare", args=[desk.project.slug]), {"run": [other.pk]})
    assert reverse("arena", args=[project.slug]) in text(compared)


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "fragment"])
def test_a_refused_arena_keeps_what_was_typed_and_says_why_beside_it(
    desk: Desk, owner_client: Client, settings: Any, headers: dict[str, str]
) -> None:
    run = answering(desk, settings, desk.run, "One")
    url = f"{reverse('compare', args=[desk.project.slug])}?run={run.pk}"
    given = {"name": "Spring", "battles": 0, "labels_per_comparison": 3, "names_told": "answered"}
    for more, why in (
        ({}, "greater than or equal to 1"),
        ({"battles": 7}, "at least two models"),
        ({"battles": 7, "with_reference": "on"}, "responses of its reference"),
    ):
        answer = owner_client.post(url, given | more, headers=headers)
        page = text(answer)
        assert (answer.status_code, "<html" in page) == (422, not headers)
        form = page[page.index('id="ask"') :]
        assert 'value="Spring"' in form
        assert f'name="battles" value="{(given | more)["battles"]}"' in form
        assert 'name="labels_per_comparison" value="3"' in form
        assert '<option value="answered" selected>' in form
        assert ("checked" in form) == ("with_reference" in more)
        assert why in form
        assert '<details class="more" open>' in form
    assert not Project.objects.filter(kind="arena").exists()
    answering(desk, settings, run, "One", reference="Base")
    done = owner_client.post(url, given | {"battles": 1, "with_reference": "on"}, headers=headers)
    made = Project.objects.get(kind="arena")
    assert done["HX-Redirect" if headers else "Location"] == reverse("project", args=[made.slug])
    assert made.name == "Spring"


def test_a_response_is_excluded_with_a_reason_and_comes_back_with_its_votes(cast: Cast) -> None:
    project = make_arena(cast, prompts=2)
    vote_by(project, cast.ann_one, {"Lark": 0, "Wren": 1, "Rook": 2})
    owner, said = signed_in(cast.owner), project.preferences.get(number=1)
    url = reverse("arena-responses", args=[project.slug])
    deed, reason = {"response": said.pk, "do": "exclude"}, f"response-{said.pk}-reason"
    for wrong, why in (("", "This field is required"), ("x" * 301, "at most 300 characters")):
        refused = owner.post(url, deed | {reason: wrong})
        page = text(refused)
        assert (refused.status_code, why in page, page.count('<details class="more" open>')) == (422, True, 1)
        assert not wrong or f'value="{wrong}"' in page
    assert not any(name in page for name in MODELS)
    done = owner.post(f"{url}?page=1", deed | {reason: "It broke off."})
    assert done["Location"] == f"{url}?page=1#response-{said.pk}"
    results = arena.of_project(cast.owner, project)
    assert sum(row.standing.rate.votes for row in results.rows) == 2 * (6 - 2)
    trail = AuditEntry.objects.get(project=project, verb="preference.excluded")
    assert trail.details["reason"] == "It broke off."
    shown = text(owner.get(url, {"show": "excluded"}))
    assert "1 excluded response<" in shown
    assert "It broke off." in shown
    owner.post(f"{url}?show=excluded", deed | {"do": "include"})
    assert "Nothing is excluded" in text(owner.get(url, {"show": "excluded"}))
    again = arena.of_project(cast.owner, project)
    assert sum(row.standing.rate.votes for row in again.rows) == 2 * 6
    elsewhere = add_preferences(cast.project, 1)[0]
    assert owner.post(url, {"response": elsewhere.pk, "do": "exclude"}).status_code == 404
    projects.archive(project=project, by=cast.owner, at=NOW)
    late = owner.post(url, deed | {reason: "Too late."})
    assert (late.status_code, "can no longer change" in text(late)) == (422, True)


def test_more_responses_ask_no_more_queries(cast: Cast) -> None:
    owner, counted = signed_in(cast.owner), []
    for prompts in (2, 8):
        project = make_arena(cast, prompts=prompts)
        for one in project.preferences.filter(number__lt=prompts):
            exclusion.exclude(preference=one, by=cast.owner, at=NOW, reason="Twice.")
        url = reverse("arena-responses", args=[project.slug])
        with CaptureQueriesContext(connection) as seen:
            assert text(owner.get(url)).count('class="pref"') == prompts * 3
            assert text(owner.get(url, {"show": "excluded"})).count("Include again<") == prompts
        counted.append(len(seen))
    assert counted[0] == counted[1]


def test_pages_that_an_arena_has_not_say_so_and_its_own_are_there(cast: Cast) -> None:
    project = make_arena(cast, labels_per_comparison=2)
    client = signed_in(cast.owner)
    for name in ("project-imports", "datasets", "runs", "run-new", "consistency", "consistency-cycles"):
        answer = client.get(reverse(name, args=[project.slug]))
        assert answer.status_code == 409
        assert "This project is an arena" in text(answer)
    assert client.get(reverse("arena", args=[cast.project.slug])).status_code == 409
    vote_by(project, cast.ann_one, {"Lark": 0, "Wren": 1, "Rook": 2})
    vote_by(project, cast.ann_two, {"Lark": 2, "Wren": 1, "Rook": 0})
    for name in ("project", "arena-responses", "project-labels", "project-checks", "project-quality"):
        page = text(client.get(reverse(name, args=[project.slug])))
        assert "rejected" not in page
        assert ">Datasets<" not in page
    moved = client.get(reverse("project-preferences", args=[project.slug]))
    assert moved["Location"] == reverse("arena-responses", args=[project.slug])
    assert "12 responses" in text(client.get(moved["Location"]))
    assert client.get(reverse("arena-responses", args=[cast.project.slug])).status_code == 409
    dispute = text(client.get(reverse("adjudication", args=[project.slug])))
    assert "A</b> is better" in dispute
    assert not any(name in dispute for name in MODELS)
    settings = {"name": "Birds", "question": "Which?", "battles": 13, "labels_per_comparison": 2}
    settings |= {"lease_minutes": 15, "gold_percent": 0, "retest_percent": 0, "practice_size": 0}
    settings |= {"dispute_below": 0}
    url = reverse("project-settings", args=[project.slug])
    refused = client.post(url, settings)
    assert (refused.status_code, "Between 1 and 12" in text(refused)) == (422, True)
    assert client.post(url, settings | {"battles": 6}).status_code == 302
    project.refresh_from_db()
    assert (project.battles, project.question, project.names_told) == (6, "Which?", "closed")
