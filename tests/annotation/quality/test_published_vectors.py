"""Agreement and strengths against published inputs and values."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest

from annotation.quality import agreement, strengths

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "agreement_vectors.json"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the real data is not beside this checkout")
WEAK_PRIOR = 1e4  # nats: what is left is the likelihood


def vectors(statistic: str) -> dict[str, dict[str, Any]]:
    if not FILE.is_file():
        return {}
    found = json.loads(FILE.read_text())["vectors"]
    return {one["id"]: one for one in found if one["statistic"] == statistic}


def test_alpha_of_two_answers_is_the_published_one() -> None:
    """A unit with one answer is passed by."""
    given = vectors("krippendorff_alpha")["kalpha-dress"]
    columns = zip(*given["data"], strict=True)
    units = [[one for one in column if one is not None] for column in columns]
    patterns = Counter((unit.count(1), unit.count(0), 0) for unit in units)
    found = agreement.measure(patterns)
    assert found.alpha == pytest.approx(given["expected"]["nominal"], abs=given["tolerance"])
    assert found.comparisons == 2


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_what_our_alpha_is_held_against_gives_the_published_one(level: Any) -> None:
    """Five kinds of answers: ours knows three, and is held against this package for those."""
    given = vectors("krippendorff_alpha")["kalpha-4x12"]
    table = np.array([[np.nan if one is None else one for one in row] for row in given["data"]])
    found = krippendorff.alpha(table, level_of_measurement=level)
    assert found == pytest.approx(given["expected"][level], abs=given["tolerance"])


@pytest.mark.parametrize("name", vectors("bradley_terry_ml"))
def test_strengths_without_a_prior_are_the_published_bradley_terry_scores(name: str) -> None:
    given = vectors("bradley_terry_ml")[name]
    won, lost = np.array(given["data"], np.int32).T
    found = strengths.fit(won, lost, np.ones(len(won)), given["n_items"], prior_sd=WEAK_PRIOR)
    assert found.converged
    assert found.theta == pytest.approx(given["ml_est"], abs=given["tolerance"])
