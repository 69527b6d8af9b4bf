"""Our reading of AlpacaEval's annotations beside that of its own package, `alpaca_eval`, run here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_alpaca_eval import NAMES, REAL, gamed, plain, published
from training.engine.benchmarks import outputs
from training.engine.evaluations import alpaca_eval

# In a process of its own: importing the package reads a .env file.
PACKAGE = """
import json, sys, types
sys.modules["pkg_resources"] = types.ModuleType("gone from setuptools, and asked for versions only")
import pandas as pd
from alpaca_eval import metrics
real, made = (pd.DataFrame(json.load(open(name))) for name in sys.argv[1:])
held = dict(save_weights_dir=None, is_warn_extreme_changes=False)
print(json.dumps({
    "real": metrics.get_winrate(real),
    "v1": metrics.get_length_controlled_winrate(made.copy(), "length_controlled_v1", **held),
    "noreg": metrics.get_length_controlled_winrate(made.copy(), "length_controlled_noreg", **held),
}, default=float))
"""
THEIRS = dict(
    zip(NAMES, ("win_rate", "standard_error", "n_wins", "n_wins_base", "n_draws", "n_total"), strict=False)
)
CONTROLLED = {
    "length_controlled_win_rate": "length_controlled_winrate",
    "length_controlled_standard_error": "lc_standard_error",
}


def hub(folder: Path) -> Path:
    """A cache of the Hub in which the package finds its difficulties without a network."""
    place = folder / "datasets--tatsu-lab--alpaca_eval"
    snapshot = place / "snapshots" / "0"
    snapshot.mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0")
    gamed(snapshot / "df_gamed.csv")
    return folder


@pytest.mark.skipif(not REAL.is_dir(), reason="the published annotations are not here")
def test_every_number_is_the_packages(tmp_path: Path) -> None:
    real, made = REAL / "alpaca_eval_annotations.json", tmp_path / "made.json"
    made.write_text(json.dumps(published()))
    environment = {**os.environ, "HF_HUB_CACHE": str(hub(tmp_path / "hub")), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", PACKAGE, str(real), str(made)]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    theirs: dict[str, dict[str, Any]] = json.loads(ran.stdout.splitlines()[-1])

    ours = alpaca_eval.summary(outputs.read(real, alpaca_eval.PARTS), generator="vicuna-7b")
    for name, package in (THEIRS | {"discrete_win_rate": "discrete_win_rate"}).items():
        assert ours[name] == pytest.approx(theirs["real"][package], abs=1e-10), name
    for glm, file in (("v1", gamed), ("noreg", plain)):
        ours = alpaca_eval.summary(published(), difficulty=outputs.difficulty(file(tmp_path / f"{glm}.csv")))
        assert ours["glm"] == f"length_controlled_{glm}"
        for name, package in CONTROLLED.items():
            assert ours[name] == pytest.approx(theirs[glm][package], abs=1e-6), name
