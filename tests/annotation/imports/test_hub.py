"""Data sets of the Hub, by the real library against a Hub on this machine; and without any."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.imports import UnreadableFile, hub
from tests.annotation.imports.hub_server import serving

# The library reads its settings when it is imported, so each reading has a process of its own.
READ = """
import json, sys
from annotation.imports import hub, Record, UnreadableFile
rows, problem = [], ""
try:
    for row in hub.read(**json.loads(sys.argv[1])):
        rows.append(row.chosen[0]["content"] if isinstance(row, Record) else f"{row.line}: {row.reason}")
except UnreadableFile as error:
    problem = error.message
print(json.dumps([rows, problem, "torch" in sys.modules]))
"""


def read(tmp_path: Path, endpoint: str, **options: Any) -> tuple[list[str], str]:
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "0" if endpoint else "1",
        "HF_HOME": str(tmp_path),
        "NO_PROXY": "*",
    }
    env |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_ENDPOINT": endpoint or "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", READ, json.dumps(options)], env=env, capture_output=True, text=True, check=True
    )
    rows, problem, torch = json.loads(done.stdout.splitlines()[-1])
    assert not torch
    return rows, problem


def ultrafeedback(count: int) -> list[dict[str, Any]]:
    question = {"role": "user", "content": "Q?"}
    return [
        {
            "prompt": "Q?",
            "chosen": [question, {"role": "assistant", "content": f"good {n}"}],
            "rejected": [question, {"role": "assistant", "content": "bad"}],
            "score_chosen": 8.0,
        }
        for n in range(count)
    ]


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.mark.slow
def test_a_split_is_streamed_and_the_limit_kept(tmp_path: Path) -> None:
    rows = ultrafeedback(40)
    rows[2]["rejected"] = rows[2]["chosen"]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ultrafeedback(3)), out)
    files = {"data/train.jsonl": jsonl(rows), "data/test.jsonl": jsonl(ultrafeedback(2))}
    with serving("acme/prefs", files) as endpoint:
        found, problem = read(tmp_path, endpoint, dataset="acme/prefs", limit=5)
        assert (found, problem) == (
            ["good 0", "good 1", "3: chosen and rejected are identical", "good 3", "good 4"],
            "",
        )
        assert read(tmp_path, endpoint, dataset="acme/prefs", split="test") == (["good 0", "good 1"], "")
        found, problem = read(tmp_path, endpoint, dataset="acme/prefs", split="nope")
        assert found == []
        assert "Bad split: nope. Available splits" in problem
    with serving("acme/parquet", {"data/train-00000-of-00001.parquet": out.getvalue()}) as endpoint:
        assert read(tmp_path, endpoint, dataset="acme/parquet") == (["good 0", "good 1", "good 2"], "")


def test_an_unknown_data_set_and_an_offline_server_are_told_apart(tmp_path: Path) -> None:
    with serving("acme/prefs", {"data/train.jsonl": jsonl(ultrafeedback(1))}) as endpoint:
        found, problem = read(tmp_path, endpoint, dataset="acme/other")
        assert found == []
        assert problem == (
            "There is no data set acme/other on the Hugging Face Hub that this server may read. Check the id."
        )
    found, problem = read(tmp_path, "", dataset="acme/prefs")
    assert problem == "acme/prefs was not read: this server is set to work offline (HF_HUB_OFFLINE)."


@pytest.mark.parametrize(
    "dataset",
    [
        "",
        "../shared",
        "a/..",
        "/etc",
        "a/b/c",
        "a b",
        "json",
        "parquet",
        "tests",
        "tests/browser",
        "é",
        "x" * 201,
        "hf://a/b",
    ],
)
def test_nothing_but_an_id_on_the_hub_is_taken(dataset: str) -> None:
    with pytest.raises(UnreadableFile, match="not a data set"):
        next(hub.read(dataset))


@pytest.mark.parametrize("split", ["train[:5]", "a/b", "x" * 101])
def test_a_split_is_a_name(split: str) -> None:
    with pytest.raises(UnreadableFile, match="configuration or split"):
        next(hub.read("acme/prefs", split=split))
