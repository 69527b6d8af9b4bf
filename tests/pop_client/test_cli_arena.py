"""`pop arena …` against a real server: made, read, downloaded, closed."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from annotation.models import Project
from pop_client import entries
from pop_client.cli import app
from tests.annotation.arenas import vote_by
from tests.callers import secret_of
from tests.cast import Cast, join
from tests.frontend.conftest import folders, make_desk, make_run
from tests.frontend.test_arena_pages import answering

__all__ = ["folders"]
pytestmark = [pytest.mark.either, pytest.mark.django_db(transaction=True)]
MODELS = ("Lark", "Wren", "Rook")
ROWS = [
    {"prompt": f"Why {n}?", "model": model, "response": f"{model} {n}"} for n in range(3) for model in MODELS
]


class Pop:
    """The command in this process, signed in by the environment."""

    def __init__(self, live_server: Any, cast: Cast) -> None:
        self.env = {"POP_URL": live_server.url, "POP_TOKEN": secret_of(cast.owner)}

    def __call__(self, *args: object, code: int = 0, typed: str = "") -> str:
        done = CliRunner().invoke(app, ["arena", *map(str, args)], env=self.env, input=typed)
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    def rows(self, *args: object) -> list[Any]:
        return [json.loads(line) for line in self(*args, "--json").splitlines()]


@pytest.fixture
def pop(live_server: Any, cast: Cast) -> Pop:
    return Pop(live_server, cast)


def jsonl(folder: Path, rows: list[dict[str, str]]) -> Path:
    file = folder / "responses.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_from_a_file_to_results_votes_and_the_names(pop: Pop, cast: Cast, tmp_path: Path) -> None:
    (made,) = pop.rows("make", jsonl(tmp_path, ROWS), "--name", "Birds", "--battles", 8, "--seed", 5)
    assert (made["kind"], made["battles"], made["role"]) == ("arena", 8, "owner")
    slug = made["slug"]
    assert [one["slug"] for one in pop.rows("list")] == [slug]
    assert "Birds" in pop("list")
    arena = Project.objects.get(slug=slug)
    join(arena, cast.ann_one)
    vote_by(arena, cast.ann_one, {"Lark": 0, "Wren": 1, "Rook": 2})
    (results,) = pop.rows("results", slug)
    assert [one["model"] for one in results["standings"]] == list(MODELS)
    assert results["standings"][0]["rate"]["value"] == 1.0
    shown = pop("results", slug)
    assert "8 of 8 battles, 8 answers: 0 too close, 0 cannot judge." in shown
    assert "no bound" in shown
    assert "100.0%" in shown
    (kept,) = pop.rows("votes", slug, "-o", tmp_path / "votes.csv")
    table = list(csv.DictReader((tmp_path / "votes.csv").read_text().splitlines()))
    assert (kept["bytes"], len(table)) == ((tmp_path / "votes.csv").stat().st_size, 8)
    ranks = [(MODELS.index(row["first_models"]), MODELS.index(row["second_models"])) for row in table]
    assert [row["answer"] for row in table] == ["first" if one < other else "second" for one, other in ranks]
    assert {(row["annotator"], row["counts"]) for row in table} == {(cast.ann_one.username, "yes")}
    assert all(row["first"].startswith(row["first_models"]) for row in table)
    pop("votes", slug, "-o", tmp_path / "winners.jsonl", "--format", "jsonl")
    assert len((tmp_path / "winners.jsonl").read_text().splitlines()) == 8
    assert "Aborted" in pop("archive", slug, code=1, typed="n\n")
    (closed,) = pop.rows("archive", slug, "--yes")
    assert closed["state"] == "archived"


def test_a_model_is_added_from_a_file_that_does_not_name_it(pop: Pop, tmp_path: Path) -> None:
    (made,) = pop.rows("make", jsonl(tmp_path, ROWS), "--name", "Birds", "--battles", 3)
    unnamed = jsonl(tmp_path, [{"prompt": f"Why {n}?", "response": f"Caw {n}"} for n in range(2)])
    (added,) = pop.rows("add", made["slug"], unnamed, "--model", "Crow", "--battles", 10)
    assert (added["new_models"], added["responses"], added["battles"]) == (["Crow"], 2, 10)
    assert added["models"] == [{"model": "Crow", "responses": 2, "missing": 1}]
    (again,) = pop.rows("add", made["slug"], unnamed, "--model", "Crow")
    assert (again["responses"], again["known"], again["battles"]) == (0, 2, 10)
    told = pop("add", made["slug"], jsonl(tmp_path, [ROWS[0] | {"model": "Jay", "response": "Jay"}]))
    assert re.search(r"new_models +Jay *\n", told)
    assert re.search(r"missing +Jay 2 *\n", told)
    pop("add", made["slug"], code=2)


def test_votes_become_preferences_of_another_project(pop: Pop, cast: Cast, tmp_path: Path) -> None:
    (made,) = pop.rows("make", jsonl(tmp_path, ROWS), "--name", "Birds")
    arena = Project.objects.get(slug=made["slug"])
    vote_by(arena, cast.owner, {"Lark": 0, "Wren": 1, "Rook": 2})
    (started,) = pop.rows("preferences", arena.slug, "--into", cast.project.slug, "--no-wait")
    assert started["id"] == cast.project.imports.get().pk


def test_an_arena_of_runs_is_listed_with_their_project(pop: Pop, cast: Cast, settings: Any) -> None:
    desk = make_desk(cast)
    answering(desk, settings, desk.run, "One", reference="Base")
    assert not pop.rows("list", "--project", desk.project.slug)
    asked = ("make", "--project", desk.project.slug, "--run", desk.run.pk, "--with-reference")
    (made,) = pop.rows(*asked, "--names-told", "answered")
    assert (made["battles"], made["names_told"]) == (3, "answered")
    assert pop.rows("list", "--project", desk.project.slug) == [made]
    other = make_run(desk.dataset, state="finished", name="Other")
    answering(desk, settings, other, "Two")
    (added,) = pop.rows("add", made["slug"], "--run", other.pk)
    assert (added["new_models"], added["battles"]) == ([f"Other #{other.number}"], 9)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"prompt": "Why?", "model": "one", "response": "So."}\n{"prompt"', "line 2 is not JSON"),
        ('[{"prompt": "Why?", "response": "So."}]', "response 1 has no model"),
        ("[3]", "response 1 is no object"),
        ('{"model": "one"}', "response 1 has no prompt and no response"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_by_its_number(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(content)
    told = CliRunner().invoke(app, ["arena", "make", str(file), "--name", "Birds"])
    assert told.exit_code == 2
    assert words in " ".join(told.output.replace("│", " ").split())


def test_a_file_may_be_csv_and_leave_the_model_out(tmp_path: Path) -> None:
    file = tmp_path / "said.csv"
    file.write_text('prompt,response,rating\nWhy?,"So,\nand so.",5\n')
    assert entries.read(file, "ours") == [{"prompt": "Why?", "response": "So,\nand so.", "model": "ours"}]
