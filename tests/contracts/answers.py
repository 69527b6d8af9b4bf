"""Answers held against docs/openapi.yaml: status, media type and body are what the schema says."""

from __future__ import annotations

import re
from typing import Any

import requests
import schemathesis
from schemathesis.core.transport import Response

from tests.contracts import tree

SCHEMA: Any = schemathesis.openapi.from_path(tree.ROOT / "docs" / "openapi.yaml")
# What takes something away comes last, when the rest has been asked.
ORDER = ("GET", "POST", "PATCH", "PUT", "DELETE")
OPERATIONS: list[Any] = sorted(
    (found.ok() for found in SCHEMA.get_all_operations()), key=lambda one: ORDER.index(one.method.upper())
)


def operation_at(method: str, url: str) -> Any:
    """The operation that a URL belongs to; the one with the fewest variables where several fit."""
    fitting = [one for one in OPERATIONS if one.method.upper() == method and _pattern(one).fullmatch(url)]
    assert fitting, f"{method} {url} is not in the schema: run `make schema`"
    return min(fitting, key=lambda one: str(one.path).count("{"))


def check(method: str, url: str, answer: Any) -> None:
    """Fail unless an answer of Django's test client is one the schema describes."""
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    told = Response(
        status_code=answer.status_code,
        headers={name: [str(value)] for name, value in answer.headers.items()},
        content=content,
        request=requests.Request(method, f"http://testserver{url}").prepare(),
        elapsed=0.0,
        verify=False,
    )
    operation_at(method, url).validate_response(told)


def _pattern(operation: Any) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", operation.path))
