"""A study on real preferences, in the layout of UltraFeedback-binarized, with models of any size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.engine import warm, world
from training.engine import tiny
from training.engine.errors import ModelError
from training.study import __main__, corpus, pool, presets, studies
from training.study.settings import Corpus, Labels

needs_data = pytest.mark.skipif(not world.SHARED.is_dir(), reason="the real data is not beside this checkout")
SIZES = {"train_prefs": 80, "test_prefs": 24}


def ultrafeedback(folder: Path) -> Path:
    """Real scored preferences under the names and columns of the data set on the Hub."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = _rows()
    (folder / "data").mkdir(parents=True)
    for split, count in SIZES.items():
        found = list(islice(rows, count))
        if split == "train_prefs":  # a repeated row, one without a score, one that an import would refuse
            found += [
                found[0],
                found[1] | {"score_chosen": None},
                found[2] | {"chosen": found[2]["rejected"]},
            ]
        pq.write_table(pa.Table.from_pylist(found), folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def _rows() -> Iterator[dict[str, Any]]:
    for text in (world.SHARED / "pairs.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line.get("score_chosen") is None or not isinstance(line["prompt"], str):
            continue
        user = {"role": "user", "content": line["prompt"][:400]}
        sides = [
            [user, {"role": "assistant", "content": line[name][:300]}] for name in ("chosen", "rejected")
        ]
        yield {
            "prompt": user["content"],
            "prompt_id": line["id"],
            "chosen": sides[0],
            "rejected": sides[1],
            "messages": sides[0],
            "score_chosen": float(line["score_chosen"]),
            "score_rejected": float(line["score_rejected"]),
        }


@needs_data
def test_a_corpus_is_read_as_an_import_reads_it_and_labelled_by_its_scores(tmp_path: Path) -> None:
    source = Corpus(source=str(ultrafeedback(tmp_path / "uf")))
    train, heldout = pool.items(0, source)
    assert (len(train), len(heldout)) == (SIZES["train_prefs"], SIZES["test_prefs"])
    assert all(one.margin == one.scores[0] - one.scores[1] for one in train)
    assert [one["role"] for one in (*train[0].prompt, *train[0].chosen)] == ["user", "assistant"]
    told = pool.freeze(tmp_path / "frozen", 0, source, Labels(gap=0.1))
    assert told["pairs"] == 80 < told["rows"]
    assert told["rows_right"] == 1.0
    assert len(corpus.items(source, "train_prefs", 7)) == 7


def test_a_corpus_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(corpus.Unreadable, match="nowhere, split train_prefs, could not be read"):
        corpus.items(Corpus(source=str(tmp_path / "nowhere")), "train_prefs", None)


def test_settings_about_the_synthetic_world_are_left_out_of_a_preset() -> None:
    preset = presets.PRESETS["paper-3b"]
    study, left_out = presets.on(studies.STUDIES["noise"], preset, preset.data)
    assert "coarse scores" in left_out
    assert all(isinstance(one.data, Corpus) for one in study.settings)
    cells = study.settings[0].cells([0])
    assert {(cell.method.beta, cell.method.learning_rate) for cell in cells.values()} == {(0.1, 1e-6)}
    with pytest.raises(presets.NothingLeft, match="'quality'"):
        presets.on(studies.STUDIES["quality"], preset, preset.data)


def test_a_judge_that_nobody_converted_stops_the_study_before_anything_is_trained(tmp_path: Path) -> None:
    from training.study import cell

    base, judge = models(tmp_path, [f"word {number}" for number in range(40)])
    corpora = Corpus(source=str(tmp_path / "nowhere"), base=base, judge=judge)
    (tmp_path / "judge" / "model.safetensors").rename(tmp_path / "judge" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="its weights are no safetensors"):
        cell.base(tmp_path / "out", 0, corpora)
    (tmp_path / "judge" / "pytorch_model.bin").rename(tmp_path / "judge" / "model.safetensors")
    with pytest.raises(corpus.Unreadable, match="nowhere"):  # the next thing that is missing
        cell.base(tmp_path / "out", 0, corpora)


@pytest.mark.parametrize(
    "words", [["--seeds", "0"], ["--seeds", "-1"], ["--processes", "x"], ["--first-seed", "-1"]]
)
def test_numbers_that_are_none_are_refused_in_words(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        __main__.arguments(["tables", *words])
    assert f"argument {words[0]}: " in capsys.readouterr().err


@needs_data
@pytest.mark.long
def test_the_papers_own_ground_runs_from_the_data_to_the_report(tmp_path: Path) -> None:
    base, judge = models(tmp_path, [line["prompt"] for line in islice(_rows(), 40)])
    words = ["sanity", "--preset", "paper-3b", "--data", str(ultrafeedback(tmp_path / "uf")), "--base", base]
    words += ["--judge", judge, "--prompts", "8", "--max-new-tokens", "12", "--precision", "fp32"]
    said, out = tmp_path / "said.txt", tmp_path / "out"
    for _ in range(2):  # the second time everything is there
        study = warm.Process(
            warm.module, "training.study", [*words, "--no-progress", "--out", str(out)], said=said
        )
        assert study.wait(400) == 0, said.read_text()
    found = json.loads((out / "reports" / "sanity-paper-3b" / "results.json").read_text())
    (setting,) = found["settings"].values()
    lines = setting["lines"]
    assert lines["dpo"]["win_vs_dpo"]["values"] == [0.5]
    assert 0 <= lines["dpo_pop"]["win_vs_dpo"]["mean"] <= 1
    assert lines["dpo_pop"]["steps"]["mean"] > lines["dpo"]["steps"]["mean"] > 0
    assert all(0 < one["length"]["mean"] <= 12 for one in lines.values())


def models(folder: Path, texts: list[str]) -> tuple[str, str]:
    """A tiny base model and a tiny judge on disk, whose tokens come from these texts."""
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    words = tiny.tokenizer(texts, 400)
    words.chat_template = tiny.CHAT_TEMPLATE
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    marks = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id}
    config = LlamaConfig(
        **sizes, **marks, vocab_size=len(words), num_attention_heads=2, num_labels=1, bos_token_id=None
    )
    for name, made in (("base", LlamaForCausalLM), ("judge", LlamaForSequenceClassification)):
        made(config).save_pretrained(folder / name)
        words.save_pretrained(folder / name)
    return str(folder / "base"), str(folder / "judge")
