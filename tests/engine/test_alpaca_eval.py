"""AlpacaEval's numbers against those of its package, `alpaca_eval` 0.6.6 (scikit-learn 1.9.1); its files."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.world import SHARED
from training.engine import cli, pop_train
from training.engine.benchmarks import outputs
from training.engine.errors import DatasetError
from training.engine.evaluations import alpaca_eval

NAN = float("nan")
REAL = SHARED / "native"
COUNT = 60


def judged(preferences: Sequence[Any]) -> list[dict[str, Any]]:
    both = {"output_1": "a", "generator_1": "base", "output_2": "b", "generator_2": "mine"}
    return [both | {"instruction": f"q{place}", "preference": one} for place, one in enumerate(preferences)]


def published() -> list[dict[str, Any]]:
    """What the package was given for the figures below."""
    found = judged([None] * COUNT)
    for i, one in enumerate(found):
        first, second = 40 + (i * 37) % 90, 30 + (i * 53) % 140
        logit = 0.8 * math.cos(2.3 * i) + 0.9 * math.sin(1.7 * i) - 0.4 + 0.015 * (second - first)
        share = round(1 + 1 / (1 + math.exp(-logit)), 6)
        one |= {"output_1": "a" * first, "output_2": "b" * second, "preference": share}
    found[7]["preference"], found[11]["preference"], found[13]["preference"] = None, 1.5, 0.0
    return found


def gamed(file: Path) -> Path:
    """A df_gamed.csv, as the package was given it."""
    with file.open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(
            ["model", "index", "std_delta_len", "instruction_difficulty", "not_gamed_baseline", "preference"]
        )
        for model, shift in (("concise", -1.0), ("verbose", 1.0)):
            for i in range(COUNT):
                x = shift * (1 + 0.5 * math.sin(i))
                share = round(1 / (1 + math.exp(-0.6 * x)), 6)
                table.writerow([model, i, round(-x, 6), round(math.sin(1.7 * i), 6), False, share])
    return file


def plain(file: Path) -> Path:
    """An instruction_difficulty.csv of the same difficulties."""
    rows = [f"{i},{round(math.sin(1.7 * i), 6)}" for i in range(COUNT)]
    file.write_text("\n".join([",instruction_difficulty", *rows]) + "\n")
    return file


# What the package says of these codes: win rate, standard error, wins, losses, draws, n, discrete win rate.
PACKAGE = [
    ([1, 2, 2, 1.5], 62.5, 23.935677693908453, 2, 1, 1, 4, 62.5),
    ([1.0, 2.0, 0, 1.5], 50.0, 20.41241452319315, 1, 1, 2, 4, 50.0),
    ([1.0, 2.0, None, 1.7], 56.666666666666664, 29.627314724385297, 2, 1, 0, 3, 66.66666666666666),
    ([1.0, 2.0, NAN, 1.3], 43.333333333333336, 29.627314724385297, 1, 2, 0, 3, 33.33333333333333),
    ([1.2, 1.5, 1.9, 1.49, 1.51, 1.0, 2.0], 51.42857142857142, 13.35211262552207, 3, 3, 1, 7, 50.0),
    ([1.2, -1, 0.6, 2.2, 3, 1.8], 50.0, 30.0, 1, 1, 0, 2, 50.0),
    (["1", "2"], 50.0, 50.0, 1, 1, 0, 2, 50.0),
    ([2.0], 100.0, None, 1, 0, 0, 1, 100.0),
]
NAMES = ("win_rate", "standard_error", "n_wins", "n_wins_base", "n_draws", "n", "discrete_win_rate")


@pytest.mark.parametrize("case", PACKAGE, ids=lambda case: str(case[0]))
def test_codes_are_read_as_the_package_reads_them(case: tuple[Any, ...]) -> None:
    given, *expected = case
    found = alpaca_eval.summary(judged(given))
    assert [found[name] for name in NAMES] == [
        one if one is None else pytest.approx(one, abs=1e-10) for one in expected
    ]


def test_what_is_left_out_is_said() -> None:
    found = alpaca_eval.summary(judged([1, None, NAN, 3, 1.5]))
    assert found["remarks"] == [
        "5 annotations: the benchmark has 805 prompts.",
        "The judge said nothing of 2 prompts, which are left out.",
        "1 preferences are not from 1 to 2 and are left out.",
    ]


@pytest.mark.skipif(not REAL.is_dir(), reason="the published annotations are not here")
def test_published_annotations_have_the_packages_numbers() -> None:
    found = alpaca_eval.summary(
        outputs.read(REAL / "alpaca_eval_annotations.json", alpaca_eval.PARTS), generator="vicuna-7b"
    )
    assert found["win_rate"] == pytest.approx(20.52780189, abs=1e-10)
    assert found["standard_error"] == pytest.approx(20.120567434930532, abs=1e-10)
    assert found["discrete_win_rate"] == pytest.approx(100 / 3)
    assert (found["baseline"], found["n"]) == ("gpt4_1106_preview", 3)


def test_the_length_controlled_rate_is_the_packages(tmp_path: Path) -> None:
    held = alpaca_eval.summary(published(), difficulty=outputs.difficulty(gamed(tmp_path / "a.csv")))
    assert held["glm"] == "length_controlled_v1"
    assert "went by the order of the annotations" in held["remarks"][-1]
    assert held["win_rate"] == pytest.approx(46.01416440677966)
    assert held["length_controlled_win_rate"] == pytest.approx(42.734141029125325, abs=1e-6)
    assert held["length_controlled_standard_error"] == pytest.approx(1.3436428204042168, abs=1e-6)
    assert list(held["weights"].values()) == pytest.approx(
        [-0.7948486188275538, 0.6152507544910057, -0.3051085507558911], abs=1e-7
    )
    free = alpaca_eval.summary(published(), difficulty=outputs.difficulty(plain(tmp_path / "b.csv")))
    assert free["glm"] == "length_controlled_noreg"
    assert free["length_controlled_win_rate"] == pytest.approx(42.76516562039359, abs=1e-6)
    assert free["length_controlled_standard_error"] == pytest.approx(1.6073460715805385, abs=1e-6)


def test_missing_annotations_are_placed_by_the_evaluation_set(tmp_path: Path) -> None:
    known = outputs.difficulty(plain(tmp_path / "a.csv"))
    given = published()
    there = outputs.places(given, given)
    assert there == list(range(COUNT))
    fewer = [*reversed(given[20:]), *given[:17]]
    with pytest.raises(DatasetError, match="60 instruction difficulties and 57 annotations"):
        alpaca_eval.summary(fewer, difficulty=known)
    found = alpaca_eval.summary(fewer, difficulty=known, places=outputs.places(fewer, given))
    assert len(found["remarks"]) == 2  # how many there are, and what was left out
    assert found["weights"]["difficulty"] == pytest.approx(0.74, abs=0.2)  # 0.743 of all 60
    with pytest.raises(DatasetError, match="Annotation 2 is of an instruction"):
        outputs.places([given[0], given[0]], given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"generator_2": "other"}, "more than one model: mine, other"),
        ({"generator_1": "other"}, "more than one baseline: base, other"),
        ({"annotator": "gpt"}, "more than one judge"),
        ({"output_2": None}, "Annotation 2 has no text output_2"),
        ({"preference": "first"}, "'first', which is no number"),
    ],
)
def test_annotations_of_something_else_are_refused(change: dict[str, Any], said: str) -> None:
    first, second = judged([1, 2])
    with pytest.raises(DatasetError, match=said):
        alpaca_eval.summary([first, second | change])
    with pytest.raises(DatasetError, match="are of mine, not of yours"):
        alpaca_eval.summary([first], generator="yours")


def test_nothing_judged_is_refused() -> None:
    for nothing in ([], judged([None, NAN, 7])):
        with pytest.raises(DatasetError):
            alpaca_eval.summary(nothing)


def test_outputs_are_in_the_packages_format(tmp_path: Path) -> None:
    asked = [{"instruction": text, "dataset": "koala"} for text in ("Why?", "How?", "Why?")]
    lines = [
        {"prompt": [{"role": "user", "content": text}], "sample": sample, "response": f"{text} {sample}"}
        for text in ("How?", "Why?", "Who?")
        for sample in (0, 1)
    ]
    generations, instructions, out = (tmp_path / name for name in ("g.jsonl", "i.json", "o.json"))
    generations.write_text("".join(json.dumps(line) + "\n" for line in lines))
    instructions.write_text(json.dumps(asked))
    words = ["alpaca-outputs", str(generations), "--instructions", str(instructions), "--out", str(out)]
    assert pop_train.main([*words, "--generator", "mine"]) == cli.FINISHED
    found = json.loads(out.read_text())
    assert [one["output"] for one in found] == ["Why? 0", "How? 0", "Why? 0"]
    assert found[1] == {"dataset": "koala", "instruction": "How?", "output": "How? 0", "generator": "mine"}
    instructions.write_text(json.dumps([*asked, {"instruction": "Where?"}]))
    assert pop_train.main([*words, "--generator", "mine"]) == cli.BAD_INPUT
    assert json.loads(out.read_text()) == found


def test_the_command_gives_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(published()))
    words = ["alpaca-eval", str(file), "--difficulty", str(gamed(tmp_path / "g.csv"))]
    assert pop_train.main(words) == cli.FINISHED
    assert "length_controlled_win_rate   42.73 ± 1.34" in capsys.readouterr().out
    assert pop_train.main([*words, "--json", "--instructions", str(file)]) == cli.FINISHED
    assert json.loads(capsys.readouterr().out)["discrete_win_rate"] == pytest.approx(45.76271186440678)
    assert pop_train.main([*words[:2], "--difficulty", str(file)]) == cli.BAD_INPUT
    assert "neither instruction_difficulty.csv nor df_gamed.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    "case",
    [
        (
            "d.csv",
            ",instruction_difficulty\n0,1\n1,2\n",
            ["--instructions", "a.json"],
            "are 2 instruction diff",
        ),
        ("d.csv", ",instruction_difficulty\n0,nan\n", [], "'nan' is no finite number"),
        ("d.csv", ",instruction_difficulty\n0,1\n0,2\n", [], "place 1 is missing"),
        ("d.csv", ",instruction_difficulty\n9,1\n", [], "there is a place 9, and there are 1 rows"),
        ("i.json", '[{"instruction": 3}]', [], "i.json, entry 1: instruction must be text"),
        (
            "a.json",
            '[{"instruction": 3}]',
            [],
            "a.json, entry 1: output_1, output_2, generator_1, generator_2",
        ),
        ("out", "a file", ["--out", "out/more/o.json"], "out/more/o.json cannot be written"),
    ],
)
def test_files_that_are_broken_are_refused_in_words(
    case: tuple[str, str, list[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, text, words, said = case
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(json.dumps(published()))
    Path(name).write_text(text)
    given = {"d.csv": ["--difficulty", name], "i.json": ["--instructions", name]}.get(name, [])
    assert pop_train.main(["alpaca-eval", "a.json", *given, *words]) == cli.BAD_INPUT
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"a": 1}', "line 2 has no number sample"),
        ("[1]", "line 2 is no object"),
        ('{"sample": 0, "response": "x", "prompt": [1]}', "line 2 has no prompt of messages"),
        ('{"sample"', "line 2 is not JSON"),
    ],
)
def test_a_broken_line_of_responses_is_named(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"prompt": [{"role": "user", "content": "Why?"}], "sample": 0, "response": "So."}
    written, asked = tmp_path / "generations.jsonl", tmp_path / "i.json"
    written.write_text(f"{json.dumps(good)}\n{line}\n")
    asked.write_text('[{"instruction": "Why?"}]')
    words = ["alpaca-outputs", str(written), "--instructions", str(asked), "--generator", "mine", "--out"]
    assert pop_train.main([*words, str(tmp_path / "o.json")]) == cli.BAD_INPUT
    assert f"is no generations.jsonl: {said}" in capsys.readouterr().err
    written.write_text(json.dumps(good) + "\n")
    assert pop_train.main([*words, str(asked / "o.json")]) == cli.BAD_INPUT
    assert "o.json cannot be written" in capsys.readouterr().err


def test_difficulties_are_by_place(tmp_path: Path) -> None:
    both = [outputs.difficulty(one) for one in (gamed(tmp_path / "a.csv"), plain(tmp_path / "b.csv"))]
    assert np.array_equal(both[0].of, both[1].of)
    assert both[0].of[3] == round(math.sin(5.1), 6)
