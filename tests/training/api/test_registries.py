"""The registries by API are the registries in code."""

from __future__ import annotations

from typing import Any

import pytest

from annotation.exports import EXPORTS
from annotation.imports import FORMATS
from annotation.sampling import STRATEGIES
from tests.callers import by_token
from tests.cast import Cast
from training.engine.catalog import EVALUATIONS, METHODS
from training.engine.presets import PRESETS
from training.engine.spec import RunSpec

pytestmark = pytest.mark.either


def read(cast: Cast, name: str) -> Any:
    return by_token(cast.ann_one, "read").get(f"/api/v1/{name}/").json()


@pytest.mark.parametrize(
    ("name", "key", "registry"),
    [
        ("methods", "slug", METHODS),
        ("evaluations", "name", EVALUATIONS),
        ("presets", "name", PRESETS),
        ("strategies", "name", STRATEGIES),
    ],
)
def test_each_entry_is_listed(cast: Cast, name: str, key: str, registry: dict[str, Any]) -> None:
    listed = read(cast, name)
    assert [entry[key] for entry in listed] == list(registry)
    assert all(entry["title"] and entry["summary"] for entry in listed)


def test_formats_are_listed(cast: Cast) -> None:
    formats = read(cast, "formats")
    assert [entry["name"] for entry in formats["imports"]] == list(FORMATS)
    assert [entry["name"] for entry in formats["exports"]] == list(EXPORTS)


def test_a_method_carries_the_schema_of_its_parameters(cast: Cast) -> None:
    pop = next(method for method in read(cast, "methods") if method["slug"] == "dpo_pop")
    assert {"beta", "max_margin", "target_rate"} <= set(pop["params_schema"]["properties"])


def test_a_method_says_what_it_reads_and_what_it_trains(cast: Cast) -> None:
    listed = {method["slug"]: method for method in read(cast, "methods")}
    assert [slug for slug, one in listed.items() if one["reward_model"]] == ["pop_rm"]
    assert [slug for slug, one in listed.items() if one["needs_reward_margin"]] == [
        "madpo",
        "rdo",
        "gdpo_soft",
    ]
    strength, pop, dpo = listed["dpo_pop_strength"], listed["dpo_pop"], listed["dpo"]
    assert (strength["pop_rows"], strength["needs_rows"]) == (False, True)
    assert (pop["pop_rows"], pop["needs_rows"], dpo["needs_rows"]) == (True, True, False)


def test_the_run_spec_schema_is_the_specs_own(cast: Cast) -> None:
    assert read(cast, "run-spec-schema") == RunSpec.model_json_schema()


def test_every_preset_is_a_valid_spec(cast: Cast) -> None:
    for preset in read(cast, "presets"):
        RunSpec.model_validate(preset["spec"])
