"""The quality page: figures with intervals and words, annotators sorted by any column, and as a file."""

from __future__ import annotations

import csv
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import AgreementPair, Tally
from annotation.selectors import annotators, quality
from frontend.templatetags import shares
from frontend.views.quality import COLUMNS
from tests.annotation.answered import answered, one_more
from tests.cast import Cast, make_user

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def shown(client: Client, cast: Cast, name: str = "project-quality", **query: str) -> str:
    answer = client.get(reverse(name, args=[cast.project.slug]), query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def names(page: str) -> list[str]:
    return re.findall(r'<th scope="row">([^<]+)</th>', page)


def test_figures_come_with_intervals_and_words(cast: Cast, owner_client: Client) -> None:
    answered(cast, "llllllhhhhn", "llllllhhhll", size=12)
    page = shown(owner_client, cast)
    assert "22 answers to 11 comparisons with two or more" in page
    assert quality.of_project(cast.owner, cast.project).reading in page
    assert re.search(r"0\.65 <span class=\"figure__interval\">.?\d\.\d\d to \d\.\d\d<", page)
    assert "81.8 %" in page
    assert "Every answer is counted in." in page
    assert "No gold was answered yet." in page


def test_what_is_not_counted_yet_is_said(cast: Cast, owner_client: Client) -> None:
    project = answered(cast, "l", "l")
    one_more(project, cast.ann_one)
    page = shown(owner_client, cast, "quality-live")
    assert "1 comparison with new answers is not counted into agreement yet" in page
    assert "<html" not in page


def test_a_project_with_one_label_a_comparison_says_how_to_measure(cast: Cast, owner_client: Client) -> None:
    page = shown(owner_client, cast)
    assert "Undefined, because no comparison has two answers yet." in page
    assert "asks for one label a comparison" in page
    assert "Nobody has labelled yet" in page


@pytest.mark.parametrize("key", [key for key, *_ in COLUMNS])
def test_each_column_sorts_and_turns_round(cast: Cast, owner_client: Client, key: str) -> None:
    answered(cast, "llhn", "lhhl")
    first = key if key == "name" else f"-{key}"
    for sort in (first, "-name" if key == "name" else key):
        page = shown(owner_client, cast, sort=sort)
        assert names(page)[:2] == [row.name for row in annotators.of_project(cast.owner, cast.project, sort)]
        order = "descending" if sort.startswith("-") else "ascending"
        other = sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"
        head = rf'aria-sort="{order}"><a id="quality-sort-{key}" href="\?sort={other}#annotators"'
        assert re.search(head, page)
    assert len(re.findall("aria-sort", page)) == 1


def test_an_unknown_order_is_the_usual_one(cast: Cast, owner_client: Client) -> None:
    answered(cast, "l", "l")
    assert 'aria-sort="descending"><a id="quality-sort-labels"' in shown(owner_client, cast, sort="wealth")


def test_the_file_holds_what_the_table_shows(cast: Cast, owner_client: Client) -> None:
    answered(cast, "lln", "lhn")
    cast.ann_two.username = "=cmd"
    cast.ann_two.save()
    answer = owner_client.get(reverse("quality-csv", args=[cast.project.slug]), {"sort": "-too_close"})
    rows = list(csv.DictReader(answer.content.decode().splitlines()))
    assert {row["name"] for row in rows} == {"ann_one", "'=cmd"}
    assert rows[0]["too_close_hits"] == "1"
    assert float(rows[0]["alike_share"]) == pytest.approx(2 / 3)
    assert rows[0]["gold_share"] == ""
    assert "annotators.csv" in answer["Content-Disposition"]


def test_more_people_and_pairs_ask_no_more_queries(cast: Cast, owner_client: Client) -> None:
    counts = []
    for number in range(2):
        for more in range(4):
            person = make_user(f"person{number}-{more}")
            AgreementPair.objects.create(
                project=cast.project, one=cast.owner, other=person, shared=20, same=11
            )
            Tally.objects.create(pool=cast.project.pools.earliest("pk"), annotator=person, labels=5)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            page = shown(owner_client, cast)
        assert "person0-0" in page
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_shares_are_written_as_people_read_them() -> None:
    assert [shares.percent(value) for value in (None, 0.0, 0.5342, 1.0)] == ["–", "0 %", "53.4 %", "100 %"]
    assert shares.between(shares.share_of(50, 100)) == "40–60 %"
    assert shares.between(shares.share_of(500_000, 1_000_000)) == "49.9–50.1 %"
    assert [shares.signed(value) for value in (None, -0.125, 0.8)] == ["–", "−0.12", "0.80"]
    assert shares.range_bar(None, None, None) == ""
    assert 'x="40.38' in shares.range_bar(0.4038, 0.5, 0.5962)


def test_an_agreement_below_chance_is_drawn_left_of_the_middle() -> None:
    drawn = shares.range_bar(-0.5, -0.25, 0.0, "zero", -1)
    assert 'range__interval" x="25.00" y="3" width="25.00"' in drawn
    assert 'range__value" x="37.00"' in drawn
