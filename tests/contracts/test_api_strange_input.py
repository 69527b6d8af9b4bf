"""Whatever is sent, the API refuses in its own words: never an exception, never a 500."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
import yaml
from django.core.cache import cache as requests_counted
from django.urls import resolve, reverse
from rest_framework.test import APIClient

from tests.callers import signed_in
from tests.cast import Cast
from tests.contracts import tree
from tests.contracts.api_world import World
from tests.contracts.permission_table import TABLE

pytestmark = pytest.mark.either
WRITING = [key for key in sorted(TABLE) if key[0] in {"POST", "PATCH"}]
READING = [key for key in sorted(TABLE) if key[0] == "GET"]
WHOLE = ["null", "[]", "[[[]]]", '"x"', "1", "true", "{", "\xff", '{"a":' * 500 + "1" + "}" * 500, "1e999"]
VALUES = [
    "null",
    "[]",
    "{}",
    '""',
    r'"\u0000"',
    r'"\ud800"',
    "1e999",
    str(2**70),
    "-1",
    "true",
    '"x"',
    "NaN",
    '["x"]',
]
MORE: dict[str, list[str]] = {  # what the table's bodies leave out
    "api-projects": [
        "guidelines",
        "question",
        "strategy",
        "k",
        "reuse",
        "seed",
        "holdout_percent",
        "lease_minutes",
    ],
    "api-project": [
        "guidelines",
        "question",
        "strategy",
        "k",
        "attempt_cap",
        "labels_per_comparison",
        "seed",
        "gold_percent",
        "retest_percent",
        "practice_size",
        "dispute_below",
    ],
    "api-project-imports": ["config", "split", "limit", "file", "format"],
    "api-project-invites": ["role", "max_uses", "valid_days"],
    "api-project-datasets": ["name", "options"],
    "api-runs": ["spec", "name"],
    "api-next": ["exclude"],
    "api-label": ["exclude", "reason", "duration_ms", "first_looks_swapped", "want_next"],
    "api-tokens": ["days"],
}
QUERIES = {
    "page": ["x", "-1", "0", "999999999999999999999", "\x00"],
    "page_size": ["x", "-1", "0", "99999999999999999999"],
    "cursor": ["x", "%%%", "cD0xMjM0", "cD1ub3RhbnVtYmVy", "\x00"],
    "format": ["x", "json", "\x00"],
    "after_seq": ["x", "-1", "99999999999999999999999"],
    "kinds": ["x", "\x00"],
    "limit": ["0", "1.5", "9" * 30],
    "lines": ["0", "9" * 30],
    "state": ["x", "\x00"],
    "method": ["x", "\x00", "\ud83d"],
    "dataset": ["x", "1.5", "9" * 30, "nan", "1e400"],
    "split": ["x", "\x00"],
    "content_hash": ["x", "\x00", "y" * 5000],
    "import": ["x", "9" * 30, "inf"],
    "max_rows_per_strong": ["x", "0", "9" * 30],
    "min_confidence": ["x", "nan", "inf"],
    "pseudonymise": ["x", "\x00"],
    "consensus": ["x", "\x00"],
    "include_ties": ["x"],
    "resplit_share": ["x", "nan", "0", "-1"],
    "resplit_seed": ["x", "-1", "9" * 30],
    "inferred_at_least": ["x", "nan", "1", "0.5"],
    "inferred_per_strong": ["x", "0", "9" * 30],
    "noise": ["x", "nan", "0.6"],
    "noise_seed": ["x", "-1", "9" * 30],
}


@cache
def shapes() -> dict[str, frozenset[str]]:
    """The names that GET reads from a question, by the shape of the address."""
    paths: dict[str, Any] = yaml.load((tree.ROOT / "docs" / "openapi.yaml").read_text(), yaml.CSafeLoader)[
        "paths"
    ]
    return {
        re.sub(r"\{[^}]+\}", "{}", path): frozenset(
            one["name"] for one in about["get"].get("parameters", []) if one["in"] == "query"
        )
        for path, about in paths.items()
        if "get" in about
    }


def read_by(url: str) -> frozenset[str]:
    return shapes()["/" + re.sub(r"<[^>]+>", "{}", resolve(url).route)]


@pytest.fixture
def world(cast: Cast, tmp_path: Any, settings: Any) -> World:
    settings.RUNS_DIR = tmp_path / "runs"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    return World(cast)


def send(client: APIClient, endpoint: tuple[str, str], url: str, raw: str) -> int:
    requests_counted.clear()
    sent: Any = raw.encode("latin-1")  # not UTF-8 where the characters aren't ASCII
    return int(client.generic(endpoint[0], url, sent, content_type="application/json").status_code)


@pytest.mark.parametrize("endpoint", WRITING, ids="-".join)
def test_no_body_is_too_strange(world: World, endpoint: tuple[str, str]) -> None:
    row = TABLE[endpoint]
    world.caller = caller = world.cast.ann_one if endpoint[1] == "api-label" else world.cast.owner
    client, url, good = signed_in(caller), reverse(endpoint[1], kwargs=row.path(world)), row.body(world)
    for raw in WHOLE:
        assert send(client, endpoint, url, raw) < 500, raw
    for field in [*good, *MORE.get(endpoint[1], [])]:
        for value in VALUES:
            parts = [
                f"{json.dumps(name)}: {json.dumps(kept)}" for name, kept in good.items() if name != field
            ]
            raw = "{" + ", ".join([*parts, f'"{field}": {value}']) + "}"
            assert send(client, endpoint, url, raw) < 500, raw


@pytest.mark.parametrize("endpoint", READING, ids="-".join)
def test_no_question_is_too_strange(world: World, endpoint: tuple[str, str]) -> None:
    """Each value alone where the schema knows the name; the other names all at once."""
    url = reverse(endpoint[1], kwargs=TABLE[endpoint].path(world))
    client = signed_in(world.cast.owner)
    known = read_by(url)
    others = [values for name, values in QUERIES.items() if name not in known]
    asked = [{name: value} for name in known & QUERIES.keys() for value in QUERIES[name]]
    asked += [
        {name: values[place % len(values)] for name, values in QUERIES.items() if name not in known}
        for place in range(max(map(len, others)))
    ]
    for one in asked:
        sent = {name: value.encode("utf-8", "surrogatepass") for name, value in one.items()}
        assert client.get(url, sent).status_code < 500, one


def test_the_schema_knows_what_most_is_asked_by() -> None:
    """Else the test above would send everything at once, and the first refusal would hide the others."""
    assert len(QUERIES.keys() & {name for known in shapes().values() for name in known}) > len(QUERIES) / 2
