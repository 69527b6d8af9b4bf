"""Judges without weights: what a file says words are worth, and what is said of files that are none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from training.engine import judging
from training.engine.console import documents
from training.engine.errors import ModelError
from training.engine.evaluations import duels
from training.engine.oracle import Oracle, OracleSpec

SPEC: dict[str, Any] = {
    "judge": "oracle",
    "attributes": {"kind": {"please": 0.8, "thanks": 0.4}, "rude": {"never": 1.0, "please": 0.1}},
    "wanted": {"politely": "kind", "firmly": "rude"},
    "unwanted": {"calmly": "rude"},
    "weights": [1.0, 0.5],
    "scale": 2.0,
    "saturation": 1.5,
    "avoided": -1.2,
    "values": {"um": -0.2},
    "repeat": -0.5,
    "length": 3,
    "off_length": -0.1,
    "unended": -1.0,
}


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "Answer"}, {"role": "user", "content": text}]


def opened(folder: Path, **changes: Any) -> Oracle:
    (folder / "judge.json").write_text(json.dumps(SPEC | changes))
    judging.check("judge.json", folder)
    found = judging.open_judge("judge.json", folder)
    assert isinstance(found, Oracle)
    return found


def test_words_are_worth_what_the_file_says(tmp_path: Path) -> None:
    judge = opened(tmp_path)
    kind, rude = (1 - math.exp(-one / 1.5) for one in (1.2, 0.1))
    found = judge(
        [
            (user("Speak politely"), "please um thanks"),
            (user("Speak firmly , politely"), "please um thanks"),
            (user("Speak politely and calmly"), "never please um thanks"),
            (user("Speak"), "um um um", False),
            (user("Speak"), ""),
        ]
    )
    expected = [2 * kind - 0.2, 2 * (rude + 0.5 * kind) - 0.2, 2 * kind - 0.2 - 2.4 - 0.1, -2.6, -0.3]
    assert found == pytest.approx(expected)
    assert opened(tmp_path, **dict.fromkeys(("repeat", "unended", "off_length", "avoided"), 0))(
        [(user("Speak calmly"), "um um", False)]
    ) == pytest.approx([-0.4])


def test_a_cut_response_is_not_the_one_that_ended(tmp_path: Path) -> None:
    line = {"prompt_id": "a", "prompt": user("politely"), "sample": 0, "response": "please"}
    cut, whole = line | {"ended": "length"}, line | {"ended": "eos"}
    fights = duels.fought([(cut, whole), (line, whole)], opened(tmp_path))
    assert duels.wins(fights).tolist() == [0, 0.5]
    assert fights.theirs[0] - fights.ours[0] == pytest.approx(1)


def test_it_is_found_by_file_and_by_folder_and_told_by_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    (folder / "oracle.json").write_text(json.dumps(dict(reversed(SPEC.items())), indent=2))
    judging.check("world", tmp_path)
    assert judging.open_judge(str(folder), Path("elsewhere")).sha256() == opened(tmp_path).sha256()
    assert opened(tmp_path, scale=3.0).sha256() != opened(tmp_path).sha256()
    asked = {"evaluation": {"judge": "judge.json"}}
    assert documents.anchored(asked, tmp_path)["evaluation"]["judge"] == str(tmp_path / "judge.json")


def test_the_documented_one_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluations.md").read_text(encoding="utf-8")
    text = page.split("### An oracle")[1].split("```json")[1].split("```")[0]
    judge = Oracle(OracleSpec.model_validate_json(text))
    assert judge.reward(user("Ask politely"), "please um") < judge.reward(
        user("Ask politely"), "please thanks"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "is no oracle. spec: "),
        ("{}", "is no oracle. judge: Field required"),
        (json.dumps(SPEC | {"saturation": 0}), "saturation: Input should be greater than 0"),
        (json.dumps(SPEC | {"repeat": float("nan")}), "repeat: Input should be a finite number"),
        (json.dumps(SPEC | {"wanted": {"nicely": "nice"}}), "attributes has no nice"),
        (json.dumps(SPEC | {"fillers": {}}), "fillers: Extra inputs are not permitted"),
    ],
)
def test_a_file_that_is_none_is_told_before_anything_is_trained(
    text: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "judge.json").write_text(text)
    with pytest.raises(ModelError, match=reason) as refusal:
        judging.check("judge.json", tmp_path)
    assert refusal.value.code == "judge_unusable"
