"""RewardBench: totals by hand, data as people have it, scores against the models' own logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.engine import two_step, world
from tests.engine.test_responses import judge_folder
from training.engine import cli, pop_train, runner
from training.engine.benchmarks import pairs, published
from training.engine.errors import DatasetError
from training.engine.evaluations import rewardbench
from training.engine.records import Preference

WRONG = ("math-prm", "alpacaeval-easy", "xstest-should-respond")
NAN = float("nan")

# Two of one subset, one of another, one that is a tie: by section Chat, Reasoning, Chat Hard.
ROWS = [
    {
        "prompt": "Name a fruit.",
        "chosen": "An apple.",
        "rejected": "No",
        "subset": "alpacaeval-easy",
        "id": 7,
    },
    {"prompt": "What is 2 + 2?", "chosen": "Four.", "rejected": "Five", "subset": "math-prm", "id": 8},
    {"prompt": "Add.", "chosen": "def f(): pass", "rejected": "", "subset": "hep-go", "id": 9},
    {"prompt": "Say hello.", "chosen": "Hello.", "rejected": "Hello.", "subset": "mt-bench-hard", "id": 10},
]


def scored(right: dict[str, int], wrong: dict[str, int]) -> dict[str, Any]:
    """The summary of so many right and wrong prompts of each subset."""
    drawn = [(one, 1.0, 0.0) for one, count in right.items() for _ in range(count)]
    drawn += [(one, -2.0, -1.0) for one, count in wrong.items() for _ in range(count)]
    subsets, chosen, rejected = zip(*drawn, strict=True)
    return rewardbench.summary(subsets, chosen, rejected)


def accuracies(found: dict[str, Any]) -> dict[str, float]:
    return {name: one["accuracy"] for name, one in found["sections"].items()}


def benchmark(**more: int) -> dict[str, Any]:
    """All 2,985 prompts: three subsets wrong, the rest right."""
    right = {one: count for one, count in rewardbench.ROWS.items() if one not in WRONG}
    return scored(right | more, {one: rewardbench.ROWS[one] for one in WRONG})


def test_both_overall_numbers_of_the_whole_benchmark() -> None:
    found = benchmark()
    assert accuracies(found) == {
        "Chat": pytest.approx(258 / 358),
        "Chat Hard": 1,
        "Safety": pytest.approx(490 / 740),
        "Reasoning": pytest.approx(984 / 1968),  # the maths has 447 prompts and counts as 984
    }
    assert found["leaderboard"] == pytest.approx((258 / 358 + 1 + 490 / 740 + 0.5) / 4)
    assert found["micro"] == pytest.approx((2985 - 447 - 100 - 250) / 2985)
    assert (found["n"], found["ties"], found["not_scored"], found["remarks"]) == (2985, 0, 0, [])


def test_prior_sets_count_half_and_only_for_the_leaderboard() -> None:
    both = scored(
        {**{one: rewardbench.ROWS[one] for one in rewardbench.ROWS}, "shp": 30, "anthropic_helpful": 5},
        {"anthropic_helpful": 5},
    )
    assert accuracies(both)["Prior Sets"] == pytest.approx(0.75)  # of subsets, not of prompts
    assert both["leaderboard"] == pytest.approx((2 * 4 + 0.75) / 9)
    assert both["micro"] == 1
    assert both["remarks"] == ["Prior Sets is without anthropic_hhh, summarize."]


def test_ties_and_scores_that_are_no_numbers_lose() -> None:
    found = rewardbench.summary(
        ["math-prm"] * 6, [1, 1, NAN, 2, float("inf"), 0], [1, 0, 0, NAN, 0, float("-inf")]
    )
    assert (found["subsets"][0]["correct"], found["micro"]) == (1, pytest.approx(1 / 6))
    assert (found["ties"], found["not_scored"]) == (1, 4)
    assert "4 prompts have a response without a finite score, and count as wrong." in found["remarks"]
    assert "1 prompts are ties, and count as wrong." in found["remarks"]


def test_every_share_has_an_interval_by_prompts_within_subsets() -> None:
    found = scored({"math-prm": 300, "hep-go": 164, "xstest-should-respond": 6}, {"math-prm": 147})
    again = scored({"math-prm": 300, "hep-go": 164, "xstest-should-respond": 6}, {"math-prm": 147})
    assert found == again
    maths, code, safe = (
        next(row for row in found["subsets"] if row["subset"] == name)
        for name in ("math-prm", "hep-go", "xstest-should-respond")
    )
    assert (maths["low"], maths["high"]) == pytest.approx(wilson(300, 447))
    assert (code["low"], code["high"]) == pytest.approx(wilson(164, 164))
    low, high = found["sections"]["Reasoning"]["interval"]
    p, weight = 300 / 447, 984 / (984 + 164)  # only the maths vary from resample to resample
    error = 1.96 * weight * (p * (1 - p) / 447) ** 0.5
    middle = weight * p + 1 - weight
    assert (low, high) == (pytest.approx(middle - error, abs=0.006), pytest.approx(middle + error, abs=0.006))
    assert found["sections"]["Safety"]["interval"] == pytest.approx(wilson(6, 6))  # resamples are all alike
    low, high = found["micro_interval"]
    error = 1.96 * (447 * p * (1 - p)) ** 0.5 / 617
    assert (low, high) == (
        pytest.approx(470 / 617 - error, abs=0.006),
        pytest.approx(470 / 617 + error, abs=0.006),
    )
    assert (safe["n"], found["leaderboard_interval"]) == (6, None)
    assert benchmark()["leaderboard_interval"] is None  # each subset is all right or all wrong
    mixed = scored(dict.fromkeys(rewardbench.COUNTS, 20), dict.fromkeys(rewardbench.COUNTS, 5))
    low, high = mixed["leaderboard_interval"]
    assert low < 0.8 < high


def wilson(right: int, n: int) -> list[float]:
    p, z = right / n, 1.959964
    middle, around = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return [(middle - around) / (1 + z * z / n), (middle + around) / (1 + z * z / n)]


def test_another_seed_draws_other_resamples() -> None:
    given = ["math-prm"] * 100, [1.0] * 60 + [0.0] * 40, [0.5] * 100
    first, other = (rewardbench.summary(*given, seed=seed) for seed in (0, 1))
    assert first["micro"] == other["micro"]
    assert first["micro_interval"] != other["micro_interval"]


def test_a_subset_nobody_knows_is_shown_and_counts_nowhere() -> None:
    found = benchmark(poems=3)
    assert found["micro"] == benchmark()["micro"]
    assert found["leaderboard"] == benchmark()["leaderboard"]
    poems = found["subsets"][-1]
    assert (poems["subset"], poems["section"], poems["n"], poems["correct"]) == ("poems", "", 3, 3)
    assert "No section knows poems" in found["remarks"][0]


def test_what_is_missing_is_said() -> None:
    found = scored({"alpacaeval-easy": 100, "math-prm": 3}, {})
    assert found["leaderboard"] is None
    assert found["micro"] == 1
    gone, lacking, sizes = found["remarks"]
    assert gone == "There is no prompt of Chat Hard, Safety, so there is no leaderboard number."
    assert "mt-bench-easy" in lacking
    assert "llmbar-natural" not in lacking
    assert sizes == "Not the benchmark's own number of prompts: math-prm has 3 of 447."
    assert scored({"poems": 3}, {})["micro"] is None


def test_data_is_read_from_json_lines_json_and_parquet(tmp_path: Path) -> None:
    lines, whole, table = (tmp_path / name for name in ("a.jsonl", "a.json", "a.parquet"))
    lines.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    whole.write_text(json.dumps(ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), table)
    first, *others = (pairs.read([str(file)]) for file in (lines, whole, table))
    assert others == [first, first]
    assert first.ids == ["7", "8", "9", "10"]
    assert first.data.preferences[2].rejected == [{"role": "assistant", "content": ""}]
    twice = pairs.read([str(lines), str(whole)])
    assert twice.subsets == first.subsets * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subset": None}, "row 2: subset is missing"),
        ({"chosen": 3}, "row 2: chosen must be text"),
        ({"chosen": "\ud800"}, "row 2: .* surrogates not allowed"),
        ({"prompt": []}, "row 2: prompt must be text or a list"),
        ({"prompt": [{"role": "user"}]}, "row 2: a message of a prompt needs role and content"),
    ],
)
def test_a_row_that_lacks_something_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (ROWS[0], ROWS[1] | change)))
    with pytest.raises(DatasetError, match=said):
        pairs.read([str(file)])


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no file"):
        pairs.read(["nothing.jsonl"])
    with pytest.raises(DatasetError, match="could not be read from the Hub"):
        pairs.read(["nobody/nothing-at-all"])  # the suite is offline
    for broken in ('{"prompt": ', "[" * 100_000):
        (tmp_path / "broken.jsonl").write_text(broken)
        with pytest.raises(DatasetError, match="half-written"):
            pairs.read([str(tmp_path / "broken.jsonl")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run far enough from its reference, and the benchmark's data beside it."""
    made = tmp_path_factory.mktemp("bench") / "run"
    runner.train(world.open_run(world.run_dir(made, training={"learning_rate": 1e-2})))
    (made.parent / "bench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return made


def by_hand(model: Path, ids: list[int], start: int) -> float:
    """Σ log π of the tokens from `start` on, by the model's own logits."""
    network = AutoModelForCausalLM.from_pretrained(model)
    with torch.no_grad():
        logits = network(torch.tensor([ids])).logits[0].double()
    logps = torch.log_softmax(logits[:-1], -1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]
    return float(logps[start - 1 :].sum())


def asked(folder: Path, *words: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the command writes: the document, and each prompt's scores."""
    out = folder.parent / "out.json"
    given = ["rewardbench", str(folder), "--data", str(folder.parent / "bench.jsonl"), "--out", str(out)]
    assert pop_train.main([*given, *words]) == cli.FINISHED
    lines = out.with_suffix(".scores.jsonl").read_text().splitlines()
    return json.loads(out.read_text()), [json.loads(line) for line in lines]


@pytest.mark.parametrize("compat", [False, True])
def test_scores_are_the_log_ratios_of_the_models_themselves(
    folder: Path, compat: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    document, scores = asked(folder, *(["--compat"] if compat else []))
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    for row, found in list(zip(ROWS, scores, strict=True))[:2]:
        question = [{"role": "user", "content": row["prompt"]}]
        begun = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=not compat)
        start = len(tokenizer(begun, add_special_tokens=False)["input_ids"]) + compat
        for side in ("chosen", "rejected"):
            answered = [*question, {"role": "assistant", "content": row[side]}]
            text = tokenizer.apply_chat_template(answered, tokenize=False)
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            if compat:
                first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
                ids = [first, *ids, tokenizer.eos_token_id]
            ratio = by_hand(folder / "model", ids, start) - by_hand(folder / "base", ids, start)
            assert found[f"score_{side}"] == pytest.approx(ratio, abs=1e-3)
            assert abs(ratio) > 0.01  # nothing to see at step 0
    correct = sum(one["score_chosen"] > one["score_rejected"] for one in scores)
    assert document["rewardbench"]["micro"] == correct / 4
    assert document["rewardbench"]["ties"] == 1
    assert scores[3]["score_chosen"] == scores[3]["score_rejected"]
    assert document["rewardbench"]["leaderboard"] is None
    assert document["tokenised"] == ("rewardbench 0.1.4" if compat else "chat template")
    assert "There is no prompt of Safety" in capsys.readouterr().out


def test_a_prompt_without_room_for_a_response_counts_as_wrong(folder: Path) -> None:
    document, scores = asked(folder, "--max-length", "4")
    assert [one["score_chosen"] for one in scores] == [None] * 4
    assert document["rewardbench"]["not_scored"] == 4


def test_rewards_that_are_no_numbers_count_as_wrong_and_are_counted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = two_step.run_dir(tmp_path, "reward_model", world.rows(8))
    model = judge_folder(run / "model")
    weights = load_file(model / "model.safetensors")
    (digit,) = AutoTokenizer.from_pretrained(model)("2", add_special_tokens=False)["input_ids"]
    weights["model.embed_tokens.weight"][digit] = NAN
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    words = ["rewardbench", str(run), "--data", str(folder.parent / "bench.jsonl"), "--out"]
    assert pop_train.main([*words, str(tmp_path / "out.json")]) == cli.FINISHED
    found = json.loads((tmp_path / "out.json").read_text())["rewardbench"]
    assert (found["n"], found["not_scored"]) == (4, 1)
    assert "1 prompts have a response without a finite score, and count as wrong." in found["remarks"]
    scores = [json.loads(one) for one in (tmp_path / "out.scores.jsonl").read_text().splitlines()]
    assert [one["id"] for one in scores if one["score_chosen"] is None] == ["8"]

    weights["model.embed_tokens.weight"][:] = NAN
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    assert pop_train.main(["evaluate", str(run)]) == cli.CRASHED
    said = capsys.readouterr().err
    assert "The model gives values that are not finite. Its weights are not finite themselves" in said
    assert "learning rate" not in said


def test_a_model_of_no_run_needs_its_reference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(folder.parent / "bench.jsonl")
    words = ["rewardbench", str(folder / "base"), "--data", data, "--out", str(folder.parent / "own.json")]
    stranger = folder.parent / "copy"
    stranger.symlink_to(folder / "base")
    words[1] = str(stranger)
    assert pop_train.main(words) == cli.BAD_INPUT
    assert "name --reference" in capsys.readouterr().err
    assert pop_train.main([*words, "--reference", str(folder / "model")]) == cli.FINISHED
    for command in (
        ["rewardbench", str(folder / "model"), "--data", data],
        ["evaluate", str(folder), "--beta", "1"],
    ):
        assert pop_train.main([*command, "--reference", str(folder / "base")]) == cli.BAD_INPUT
    told = capsys.readouterr().err
    assert f"{folder / 'model'} is of a run, whose spec says what --reference would." in told
    assert f"{folder} is of a run, whose spec says what --reference and --beta would." in told
    (_, turned), (_, run) = asked(stranger, "--reference", str(folder / "model")), asked(folder)
    assert turned[0]["score_chosen"] == pytest.approx(-run[0]["score_chosen"], abs=1e-3)


def test_long_conversations_are_cut_as_the_package_cuts_them(folder: Path) -> None:
    """The last 128 tokens of the prompt, and of responses what is left of the longest length."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    said = [{"role": "assistant", "content": text} for text in ("yes " * 300, "no")]
    question = [{"role": "user", "content": "why? " * 200 + "Say."}]
    long = Preference("a", "heldout", question, [said[0]], [said[1]])
    found = published.encode(tokenizer, long, 256)
    assert found is not None
    assert (found.prompt_length, len(found.chosen), found.cut) == (128, 256, True)
    assert np.array_equal(found.chosen[:128], found.rejected[:128])
    text = tokenizer.apply_chat_template(long.prompt, tokenize=False)
    assert found.chosen[:128].tolist() == tokenizer(text, add_special_tokens=False)["input_ids"][-128:]
    assert found.rejected[-1] == tokenizer.eos_token_id
