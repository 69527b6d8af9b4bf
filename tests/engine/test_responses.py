"""Runs whose models write responses that are judged, up to evaluation.json; judges of every layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification, LlamaModel

from tests.engine import two_step, world
from training.engine import cli, judging, opponents, pop_train, reevaluation, responses, runner, tiny
from training.engine.errors import Cancelled, ModelError, SpecError
from training.engine.generation_cache import folder as shared
from training.engine.spec import RunSpec

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

WRITING = {"prompts": 3, "samples": 2, "max_new_tokens": 8}
USER = [{"role": "user", "content": "What now?"}]


def sizes(**changes: Any) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=300,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=0,
        **changes,
    )


def judge_folder(where: Path) -> Path:
    """A random classifier with one output."""
    torch.manual_seed(3)
    model = LlamaForSequenceClassification(sizes(num_labels=1))
    with torch.no_grad():
        model.score.weight.normal_()
    model.save_pretrained(where)
    tiny.tokenizer(["What now?", "Paris, gladly."], 300).save_pretrained(where)
    return where


class Ultra(nn.Module):
    """UltraRM's layout, built here by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.model = LlamaModel(sizes())
        self.regression_head = nn.Linear(16, 1, bias=False)


def ultra_folder(where: Path) -> tuple[Path, Ultra, Any]:
    from safetensors.torch import save_file

    torch.manual_seed(4)
    model = Ultra().eval()
    where.mkdir()
    save_file(model.state_dict(), where / "model.safetensors", metadata={"format": "pt"})
    config = sizes().to_dict() | {"architectures": ["LlamaRewardModel"]}
    (where / "config.json").write_text(json.dumps(config))
    tokenizer = tiny.tokenizer(["Human: What now?", "Assistant: Paris"], 300)
    tokenizer.save_pretrained(where)
    return where, model, tokenizer


def finished(folder: Path, generation: dict[str, Any] | None = None, **changes: Any) -> Path:
    evaluation = {"generation": WRITING | (generation or {})} | changes.pop("evaluation", {})
    runner.train(world.open_run(world.run_dir(folder, world.rows(8, 6), evaluation=evaluation, **changes)))
    return folder


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def numbers(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())["results"]
    return found


def test_a_run_writes_responses_and_a_later_evaluation_has_the_same_numbers(tmp_path: Path) -> None:
    judge = judge_folder(tmp_path / "judge")
    folder = finished(tmp_path / "run", evaluation={"judge": str(judge)})
    written, others = lines(folder / "generations.jsonl"), lines(folder / "reference-generations.jsonl")
    assert [(one["prompt_id"], one["sample"]) for one in written] == [
        (one["prompt_id"], one["sample"]) for one in others
    ]
    assert len(written) == 6
    for one in written:
        assert (one["ended"] == "length") == (len(one["tokens"]) == 8 and one["tokens"][-1] != 1)
        assert one["logp"] < 0 > one["reference_logp"]
        assert one["prompt"][0]["role"] == "user"
    told = numbers(folder)
    lengths = [sum(len(one["tokens"]) for one in side) / 6 for side in (written, others)]
    length = told["generation"]
    assert [length["tokens"], length["reference_tokens"]] == pytest.approx(lengths)
    assert length["longer"] == pytest.approx(lengths[0] - lengths[1])
    kl = told["divergence"]["generated"]
    assert kl["kl_response"] == pytest.approx(sum(x["logp"] - x["reference_logp"] for x in written) / 6)
    assert (told["win_rate"]["n"], told["win_rate"]["prompts"]) == (6, 3)
    assert told["win_rate"]["against"] == f"reference {world.spec()['model']['base']}"
    opened = judging.open_judge(str(judge), tmp_path)
    ours, theirs = (opened([(one["prompt"], one["response"]) for one in side]) for side in (written, others))
    won = [0.5 if a == b else float(a > b) for a, b in zip(ours, theirs, strict=True)]
    assert told["win_rate"]["win_rate"] == pytest.approx(sum(won) / 6)
    assert told["win_rate"]["judge_sha256"] == told["median_advantage"]["judge_sha256"] == opened.sha256()
    differences = sorted(a - b for a, b in zip(ours, theirs, strict=True))
    assert told["median_advantage"]["median_advantage"] == pytest.approx(sum(differences[2:4]) / 2)
    assert "Win rate" in (folder / "model" / "README.md").read_text()

    stages = [one.data["name"] for one in world.told(folder, "stage")]
    assert stages[-4:] == ["generate", "generate", "judge", "save"]
    asked = ["--generate", "3", "--samples", "2", "--max-new-tokens", "8", "--judge", str(judge)]
    out = tmp_path / "again.json"
    assert pop_train.main(["evaluate", str(folder), *asked, "--out", str(out)]) == cli.FINISHED
    again = json.loads(out.read_text())["results"]
    assert again["divergence"] == told["divergence"]
    for name in ("win_rate", "median_advantage"):
        assert {**again[name], "against": ""} == {**told[name], "against": ""}
    assert lines(tmp_path / "again.generations.jsonl") == written
    assert_the_same_answers(folder, tmp_path)


