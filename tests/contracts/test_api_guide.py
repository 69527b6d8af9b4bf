"""docs/api.md does what it says: its snippets run against a real server and a real worker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.live import ROOT, LiveStack, live_stack

__all__ = ["live_stack"]
pytestmark = [pytest.mark.slow]
GUIDE = (ROOT / "docs" / "api.md").read_text()
TOKEN = """
import json
from django.utils import timezone
from annotation.services import accounts, tokens
boss = accounts.ensure("guide", "a long enough passphrase", can_create_projects=True)
scopes = ["read", "annotate", "manage", "train"]
print(json.dumps(tokens.create(name="guide", scopes=scopes, by=boss, at=timezone.now())[1]))
"""


def snippet(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return str(found)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a preference file of ten good rows and a bad one."""
    rows = [
        {"prompt": f"What is {n} + {n}?", "chosen": f"It is {n + n}." + "!" * n, "rejected": "I don't know."}
        for n in range(10)
    ]
    lines = [json.dumps(row) for row in rows] + ['{"prompt": "alone"}']
    (tmp_path / "preferences.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(command: list[str], desk: Path, live: LiveStack) -> str:
    env = {**os.environ, "POP_URL": live.url, "POP_TOKEN": live.code(TOKEN)}
    done = subprocess.run(
        command, cwd=desk, env=env, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{live.tails()}"
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_snippets_go_from_a_file_to_the_rows(live_stack: LiveStack, desk: Path) -> None:
    out = run(["bash", "-euo", "pipefail", "-c", snippet("bash")], desk, live_stack)
    assert ": done" in out
    assert ": frozen" in out
    assert "/join/" in out
    assert len((desk / "rows.jsonl").read_text().splitlines()) == 1
    assert (desk / "rows.parquet").read_bytes().startswith(b"PAR1")


def test_the_python_snippet_goes_on_to_a_trained_model(live_stack: LiveStack, desk: Path) -> None:
    out = run([sys.executable, "-c", snippet("python")], desk, live_stack)
    assert "10 imported, 1 rejected" in out
    assert "8 labels" in out
    with tarfile.open(desk / "model.tar") as tar:
        names = {Path(name).name for name in tar.getnames()}
    assert {"model.safetensors", "config.json", "README.md"} <= names
