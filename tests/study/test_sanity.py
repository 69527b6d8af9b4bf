"""Labels that are right help, and labels that are turned round hurt: strong and weak change places nowhere.

From the labels of simulated people, through the product's own sampling, dataset form and trainer, to
responses that are judged by the truth. On a world that no exploration has seen.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from training.study import report, studies

SEEDS = (7001,)


@pytest.mark.slow
def test_pop_labels_help_and_reversed_ones_hurt(tmp_path: Path) -> None:
    study = studies.STUDIES["sanity"]
    (setting,) = study.settings
    smaller = replace(
        setting,
        data=replace(setting.data, heldout=1000, sft_samples=10_000),
        sampling=replace(setting.sampling, prompts=256),
    )
    found = report.compute(tmp_path, replace(study, settings=(smaller,)), SEEDS, 1, progress=False)
    lines = found.lines[setting.title]
    right, wrong = lines["dpo_pop"], lines["reversed"]
    assert right["win_vs_dpo"].mean >= 0.65
    assert right["win_vs_dpo"].mean - wrong["win_vs_dpo"].mean >= 0.15
    assert right["spearman"].mean - wrong["spearman"].mean >= 0.06
