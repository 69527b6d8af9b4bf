"""A whole study of a small world, as a person runs it: labels, runs of the engine, generations, a report."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.engine import warm
from training.engine import events
from training.study import cell, farm, pool, report, reports, studies
from training.study.figures import over_seeds
from training.study.settings import Labels
from training.study.variants import VARIANTS


def run(folder: Path, *words: str) -> str:
    """What a study prints."""
    out, err = folder / "out.txt", folder / "err.txt"
    study = warm.Process(
        warm.module,
        "training.study",
        [*words, "--quick", "--no-progress", "--out", str(folder)],
        said=err,
        outputs=(str(out), str(err)),
    )
    assert study.wait(200) == 0, err.read_text()
    return out.read_text()


@pytest.mark.long  # CI makes the same study at its full size
def test_a_study_is_made_once_and_reported(tmp_path: Path) -> None:
    words = ("sanity", "--seeds", "1", "--first-seed", "5", "--processes", "1")
    run(tmp_path, *words)
    made = {
        file: file.stat().st_mtime_ns
        for file in tmp_path.rglob("*")
        if file.suffix in {".safetensors", ".json"}
    }
    cells = [file for file in made if file.parent.parent.name == "cells"]
    assert len(cells) == 3
    again = run(tmp_path, *words)
    kept = {file: file.stat().st_mtime_ns for file in made if "reports" not in file.parts}
    assert kept == {file: at for file, at in made.items() if "reports" not in file.parts}

    found = json.loads((tmp_path / "reports" / "sanity-quick" / "results.json").read_text())
    lines = found["settings"]["k 2"]["lines"]
    assert lines.keys() == {"dpo", "dpo_pop", "reversed"}
    assert lines["dpo"]["win_vs_dpo"]["values"] == [0.5]
    assert lines["dpo_pop"]["steps"]["mean"] > lines["dpo"]["steps"]["mean"]
    assert -1 < lines["dpo_pop"]["kl"]["mean"] < 50  # an estimate of little, from few responses
    assert found["commit"]
    page = (tmp_path / "reports" / "sanity-quick" / "report.md").read_text()
    assert page in again
    assert "| DPO-PoP, random |" in page
    drawn = (tmp_path / "reports" / "sanity-quick" / "plots.html").read_text()
    assert str(lines["dpo_pop"]["win_vs_dpo"]["mean"]) in drawn
    assert "<script src" not in drawn  # it needs no network


def test_every_line_of_every_study_is_there_with_what_it_is_held_against() -> None:
    for study in studies.STUDIES.values():
        assert len({one.title for one in study.settings}) == len(study.settings)
        for setting in study.settings:
            for line in setting.lines:
                source = VARIANTS[line].method.margin_of
                assert not source or source in setting.lines
    settings = [setting for study in studies.STUDIES.values() for setting in study.settings]
    assert {line for setting in settings for line in setting.lines} == set(VARIANTS)


@pytest.mark.parametrize(("won", "met"), [(0.72, [True, True, True]), (0.6, [False, False, True])])
def test_what_must_come_out_is_held_against_what_did(won: float, met: list[bool]) -> None:
    figures = {
        "dpo": {"win_vs_dpo": 0.5, "spearman": 0.5},
        "dpo_pop": {"win_vs_dpo": won, "spearman": 0.5},
        "reversed": {"win_vs_dpo": 0.5, "spearman": 0.4},
    }
    lines = {
        line: {name: over_seeds([value - 0.01, value + 0.01]) for name, value in one.items()}
        for line, one in figures.items()
    }
    found = report.verdicts(report.Report(studies.STUDIES["sanity"], (1, 2), {"k 2": lines}))
    assert [one.met for one in found] == met
    first = "Met" if met[0] else "**Not met**"
    wanted = f"{first}, k 2: Win vs DPO of DPO-PoP, random must be 0.65 or more, and is {won:.3f}."
    assert str(found[0]) == wanted


def test_a_setting_speaks_for_dpo_pop_where_a_line_says_nothing_itself() -> None:
    known = {one.title: one.cells([7]) for one in studies.STUDIES["conditions"].settings}
    cells = known["M_max 3"]
    of = {line: cell.method.params for (_, line, _), cell in cells.items()}
    assert of["dpo_pop"] == of["reversed"] == of["shuffled_partners"] == {"max_margin": 3.0}
    assert of["dpo_pop_no_margin"] == {"max_margin": 0.0}
    assert of["dpo"] == {}
    plain = known["as in the tables"]
    assert cells["M_max 3", "dpo", 7].key == plain["as in the tables", "dpo", 7].key
    assert cells["M_max 3", "dpo_pop", 7].key != plain["as in the tables", "dpo_pop", 7].key


def reported(folder: Path, titles: list[str], seeds: list[int], commit: str) -> reports.Found:
    """Write a report of these settings of `k`; what the folder says then."""
    study = studies.only(studies.STUDIES["k"], titles)
    lines = {
        one.title: {line: {"win_vs_dpo": over_seeds([seed / 2000 for seed in seeds])} for line in one.lines}
        for one in study.settings
    }
    report.write(folder, report.Report(study, tuple(seeds), lines), commit)
    return reports.read(folder / reports.RESULTS)


def test_settings_computed_one_after_the_other_are_one_report(tmp_path: Path) -> None:
    alone = reported(tmp_path, ["k 4"], [1000, 1001], "one")
    assert list(alone.settings) == ["k 4"]
    both = reported(tmp_path, ["k 1"], [1000, 1001, 1002], "other")
    assert list(both.settings) == ["k 1", "k 4"]  # the study's own order
    assert both.settings["k 4"] == alone.settings["k 4"]
    assert both.made["k 4"] == alone.made["k 4"]
    assert both.made["k 1"].seeds == (1000, 1001, 1002)
    page = (tmp_path / "report.md").read_text()
    assert page.index("## k 1") < page.index("`other`") < page.index("## k 4") < page.index("`one`")
    again = reported(tmp_path, ["k 4"], [1003], "third")
    assert list(again.settings) == ["k 1", "k 4"]
    assert again.made["k 4"].seeds == (1003,)
    assert again.settings["k 4"]["dpo"]["win_vs_dpo"].values == (0.5015,)


def test_a_report_that_cannot_be_read_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("half of {")
    assert list(reported(tmp_path, ["k 1"], [1000], "one").settings) == ["k 1"]


def test_the_constant_margin_is_the_mean_of_what_was_subtracted(tmp_path: Path) -> None:
    with closing(events.EventWriter(tmp_path / "events.jsonl")) as told:
        for step, margin in ((10, 1.0), (20, 2.5)):
            told.write("metrics", step=step, **{"pop/margin": margin, "pop/weak_margin": -7.0})
    assert cell.training(tmp_path) == {"steps": 20, "margin": 1.75}


def test_a_study_is_narrowed_to_settings_that_it_has() -> None:
    found = studies.only(studies.STUDIES["strengths"], ["k 4", "k 1", "k 4"])
    assert [one.title for one in found.settings] == ["k 4", "k 1"]
    with pytest.raises(studies.UnknownSetting, match="no setting 'k 3'; it has: k 2; k 1; k 4;"):
        studies.only(studies.STUDIES["strengths"], ["k 3"])


def test_a_cell_that_fails_is_named(tmp_path: Path) -> None:
    cells = studies.quick(studies.STUDIES["sanity"]).settings[0].cells([1])
    (tmp_path / "bases").write_text("in the way")
    with pytest.raises(farm.CellFailed, match="base"):
        farm.compute(tmp_path, cells, 1, progress=False)


def test_inferred_rows_are_likely_new_and_mostly_right() -> None:
    train = pool.items(3, studies.quick(studies.STUDIES["sanity"]).settings[0].data)[0]
    asked = pool.labelled(3, train, Labels(error=0.1))
    rows = pool.inferred(asked)
    pairs = {tuple(sorted((one.stronger, one.weaker))) for one in rows}
    assert len(rows) == len(pairs) > len(train) / 2
    assert not pairs & {tuple(sorted(pair)) for pair in asked.compared}
    assert all(one.inferred and pool.INFERRED_AT_LEAST <= one.confidence < 1 for one in rows)
    right = [asked.truth[one.stronger] > asked.truth[one.weaker] for one in rows]
    assert sum(right) > 0.85 * len(rows)


@pytest.mark.parametrize("twist", ["reversed", "shuffled_partners", "shuffled_strengths"])
def test_a_twist_leaves_what_it_does_not_twist(twist: str) -> None:
    train = pool.items(3, studies.quick(studies.STUDIES["sanity"]).settings[0].data)[0]
    asked = pool.labelled(3, train, Labels())
    labels = Labels(twist=twist)  # type: ignore[arg-type]
    rows = pool.twisted(asked.answers, len(train), labels, 3)
    assert all(one.stronger != one.weaker for one in rows)
    before, after = ([(one.stronger, one.weaker) for one in some] for some in (asked.answers, rows))
    truth = asked.truth
    right = sum(truth[one] > truth[other] for one, other in after) / len(after)
    if twist == "reversed":
        assert after == [(other, one) for one, other in before]
    elif twist == "shuffled_partners":
        assert len(before) - len(after) < 0.02 * len(before)
        assert {one for one, _ in after} <= {one for one, _ in before}
        assert 0.6 < right < 0.95  # winners are strong, whoever they are set against
    else:
        assert len(after) == len(before)
        assert right == pytest.approx(0.5, abs=0.08)
