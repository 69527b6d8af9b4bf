"""Every layout that published preference sets use comes out as the same three message lists."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from annotation.imports.layouts import recognise
from annotation.imports.records import Record, RowProblem


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def bot(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


SYSTEM = {"role": "system", "content": "Be brief."}
LONG = "What is the capital city of France, please?"


def texts(record: Record) -> tuple[Any, Any, Any]:
    return record.prompt, record.chosen, record.rejected


ONE_TURN = ([user("Capital?")], [bot("Paris")], [bot("Lyon")])
TWO_TURNS = ([user("Hi"), bot("Hello"), user("Capital?")], [bot("Paris")], [bot("Lyon")])
HH = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Capital?\n\nAssistant:"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param({"prompt": "Capital?", "chosen": "Paris", "rejected": "Lyon"}, ONE_TURN, id="text"),
        pytest.param(
            {"prompt": [user("Capital?")], "chosen": [bot("Paris")], "rejected": [bot("Lyon")]},
            ONE_TURN,
            id="messages",
        ),
        pytest.param(
            {"prompt": [user("Capital?")], "chosen": "Paris", "rejected": [bot("Lyon")]}, ONE_TURN, id="mixed"
        ),
        pytest.param(
            {"prompt": "Capital?", "chosen": bot("Paris"), "rejected": bot("Lyon")},
            ONE_TURN,
            id="one-message",
        ),
        pytest.param(
            {
                "prompt": "Capital?",
                "chosen": [user("Capital?"), bot("Paris")],
                "rejected": [user("Capital?"), bot("Lyon")],
            },
            ONE_TURN,
            id="ultrafeedback-binarized",
        ),
        pytest.param(
            {
                "prompt": "Capital?",
                "chosen": [SYSTEM, user("Capital?"), bot("Paris")],
                "rejected": [SYSTEM, user("Capital?"), bot("Lyon")],
            },
            ([SYSTEM, user("Capital?")], [bot("Paris")], [bot("Lyon")]),
            id="system-message-before-repeated-prompt",
        ),
        pytest.param(
            {
                "prompt": "Capital?",
                "chosen": [*TWO_TURNS[0], bot("Paris")],
                "rejected": [*TWO_TURNS[0], bot("Lyon")],
            },
            TWO_TURNS,
            id="last-question-beside-whole-conversation",
        ),
        pytest.param(
            {
                "prompt": TWO_TURNS[0],
                "chosen": [*TWO_TURNS[0], bot("Paris")],
                "rejected": [*TWO_TURNS[0], bot("Lyon")],
            },
            TWO_TURNS,
            id="messages-with-prompt-repeated",
        ),
        pytest.param(
            {"chosen": [*TWO_TURNS[0], bot("Paris")], "rejected": [*TWO_TURNS[0], bot("Lyon")]},
            TWO_TURNS,
            id="implicit-messages",
        ),
        pytest.param(
            {
                "prompt": None,
                "chosen": [user("Capital?"), bot("Paris")],
                "rejected": [user("Capital?"), bot("Lyon")],
            },
            ONE_TURN,
            id="null-prompt",
        ),
        pytest.param({"chosen": f"{HH} Paris", "rejected": f"{HH} Lyon"}, TWO_TURNS, id="anthropic-hh"),
        pytest.param({"prompt": HH, "chosen": " Paris", "rejected": " Lyon"}, None, id="hh-prompt-apart"),
        pytest.param(
            {"prompt": HH, "chosen": f"{HH} Paris", "rejected": f"{HH} Lyon"},
            TWO_TURNS,
            id="hh-prompt-repeated",
        ),
        pytest.param(
            {"prompt": LONG, "chosen": f"{LONG} Paris", "rejected": f"{LONG} Lyon"},
            ([user(LONG)], [bot(" Paris")], [bot(" Lyon")]),
            id="text-with-prompt-repeated",
        ),
        pytest.param(
            {"prompt": "I", "chosen": "I think so", "rejected": "I doubt it"},
            ([user("I")], [bot("I think so")], [bot("I doubt it")]),
            id="a-short-prompt-is-never-cut-off",
        ),
        pytest.param(
            {"chosen": "The sky is blue.", "rejected": "The sky is black."},
            ([user("The sky is")], [bot(" blue.")], [bot(" black.")]),
            id="implicit-text-cut-between-words",
        ),
        pytest.param(
            {
                "prompt": json.dumps(TWO_TURNS[0]),
                "chosen": json.dumps([bot("Paris")]),
                "rejected": json.dumps([bot("Lyon")]),
            },
            TWO_TURNS,
            id="json-in-cells",
        ),
        pytest.param(
            {
                "chosen": [{"from": "human", "value": "Capital?"}, {"from": "gpt", "value": "Paris"}],
                "rejected": [{"from": "human", "value": "Capital?"}, {"from": "gpt", "value": "Lyon"}],
            },
            ONE_TURN,
            id="sharegpt",
        ),
        pytest.param(
            {
                "chosen": [user("Hi"), bot("Hello"), user("Capital?"), bot("Paris")],
                "rejected": [user("Hi"), bot("What?"), user("Capital?"), bot("Lyon")],
            },
            (
                [user("Hi")],
                [bot("Hello"), user("Capital?"), bot("Paris")],
                [bot("What?"), user("Capital?"), bot("Lyon")],
            ),
            id="dialogues-that-part-early",
        ),
    ],
)
def test_a_layout_is_recognised(row: dict[str, Any], expected: tuple[Any, Any, Any] | None) -> None:
    expected = expected or (TWO_TURNS[0], [bot(" Paris")], [bot(" Lyon")])
    assert texts(recognise(row, 1)) == expected


def test_the_same_preference_has_the_same_hash_in_every_layout() -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "Capital?", "chosen": "Paris", "rejected": "Lyon"},
        {
            "chosen": "\n\nHuman: Capital?\n\nAssistant: Paris",
            "rejected": "\n\nHuman: Capital?\n\nAssistant: Lyon",
        },
        {
            "chosen": [user("Capital?"), bot("Paris")],
            "rejected": [user("Capital?"), bot("Lyon")],
            "score_chosen": 4,
        },
    ]
    hashes = {recognise(row, 1).content_hash for row in rows}
    canonical = (
        '{"chosen":[{"content":"Paris","role":"assistant"}],"prompt":[{"content":"Capital?","role":"user"}],'
        '"rejected":[{"content":"Lyon","role":"assistant"}]}'
    )
    assert hashes == {hashlib.sha256(canonical.encode()).hexdigest()}


BASE = {"prompt": "Capital?", "chosen": "Paris", "rejected": "Lyon"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Hi", "a": "x", "b": "y"}, "needs chosen and rejected; found columns: prompt, a, b"),
        ({**BASE, "chosen": ""}, "chosen is empty"),
        ({**BASE, "rejected": None}, "rejected is empty"),
        ({**BASE, "rejected": " \n"}, "rejected is empty"),
        ({**BASE, "chosen": []}, "chosen is empty"),
        ({**BASE, "chosen": [bot("")]}, "chosen is empty"),
        ({**BASE, "prompt": "  "}, "prompt is empty"),
        ({**BASE, "rejected": "Paris "}, "chosen and rejected are identical"),
        ({"chosen": [user("a"), bot("b")], "rejected": [user("a"), bot("b")]}, "identical"),
        ({"chosen": [user("a"), bot("b")], "rejected": [user("a")]}, "rejected is empty"),
        ({"chosen": "alike", "rejected": "alike"}, "identical"),
        ({"chosen": "one", "rejected": "two"}, "has no prompt"),
        ({"chosen": [user("a"), bot("b")], "rejected": [user("c"), bot("d")]}, "has no prompt"),
        (
            {"chosen": [user("a"), bot("b")], "rejected": "c"},
            "only one of chosen and rejected is a conversation",
        ),
        (
            {**BASE, "chosen": [user("Other?"), bot("b")], "rejected": [user("Other?"), bot("c")]},
            "another conversation",
        ),
        (
            {"chosen": [user("a"), bot("b"), user("c")], "rejected": [user("a"), bot("b"), user("d")]},
            "only responses",
        ),
        ({**BASE, "chosen": [bot("a"), user("b")]}, "must end with a message of the assistant"),
        ({**BASE, "chosen": [{"role": "robot", "content": "x"}]}, "message 1 of chosen has the role 'robot'"),
        ({**BASE, "chosen": [{"content": "x"}]}, "has the role 'None'"),
        ({**BASE, "chosen": [{"role": "assistant", "content": 5}]}, "content as text, not a number"),
        ({**BASE, "chosen": ["x"]}, "must be an object"),
        ({**BASE, "chosen": 7}, "chosen must be text or a list of messages, not a number"),
        ({**BASE, "prompt": True}, "prompt must be text or a list of messages, not true/false"),
        ({**BASE, "chosen": "[{'role': 'assistant', 'content': 'x'}]"}, "not JSON"),
        ({**BASE, "chosen": "a\x00b"}, "NUL"),
        ({**BASE, "chosen": "a\ud800b"}, "not valid UTF-8 (near character 2)"),
        ({**BASE, "score_chosen": "high"}, "score_chosen must be a finite number, not 'high'"),
        ({**BASE, "score_rejected": float("nan")}, "score_rejected must be a finite number"),
        ({**BASE, "score_chosen": "inf"}, "finite"),
        ({**BASE, "score_chosen": True}, "finite"),
        ({**BASE, "score_chosen": [1]}, "finite"),
        ({**BASE, "score_chosen": 10**400}, "finite"),
        ({**BASE, "id": "\ud800"}, "id or source is not valid UTF-8"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowProblem) as refused:
        recognise(row, 1)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("written", "read"), [(4, 4.0), ("3.5", 3.5), (" -1e3 ", -1000.0), ("", None), (None, None), (-0.0, 0.0)]
)
def test_scores_are_numbers_however_written(written: object, read: float | None) -> None:
    record = recognise({**BASE, "score_chosen": written, "score_rejected": 1}, 1)
    assert record.score_chosen == read
    assert str(record.score_chosen) == str(read)


def test_id_and_source_are_kept_and_cut() -> None:
    record = recognise({**BASE, "prompt_id": 12, "source": "s" * 300}, 5)
    assert (record.external_id, len(record.source), record.line) == ("12", 200, 5)
    assert recognise({**BASE, "id": "x", "prompt_id": "y"}, 1).external_id == "x"
