"""The list of preferences by number: every page by the index, however deep, and nothing counted."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.paginator import Paginator
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.errors import NotAllowed
from annotation.models import Preference
from annotation.selectors.preferences import InOrder
from tests.cast import Cast, add_preferences, make_project

pytestmark = [pytest.mark.either, pytest.mark.django_db]
PER_PAGE = 25


def pages(cast: Cast, split: str = "") -> Paginator[Preference]:
    rows: Any = InOrder(cast.owner, cast.project, split)
    return Paginator(rows, PER_PAGE)


def test_pages_hold_every_preference_once_and_in_order(cast: Cast) -> None:
    add_preferences(cast.project, 60)
    add_preferences(cast.project, 7, split="heldout")
    add_preferences(make_project(cast.owner, "Other"), 9)
    paged = pages(cast)
    seen = [(one.split, one.number) for number in paged.page_range for one in paged.page(number)]
    assert seen == [("train", n) for n in range(60)] + [("heldout", n) for n in range(7)]
    assert [one.number for one in pages(cast, "heldout").page(1)] == list(range(7))
    assert paged.count == 67


def test_an_empty_project_has_one_empty_page(cast: Cast) -> None:
    assert list(pages(cast).get_page(5)) == []


def test_the_list_is_for_managers(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        InOrder(cast.ann_one, cast.project)


def test_a_deep_page_is_reached_by_the_index_and_costs_what_the_first_does(cast: Cast) -> None:
    add_preferences(cast.project, 3_000)
    add_preferences(cast.project, 60, split="heldout")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotation_preference")
    costs = []
    for number in (1, 100, 122):
        with CaptureQueriesContext(connection) as seen:
            assert len(pages(cast).page(number).object_list) > 0
        statements = [one["sql"] for one in seen]
        assert not [sql for sql in statements if "COUNT(" in sql.upper() or "OFFSET" in sql.upper()]
        costs.append(len(statements))
        with connection.cursor() as cursor:
            explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
            cursor.execute(explain + statements[-1])
            told = str(cursor.fetchall())
        assert "preference_numbered_once" in told or "sqlite_autoindex" in told or "number>" in told, told
        assert "Seq Scan" not in told
        assert "SCAN annotation_preference" not in told
    assert len(set(costs)) == 1
