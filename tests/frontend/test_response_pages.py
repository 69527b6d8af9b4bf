"""What a run's model wrote: beside its reference, a page at a time, and as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.frontend.conftest import Desk

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def line(prompt: int, text: str, **more: Any) -> dict[str, Any]:
    return {
        "prompt_id": f"p{prompt}",
        "prompt": [{"role": "user", "content": f"Question {prompt}?"}],
        "sample": 0,
        "response": text,
        "tokens": [5, 6, 2],
        "ended": "eos",
        "logp": -4.0,
        "reference_logp": -6.5,
    } | more


def write(folder: Path, name: str, lines: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in lines))


@pytest.fixture
def written(desk: Desk, settings: Any) -> Desk:
    folder = settings.RUNS_DIR / str(desk.run.pk)
    ours = [line(number, f"Ours to {number}.") for number in range(12)]
    ours[0] |= {"response": "**bold** <script>alert(1)</script>", "ended": "length"}
    write(folder, "generations.jsonl", ours)
    theirs = [line(number, f"Theirs to {number}.", logp=None) for number in range(12)]
    write(folder, "reference-generations.jsonl", theirs)
    return desk


def page(desk: Desk, client: Client, number: int = 1) -> str:
    return client.get(reverse("run-responses", args=[desk.run.pk]), {"page": number}).content.decode()


def test_a_prompt_has_both_models_answers_as_clean_text(written: Desk, owner_client: Client) -> None:
    html = page(written, owner_client)
    assert all(words in html for words in ("Question 0?", "Ours to 1.", "Theirs to 0.", "Its reference"))
    assert "<strong>bold</strong>" in html
    assert "<script>alert" not in html
    assert "3 tokens, cut there, log-ratio 2.50" in html


def test_ten_prompts_a_page(written: Desk, owner_client: Client) -> None:
    first, second = page(written, owner_client), page(written, owner_client, 2)
    assert ("Ours to 9." in first, "Ours to 10." in first) == (True, False)
    assert ("Ours to 9." in second, "Ours to 11." in second) == (False, True)
    assert "Prompt 12" in second


def test_the_run_page_leads_there_and_the_file_is_whole(
    written: Desk, owner_client: Client, settings: Any
) -> None:
    run = reverse("run", args=[written.run.pk])
    assert "Read all 12" in owner_client.get(run).content.decode()
    answer = owner_client.get(reverse("run-responses-file", args=[written.run.pk]))
    assert answer.getvalue() == (settings.RUNS_DIR / str(written.run.pk) / "generations.jsonl").read_bytes()


def test_a_run_that_wrote_nothing_says_so(desk: Desk, owner_client: Client) -> None:
    assert "was not asked to write any" in page(desk, owner_client)
    assert "Read all" not in owner_client.get(reverse("run", args=[desk.run.pk])).content.decode()
    assert owner_client.get(reverse("run-responses-file", args=[desk.run.pk])).status_code == 404
