"""A real server is asked what the schema allows, and what it doesn't: no 5xx, nothing the schema doesn't say.

The requests are made by schemathesis from docs/openapi.yaml, so a new endpoint is asked without a new line
here. The same requests come each time: the seed is the test's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
import requests
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.contracts.answers import OPERATIONS
from tests.live import LiveStack, stack

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.either]
EXAMPLES = 4  # of each kind: what the schema allows and what it does not, with real ids and with any
TYPES = ["text/plain", "application/xml", "application/json; charset=ebcdic", "none/", ""]
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@dataclass
class Served:
    live: LiveStack
    session: requests.Session
    ids: dict[str, Any]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with stack(tmp_path_factory.mktemp("schema")) as live:
        made = live.code("from tests.contracts import schema_world as one; one.say(one.build())")
        live.start_web()
        with requests.Session() as session:
            session.headers["Authorization"] = f"Token {made['token']}"
            yield Served(live, session, made["ids"])


@pytest.fixture(autouse=True)
def _opened(served: Served) -> None:
    """Whatever the operation before did, the project takes work."""
    served.live.sql("update annotation_project set state = 'open'")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_answers_are_those_of_the_schema(served: Served, operation: Any) -> None:
    real = {one.name: served.ids.get(one.name, 1) for one in operation.path_parameters}
    kinds = [
        operation.as_strategy(mode, path_parameters=path)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for path in ({}, real)[not real :]
    ]

    @hypothesis.settings(
        max_examples=EXAMPLES * len(kinds),
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=st.one_of(kinds))
    def ask(case: Any) -> None:
        answer = case.call(base_url=served.live.url, session=served.session)
        if answer.status_code != 414:  # gunicorn's own word on an address over 4 KiB: the API never saw it
            case.validate_response(answer, checks=CHECKS)

    ask()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@pytest.mark.parametrize("kind", TYPES)
def test_a_body_of_another_type_is_refused_in_the_schemas_words(
    served: Served, operation: Any, kind: str
) -> None:
    ids = {one.name: served.ids.get(one.name, 1) for one in operation.path_parameters}
    url = served.live.url + operation.path.format(**ids)
    sent = {"Content-Type": kind, "Accept": "text/html, */*;q=0.1"}
    answer = served.session.request(operation.method, url, data=b"\x00<a/>", headers=sent)
    operation.validate_response(answer)
    assert answer.status_code < 500
