"""The OpenAPI schema: complete, without complaints, and as committed in docs/openapi.yaml."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.test import Client

COMMITTED = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"
VERBS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def generated() -> str:
    """What the command writes; it fails on any warning."""
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return out.getvalue()


@pytest.fixture(scope="module")
def operations(generated: str) -> dict[str, dict[str, Any]]:
    paths = yaml.safe_load(generated)["paths"]
    return {
        f"{verb.upper()} {path}": operation
        for path, item in paths.items()
        for verb, operation in item.items()
        if verb in VERBS
    }


def test_the_committed_schema_is_current(generated: str) -> None:
    assert COMMITTED.read_text() == generated, "run: make schema"


def test_every_operation_is_described_and_says_what_it_refuses(operations: dict[str, dict[str, Any]]) -> None:
    assert len(operations) > 50
    for name, operation in operations.items():
        assert operation.get("description", "").strip(), f"{name} has no description"
        assert {"401", "403"} <= set(operation["responses"]), f"{name} doesn't say whom it refuses"
        assert any(code.startswith("2") for code in operation["responses"]), name


def test_every_answer_with_a_body_has_a_schema(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        for code, answer in operation["responses"].items():
            if code != "204":
                assert all(form["schema"] for form in answer["content"].values()), f"{name} {code}"


@pytest.mark.database
def test_the_schema_and_its_page_are_served_to_everyone(client: Client, db: None) -> None:
    assert client.get("/api/schema/").status_code == 200
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert "swagger-ui-bundle" in page.content.decode()


@pytest.mark.database
def test_the_page_needs_nothing_the_content_security_policy_refuses(client: Client, db: None) -> None:
    page = client.get("/api/docs/")
    html = page.content.decode()
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert "unsafe-inline" not in page["Content-Security-Policy"]
    assert "<style" not in html
    assert html.count("<script") == html.count("<script src=")
    assert "https://" not in html
    script = client.get("/api/docs/", {"script": ""})
    assert script["Content-Type"].startswith("application/javascript")
