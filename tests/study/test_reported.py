"""The figures that come with the program: whole, of its own studies, and of nobody's machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.study import reports
from training.study.studies import STUDIES

FILES = sorted(reports.SHIPPED.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_comes_along_is_a_report_by_the_settings_of_its_study(file: Path) -> None:
    study, found = STUDIES[file.stem], reports.read(file)
    assert found.settings.keys() <= {one.title for one in study.settings}
    assert not reports.elsewhere(study, found)
    for title, lines in found.settings.items():
        made = found.made[title]
        assert len(made.commit) == 40
        assert made.command.startswith("python -m training.study ")
        assert len(made.seeds) >= study.seeds
        for figures in lines.values():
            assert {len(one.values) for one in figures.values()} == {len(made.seeds)}


def test_there_are_some() -> None:
    assert FILES
