"""A download finds the texts of every row, however many preferences there are and whatever their ids."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.exports import canonical
from annotation.exports.source import STRIDE, Source, rows_with_texts

# The index is searched by the first eight bytes: many ids that share them, some of them across its marks.
ids = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.builds(lambda end: bytes(30) + end, st.binary(min_size=2, max_size=2)),
    st.builds(lambda end: b"\xff" * 31 + end, st.binary(min_size=1, max_size=1)),
)


def preference(own: str) -> dict[str, Any]:
    texts = {
        name: [{"role": "user", "content": f"{name} of {own}"}] for name in ("prompt", "chosen", "rejected")
    }
    return {"id": own, "split": "train", **texts, "score_chosen": None, "score_rejected": None}


def written(folder: Path, own: list[str], pairs: list[tuple[str, str]]) -> Source:
    rest = {"split": "train", "confidence": 1.0, "provenance": "label"}
    canonical.write(
        folder,
        preferences=map(preference, own),
        rows=({"strong_id": strong, "weak_id": weak, **rest} for strong, weak in pairs),
        about={},
    )
    return Source(lambda name: (folder / name).open("rb"))


@settings(max_examples=40)
@given(st.lists(ids, min_size=2, max_size=5 * STRIDE, unique=True))
def test_every_row_comes_with_its_own_texts(found: list[bytes]) -> None:
    own = sorted(one.hex() for one in found)
    pairs = list(zip(own, [*own[1:], own[0]], strict=True))
    with TemporaryDirectory() as folder:
        rows = list(rows_with_texts(written(Path(folder), own, pairs)))
    assert [(row["strong_id"], row["weak_id"]) for row in rows] == pairs
    for row in rows:
        for side in ("strong", "weak"):
            assert row[f"{side}_chosen"][0]["content"] == f"chosen of {row[f'{side}_id']}"


@pytest.mark.parametrize("missing", ["00" * 32, "77" * 32, "ff" * 32])
def test_a_row_of_an_unknown_preference_is_an_error(tmp_path: Path, missing: str) -> None:
    own = [f"{number:02x}" * 32 for number in range(1, 2 * STRIDE) if number != 0x77]
    with pytest.raises(KeyError, match=missing):
        list(rows_with_texts(written(tmp_path, own, [(own[0], missing)])))
