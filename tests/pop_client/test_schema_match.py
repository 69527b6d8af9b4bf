"""Everything the client sends and reads is in docs/openapi.yaml, with its type."""

from __future__ import annotations

import inspect
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from pop_client import ApiError, Client, models
from tests.callers import secret_of
from tests.cast import make_cast
from tests.contracts import tree
from tests.contracts.answers import operation_at

SCHEMA: dict[str, Any] = yaml.safe_load((tree.ROOT / "docs" / "openapi.yaml").read_text())
PARTS: dict[str, Any] = SCHEMA["components"]["schemas"]
MODELS = [one for one in BaseModel.__subclasses__() if one.__module__ == models.__name__]
METHODS = sorted(name for name, _ in inspect.getmembers(Client, inspect.isfunction) if name[0] != "_")


def types(described: dict[str, Any], parts: dict[str, Any]) -> set[str]:
    """The JSON types a schema admits; an integer is a number too."""
    if "$ref" in described:
        return types(parts[described["$ref"].rpartition("/")[2]], parts)
    inner = [one for key in ("allOf", "anyOf", "oneOf") for one in described.get(key, [])]
    found = {kind for one in inner for kind in types(one, parts)}
    found |= {described["type"]} if "type" in described else set()
    found |= {"null"} if described.get("nullable") else set()
    return found


@pytest.mark.parametrize(
    "model", [one for one in MODELS if one is not BaseModel], ids=lambda one: one.__name__
)
def test_what_the_client_reads_is_in_the_schema_with_its_type(model: type[BaseModel]) -> None:
    described = PARTS[model.__name__]["properties"]
    schema = model.model_json_schema()
    own, inner = schema["properties"], schema.get("$defs", {})
    assert own.keys() <= described.keys()
    for name, field in own.items():
        taken, told = types(field, inner), types(described[name], PARTS)
        assert told, name
        assert told - ({"integer"} if "number" in taken else set()) <= taken, name


def arguments(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "one.jsonl"
    file.write_text("{}\n")
    return {
        "project": "tone",
        "arena": "tone",
        "into": "tone",
        "entries": [{"prompt": "Why?", "model": "one", "response": "So.", "source": "by hand"}],
        "runs": [1, 2],
        "with_reference": True,
        "battles": 3,
        "settings": {"battles": 3, "names_told": "answered"},
        "file": file,
        "target": tmp_path / "out",
        "name": "org/name",
        "options": {"min_confidence": 0.5},
        "spec": {},
        "config": "default",
        "split": "train",
        "limit": 5,
        "lines": 7,
        "kind": "jsonl",
        "told": lambda size: None,
        "import_id": 1,
        "dataset_id": 1,
        "run_id": 1,
        "base_run": 2,
        "reward_model_run": 3,
        "subject": {"split": "all"},
        "evaluation": {"batch_size": 4},
        "push_id": 1,
        "repo_id": "acme/tone",
        "hub_token": "hf_of_nobody",
        "private": True,
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", METHODS)
def test_what_the_client_asks_is_in_the_schema(live_server: Any, tmp_path: Path, method: str) -> None:
    """Every method, with every argument it takes, asks a real server; what went out is held to the schema."""
    cast = make_cast(slug="tone")
    sent: list[Any] = []
    known = arguments(tmp_path)
    with Client(live_server.url, secret_of(cast.owner)) as pop:
        pop._http.event_hooks = {"request": [sent.append], "response": []}
        given = {name: known[name] for name in inspect.signature(getattr(pop, method)).parameters}
        with suppress(ApiError):  # there is nothing to freeze, no run …: the question is what counts
            getattr(pop, method)(**given)
    assert sent
    for request in sent:
        described = operation_at(request.method, request.url.path).definition.raw
        asked = {one["name"] for one in described.get("parameters", []) if one["in"] == "query"}
        assert set(request.url.params.keys()) <= asked
        kind = request.headers.get("content-type", "").partition(";")[0]
        if kind:
            body = described["requestBody"]["content"][kind]["schema"]
            fields = PARTS[body["$ref"].rpartition("/")[2]]["properties"]
            assert (set(json.loads(request.content)) if kind == "application/json" else {"file"}) <= set(
                fields
            )
