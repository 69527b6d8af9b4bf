"""A data set's card names its files; it must not lead to anything outside the data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.annotation.imports.hub_server import serving
from tests.annotation.imports.test_hub import jsonl, read, ultrafeedback

CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {path}\n---\n"


@pytest.mark.slow
def test_a_card_that_names_a_file_of_this_server_reads_nothing(tmp_path: Path) -> None:
    """The library refuses it today; other projects' datasets lie on the worker's disk."""
    secret = tmp_path / "other" / "preferences.jsonl"
    secret.parent.mkdir()
    secret.write_bytes(jsonl(ultrafeedback(2)))
    for path in (str(secret), f"file://{secret}"):
        files = {"README.md": CARD.format(path=path).encode(), "data/own.jsonl": jsonl(ultrafeedback(1))}
        with serving("acme/prefs", files) as endpoint:
            found, problem = read(tmp_path, endpoint, dataset="acme/prefs")
            assert found == [], path
            assert "Data files don't belong to acme/prefs" in problem, path