def assert_the_same_answers(folder: Path, passing: Path) -> None:
    """`alpaca-outputs` has the model itself answer: what its run's evaluation wrote, and anything else."""
    written = {one["prompt"][0]["content"]: one for one in lines(folder / "generations.jsonl")[::-1]}
    asked = [*written, "Who are you?"]
    instructions, out = passing / "instructions.json", passing / "outputs.json"
    instructions.write_text(json.dumps([{"instruction": one} for one in asked]))
    words = ["alpaca-outputs", str(folder), "--instructions", str(instructions), "--generator", "mine"]
    words += ["--max-new-tokens", "8", "--out", str(out)]
    assert pop_train.main(words) == cli.FINISHED
    found = json.loads(out.read_text())
    assert [one["instruction"] for one in found] == asked
    assert [one["output"] for one in found[:-1]] == [one["response"] for one in written.values()]
    assert found[-1]["generator"] == "mine"


def test_what_was_written_before_a_stop_is_not_written_again(tmp_path: Path) -> None:
    run = world.open_run(
        world.run_dir(
            tmp_path / "run",
            world.rows(8, 6),
            evaluation={"generation": WRITING | {"prompts": 5}, "batch_size": 2},
        )
    )
    hear = run.events.write

    def stop(kind: str, step: int | None = None, **data: Any) -> None:
        hear(kind, step, **data)
        if kind == "progress" and data["stage"] == "generate":
            run.stop.requested = True

    run.events.write = stop
    with pytest.raises(Cancelled):
        runner.train(run)
    assert not (run.folder / "generations.jsonl").exists()
    again = world.open_run(run.folder)
    runner.train(again)
    stages = [one.data for one in world.told(run.folder, "stage") if one.data["name"] == "generate"]
    first, second, _ = stages  # the last one is the reference's
    assert (first["total"], first["cached"]) == (10, 0)
    assert second["total"] + second["cached"] == 10
    assert second["cached"] > 0
    whole = finished(tmp_path / "whole", {"prompts": 5})
    assert lines(run.folder / "generations.jsonl") == lines(whole / "generations.jsonl")
    assert list(shared().glob("*/*.safetensors"))


def test_a_run_is_judged_against_another_runs_responses(tmp_path: Path) -> None:
    other = finished(tmp_path / "other", method={"slug": "dpo", "params": {}})
    judge = str(judge_folder(tmp_path / "judge"))
    folder = finished(tmp_path / "run", evaluation={"judge": judge, "against": str(other)})
    found = numbers(folder)["win_rate"]
    assert (found["n"], found["against"]) == (6, str(other))
    assert found["opponent"] == opponents.of_responses(lines(other / "generations.jsonl"))
    assert found["sampling"] == "temperature 1, top-p 1, at most 8 tokens, responses a prompt: 2"
    beside = lines(folder / "reference-generations.jsonl")  # for people, whoever the opponent is
    assert [one["prompt_id"] for one in beside] == [
        one["prompt_id"] for one in lines(folder / "generations.jsonl")
    ]


def test_adapters_are_taken_off_for_the_reference(tmp_path: Path) -> None:
    folder = finished(tmp_path, model={"lora": {"r": 4, "alpha": 8}}, training={"learning_rate": 0.05})
    assert numbers(folder)["divergence"]["generated"]["kl_response"] != 0
    assert all(one["logp"] != one["reference_logp"] for one in lines(folder / "generations.jsonl"))
    assert_the_same_answers(folder, tmp_path)


def test_an_sft_run_writes_too(tmp_path: Path) -> None:
    judge = str(judge_folder(tmp_path / "judge"))
    evaluation = {"generation": WRITING, "judge": judge}
    training = {"learning_rate": 0.05}
    folder = two_step.run_dir(
        tmp_path / "run", "sft", world.rows(8, 6), training=training, evaluation=evaluation
    )
    runner.train(world.open_run(folder))
    assert numbers(folder)["win_rate"]["n"] == 6
    assert len(lines(folder / "generations.jsonl")) == 6
    subject = reevaluation.find(str(folder))
    assert subject is not None
    assert reevaluation.evaluate(subject)["results"] == numbers(folder)  # against what it was trained from


