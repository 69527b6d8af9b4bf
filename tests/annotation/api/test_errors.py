"""Every refusal has the same shape and the right status."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, JsonResponse
from django.test import RequestFactory
from rest_framework import exceptions

from annotation.api.errors import handle
from annotation.api.fallback import server_error
from annotation.errors import Conflict, Invalid
from tests.callers import by_token, signed_in
from tests.cast import Cast

pytestmark = pytest.mark.either
TOKENS = "/api/v1/tokens/"


def test_broken_json_is_400_and_wrong_values_are_422(cast: Cast) -> None:
    client = signed_in(cast.owner)
    broken = client.post(TOKENS, "{", content_type="application/json")
    assert (broken.status_code, broken.json()["code"]) == (400, "malformed")
    wrong = client.post(TOKENS, "[]", content_type="application/json")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


def test_an_unknown_media_type_is_415_and_an_unknown_verb_405(cast: Cast) -> None:
    client = signed_in(cast.owner)
    assert client.post(TOKENS, "<a/>", content_type="text/xml").json()["code"] == "unsupported_media_type"
    assert client.put(TOKENS, {}, format="json").json()["code"] == "method_not_allowed"


def test_a_page_that_is_not_there_is_404(cast: Cast) -> None:
    answer = signed_in(cast.owner).get(TOKENS, {"page": 99})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_domain_errors_keep_their_code_status_and_fields(db: None) -> None:
    answer = handle(Invalid("bad", "Wrong.", {"k": ["Too small."]}), {})
    assert answer is not None
    assert answer.status_code == 422
    assert answer.data == {"code": "bad", "detail": "Wrong.", "fields": {"k": ["Too small."]}}
    plain = handle(Conflict("late", "Too late."), {})
    assert plain is not None
    assert (plain.status_code, plain.data) == (409, {"code": "late", "detail": "Too late."})


def test_nested_complaints_are_flattened(db: None) -> None:
    wrong = exceptions.ValidationError({"options": {"k": ["Too small."]}, "rows": {"0": {"id": ["No."]}}})
    answer = handle(wrong, {})
    assert answer is not None
    assert answer.data["fields"] == {"options.k": ["Too small."], "rows.0.id": ["No."]}
    assert answer.data["detail"] == "options.k: Too small.; rows.0.id: No."


@pytest.mark.parametrize(
    ("error", "status"), [(Http404("secret path"), 404), (PermissionDenied("secret why"), 403)]
)
def test_djangos_own_refusals_say_nothing_of_the_inside(db: None, error: Exception, status: int) -> None:
    answer = handle(error, {})
    assert answer is not None
    assert answer.status_code == status
    assert "secret" not in answer.data["detail"]


def test_a_database_that_does_not_answer_is_503(db: None) -> None:
    answer = handle(OperationalError("database is locked"), {})
    assert answer is not None
    assert (answer.status_code, answer.data["code"]) == (503, "database_busy")


def test_json_over_the_limit_is_413_and_not_read(cast: Cast, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    body = {"name": "x" * 200, "scopes": ["read"]}
    for client in (signed_in(cast.owner), by_token(cast.owner)):
        answer = client.post(TOKENS, body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_bug_is_not_dressed_up_as_an_answer(db: None) -> None:
    assert handle(RuntimeError("bug"), {}) is None


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing/", "/api/v1/projects/a b/", "/api/v1/runs/-1/", "/api/v2/me/"]
)
def test_a_path_that_is_no_endpoint_is_404_in_json(cast: Cast, path: str) -> None:
    answer = signed_in(cast.owner).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_bug_is_500_in_json_without_its_inside() -> None:
    answer = server_error(RequestFactory().get("/api/v1/me/"))
    assert isinstance(answer, JsonResponse)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (500, "error")
    page = server_error(RequestFactory().get("/"))
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (500, "text/html")


def test_either_spelling_of_a_url_answers_without_a_redirect(cast: Cast) -> None:
    client = signed_in(cast.owner)
    assert client.get("/api/v1/me").json() == client.get("/api/v1/me/").json()
    base = f"/api/v1/projects/{cast.project.slug}"
    assert client.post(f"{base}/pause/").status_code == client.post(f"{base}/pause").status_code == 200


@pytest.mark.parametrize("depth", [2_000, 200_000])
@pytest.mark.parametrize("around", ["%s", '{"name": "x", "guidelines": %s}'])
def test_json_nested_too_deeply_is_400_in_words(cast: Cast, depth: int, around: str) -> None:
    body = around % ("[" * depth + "]" * depth)
    answer = signed_in(cast.owner).post("/api/v1/projects/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
