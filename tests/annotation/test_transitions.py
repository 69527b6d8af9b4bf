from __future__ import annotations

import pytest

from annotation.errors import Conflict
from annotation.models import Anchor, Assignment, Comparison, PopDataset, PreferenceImport, Project
from annotation.transitions import TABLES, can_move, check_move

STATES = {
    "project": Project.State,
    "comparison": Comparison.State,
    "assignment": Assignment.State,
    "anchor": Anchor.State,
    "import": PreferenceImport.State,
    "dataset": PopDataset.State,
}


def test_there_is_a_table_for_everything_that_has_states() -> None:
    assert set(TABLES) == set(STATES)


@pytest.mark.parametrize("name", list(STATES))
def test_table_knows_every_state_and_no_other(name: str) -> None:
    known = set(STATES[name].values)
    assert set(TABLES[name]) == known
    assert {state for moves in TABLES[name].values() for state in moves} <= known


@pytest.mark.parametrize("name", list(STATES))
def test_every_state_can_be_reached_from_the_first(name: str) -> None:
    reached, ahead = set(), [STATES[name].values[0]]
    while ahead:
        state = ahead.pop()
        if state not in reached:
            reached.add(state)
            ahead += TABLES[name][state]
    assert reached == set(STATES[name].values)


def test_a_frozen_dataset_never_changes() -> None:
    assert not any(can_move("dataset", "frozen", state) for state in PopDataset.State.values)
    with pytest.raises(Conflict, match="is frozen and cannot become queued"):
        check_move("dataset", "frozen", "queued")