def test_what_cannot_be_judged_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    policy = finished(tmp_path / "policy", {"prompts": 1})
    short = tmp_path / "short.jsonl"
    (line,) = lines(policy / "generations.jsonl")[:1]
    short.write_text(json.dumps(line | {"prompt_id": "x"}) + "\n")
    broken = tmp_path / "broken.jsonl"
    broken.write_text("".join(json.dumps(line | {"response": one}) + "\n" for one in ("Yes.", None)))
    judge = str(judge_folder(tmp_path / "judge"))
    for evaluation, reason in (
        ({"judge": str(policy / "model")}, "is no reward model that can be read: it is LlamaForCausalLM"),
        ({"judge": str(tmp_path)}, "it has no config.json"),
        ({"judge": judge, "against": str(tmp_path / "none")}, "no responses to judge against"),
        ({"judge": judge, "against": str(short)}, "responses to 0 of the 3 prompts"),
        (
            {"judge": judge, "against": str(policy / "spec.json")},
            "no generations.jsonl: line 1 has no text",
        ),
        (
            {"judge": judge, "against": str(broken)},
            "no generations.jsonl: line 2 has no text response",
        ),
    ):
        changes = {"generation": WRITING} | evaluation
        run = world.open_run(world.run_dir(tmp_path / "run", world.rows(8, 6), evaluation=changes))
        with pytest.raises((ModelError, SpecError), match=reason):
            runner.train(run)
        assert world.told(run.folder) == []
        assert cli.main(["check", str(run.folder)]) == (
            cli.FINISHED if "against" in evaluation else cli.BAD_INPUT
        )


def test_a_judge_that_fails_at_the_end_costs_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = judge_folder(tmp_path / "judge")
    before = responses.write

    def then_gone(*given: Any) -> Any:
        for one in judge.glob("*.safetensors"):
            one.unlink()
        return before(*given)

    monkeypatch.setattr(responses, "write", then_gone)
    folder = finished(tmp_path / "run", evaluation={"judge": str(judge)})
    assert "could not be loaded" in numbers(folder)["win_rate"]["skipped"]
    assert (folder / "model").is_dir()
    assert len(lines(folder / "generations.jsonl")) == 6


def test_nor_does_one_that_refuses_what_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strict = judge_folder(tmp_path / "strict")
    (strict / "chat_template.jinja").write_text("{{ raise_exception('System role not supported') }}")
    folder = finished(tmp_path / "run", evaluation={"judge": str(strict)})
    assert (folder / "model").is_dir()
    assert numbers(folder)["pair_accuracy"]["n"] > 0
    said = "The judge's chat template refuses a conversation: System role not supported"
    assert numbers(folder)["win_rate"]["skipped"] == said
    (warning,) = (one.data for one in world.told(folder, "warning") if one.data["code"] == "template_refused")
    assert warning["message"] == f"Nothing was judged: {said}"

    small = judge_folder(tmp_path / "small")
    model = LlamaForSequenceClassification.from_pretrained(small)
    model.resize_token_embeddings(40)
    model.save_pretrained(small)
    words = ["--judge", str(small), "--out", str(tmp_path / "again.json")]
    assert pop_train.main(["evaluate", str(folder), *words]) == cli.FINISHED
    assert "its model has embeddings of 40: they do not belong together" in capsys.readouterr().err
    assert lines(tmp_path / "again.generations.jsonl") == lines(folder / "generations.jsonl")


def test_a_judge_without_memory_costs_no_model_and_says_what_takes_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore of it")

    monkeypatch.setattr(judging, "open_judge", full)
    folder = finished(tmp_path / "run", evaluation={"judge": str(judge_folder(tmp_path / "judge"))})
    why = numbers(folder)["win_rate"]["skipped"]
    assert why.startswith("Memory ran out: CUDA out of memory. Tried to allocate 2.00 GiB. A smaller")
    assert (folder / "model").is_dir()


