"""The pages about the trainer can be followed: their code blocks run, in order, in one folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.contracts import tree
from tests.contracts.test_docs import BLOCK, blocks
from tests.engine import warm
from training.engine.console import documents
from training.engine.spec import RunSpec

DOCS = tree.ROOT / "docs"
COMMAND_PAGE, PYTHON_PAGE, TRACKING_PAGE = (
    DOCS / name for name in ("pop-train.md", "python.md", "tracking.md")
)
RUN = ("bash", "python")
# What trains says how it goes on stderr, and nothing else.
SILENT = (" train ", " sft ", " reward-model ", "trainer.train()")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the pages' data and spec, and `pop-train` on its path."""
    made = tmp_path_factory.mktemp("pages")
    (made / "rows.jsonl").write_text(blocks(COMMAND_PAGE, "jsonl")[0])
    (made / "spec.yaml").write_text(blocks(COMMAND_PAGE, "yaml")[0])
    (made / "python").mkdir()
    (made / "python" / "rows.jsonl").write_text(blocks(COMMAND_PAGE, "jsonl")[0])
    (made / "bin").mkdir()
    with warm.command(made / "bin" / "pop-train", "training.engine.pop_train"):
        yield made


EXAMPLES = [
    pytest.param(language, text, id=f"{page.stem}-{number}")
    for page in (COMMAND_PAGE, PYTHON_PAGE)
    for number, (language, text) in enumerate(BLOCK.findall(page.read_text()))
    if language in RUN
]


@pytest.mark.slow
@pytest.mark.parametrize(("language", "text"), EXAMPLES)
def test_a_block_runs(folder: Path, tmp_path: Path, language: str, text: str) -> None:
    out, err = tmp_path / "out.txt", tmp_path / "err.txt"
    given = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HF_DATASETS_CACHE": str(folder / "cache")}
    if language == "python":
        block = warm.Process(
            warm.program,
            text,
            said=err,
            environment=given,
            folder=folder / "python",
            outputs=(str(out), str(err)),
        )
        code = block.wait(200)
    else:
        words = ["bash", "-euo", "pipefail", "-c", text]
        with out.open("w") as told, err.open("w") as said:
            code = subprocess.run(
                words, cwd=folder, env=os.environ | given, stdout=told, stderr=said, timeout=200, check=False
            ).returncode
    assert code == 0, err.read_text()
    assert out.read_text() or any(words in text for words in SILENT)


def test_every_block_is_run_or_is_data() -> None:
    for page in (COMMAND_PAGE, PYTHON_PAGE):
        languages = {language for language, _ in BLOCK.findall(page.read_text())}
        assert languages - {*RUN, "jsonl", "yaml"} == set()


def test_written_specs_are_specs() -> None:
    for text in blocks(COMMAND_PAGE, "yaml"):
        documents.spec(yaml.safe_load(text))
    for text in blocks(TRACKING_PAGE, "json"):
        assert RunSpec.model_validate(json.loads(text)).training.report_to


def test_every_tracker_is_on_its_page() -> None:
    schema = RunSpec.model_json_schema()["$defs"]["TrainingSpec"]["properties"]["report_to"]
    assert all(
        f"| `{name}` | `pip install {name}` |" in TRACKING_PAGE.read_text()
        for name in schema["items"]["enum"]
    )