def test_a_response_may_hold_any_end_of_line(tmp_path: Path) -> None:
    text = "one\u2028two\x85three"
    file = tmp_path / "generations.jsonl"
    line = {"prompt_id": "a", "prompt": USER, "sample": 0, "response": text}
    file.write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
    changes = {"generation": {"prompts": 1}, "judge": "x", "against": str(file)}
    run = world.open_run(world.run_dir(tmp_path / "run", evaluation=changes))
    assert [one["response"] for one in responses._others(run)] == [text]


def test_a_classifier_judges_as_transformers_alone_does(tmp_path: Path) -> None:
    folder = judge_folder(tmp_path / "judge")
    texts = ["Paris.", "Go away", "x" * 400, ""]
    found = judging.open_judge(str(folder), tmp_path)([(USER, text) for text in texts])
    assert found[2] != found[2]  # longer than its positions: no reward, rather than one of a cut text
    model = LlamaForSequenceClassification.from_pretrained(folder)
    tokenizer = tiny.tokenizer(["What now?", "Paris, gladly."], 300)
    for place in (0, 1, 3):
        ids, _ = two_step.chat(tokenizer, "What now?", texts[place])
        with torch.no_grad():
            assert found[place] == pytest.approx(model(input_ids=torch.tensor([ids])).logits.item(), abs=1e-5)


def test_ultrarm_is_known_by_its_weights_and_read_at_its_last_token(tmp_path: Path) -> None:
    folder, model, tokenizer = ultra_folder(tmp_path / "ultra")
    texts = ["Paris.", "Go away now"]
    for architecture in ("LlamaRewardModel", "LlamaModel"):
        config = json.loads((folder / "config.json").read_text()) | {"architectures": [architecture]}
        (folder / "config.json").write_text(json.dumps(config))
        found = judging.open_judge("ultra", tmp_path)([(USER, text) for text in texts])
        for text, reward in zip(texts, found, strict=True):
            ids = torch.tensor([tokenizer(f"Human: What now?\nAssistant: {text}")["input_ids"]])
            with torch.no_grad():
                hidden = model.model(input_ids=ids).last_hidden_state[0, -1]
                assert reward == pytest.approx(model.regression_head(hidden).item(), abs=1e-5)
    weights = load_file(folder / "model.safetensors")
    assert "regression_head.weight" in weights


def test_a_judge_has_one_name_in_any_folder_and_another_if_anything_it_does_differs(tmp_path: Path) -> None:
    folder = judge_folder(tmp_path / "judge")

    def name(where: Path = folder) -> str:
        return judging.open_judge(str(where), tmp_path).sha256()

    first = judging.open_judge(str(folder), tmp_path)
    assert isinstance(first, judging.RewardJudge)
    first([(USER, "Paris.")])
    assert first.sha256() == name(Path(shutil.copytree(folder, tmp_path / "copy"))) == name()
    saved = tmp_path / "saved again"
    first.model.save_pretrained(saved)
    AutoTokenizer.from_pretrained(folder).save_pretrained(saved)
    assert name(saved) == name()

    names = {name()}
    (saved / "chat_template.jinja").write_text("{{ messages[-1]['content'] }}")
    names.add(name(saved))
    tiny.tokenizer(["What now?", "Rome, sadly."], 300).save_pretrained(saved)
    names.add(name(saved))
    with torch.no_grad():
        first.model.score.weight[0, 0] += 0.1
    first.model.save_pretrained(folder)
    names.add(name())
    assert len(names) == 4
    ultra, _, _ = ultra_folder(tmp_path / "ultra")
    assert name(ultra) == name(Path(shutil.copytree(ultra, tmp_path / "ultra copy")))


def test_several_turns_and_a_system_prompt_in_ultrarms_words() -> None:
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]
    assert judging.ultra_text(turns, "See you") == (
        "Human: Be kind.\nHi\nAssistant: Hello\nHuman: Bye\nAssistant: See you"
    )


def test_runs_that_were_trained_otherwise_draw_other_noise() -> None:
    def of(**training: Any) -> str:
        return responses.speaker(RunSpec.model_validate({"training": training}))

    assert of(save_steps=7, micro_batch=3, report_to=["wandb"]) == of()
    assert len({of(), of(seed=1), of(learning_rate=0.1), "reference"}) == 4


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"evaluation": {"judge": "x"}}, "a judge needs responses"),
        ({"evaluation": {"generation": {"prompts": 2}, "against": "x"}}, "against needs a judge"),
        ({"kind": "reward_model", "evaluation": {"generation": {"prompts": 2}}}, "writes no responses"),
    ],
)
def test_a_spec_that_asks_for_half_of_it_is_refused(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        RunSpec.model_validate(document)
