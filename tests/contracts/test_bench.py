"""What the benchmark of labelling reckons with: its figures, its numbering, and the command it measures."""

from __future__ import annotations

import json
import re
from itertools import product

import pytest

from annotation.sampling import STRATEGIES
from bench import sampling
from bench.annotating import database, load, server
from bench.sampled import figures
from training.study.people import Labelling


def test_only_answers_in_the_measured_time_count() -> None:
    answered = [
        (0.5, 9.0, True),
        *((1.0 + n / 100, n / 1000, n != 100) for n in range(1, 101)),
        (3.0, 9.0, True),
    ]
    seen = load.figures(answered, start=1.0, end=2.5)
    assert (seen["labels"], seen["sent"], seen["seconds"]) == (100, 102, 1.5)
    assert seen["labels_per_s"] == round(100 / 1.5, 1)
    assert (seen["next_p50_ms"], seen["next_p95_ms"], seen["submit_p95_ms"]) == (50.0, 95.0, 96.0)


def test_without_answers_there_are_no_times() -> None:
    seen = load.figures([], start=1.0, end=1.0)
    assert (seen["labels"], seen["labels_per_s"], seen["next_p95_ms"]) == (0, None, None)


def test_both_pools_are_numbered_without_gaps() -> None:
    places = [database.place(number) for number in range(57)]
    for split in ("train", "heldout"):
        numbers = [number for where, number in places if where == split]
        assert numbers == list(range(len(numbers)))
    assert len(set(places)) == 57


def test_texts_are_all_different_and_valid() -> None:
    lines = [line.decode().rstrip("\n").split("\t") for line in database._lines(1, 30)]
    texts = [column for line in lines for column in line[4:7]]
    # COPY takes one of each two backslashes away before it reads JSON.
    read = [json.loads(re.sub(r"\\\\", r"\\", text)) for text in texts]
    assert len({json.dumps(one) for one in read}) == 90
    sizes = [sum(len(line[column]) for column in (4, 5, 6)) for line in lines]
    assert min(sizes) > 1500
    assert max(sizes) < 4500


def test_the_production_command_is_what_is_measured() -> None:
    words = server.command(4711)
    assert words[1:4] == ["-m", "gunicorn", "config.wsgi"]
    assert words[words.index("--bind") + 1] == "127.0.0.1:4711"
    dockerfile = (server.ROOT / "Dockerfile").read_text()
    assert all(f'"{word}"' in dockerfile for word in words[2:] if word != "127.0.0.1:4711")


def test_a_reply_is_read_without_its_texts() -> None:
    assert load._task(b'{"task": {"id": 17, "html": "<p>"}, "counts": {}}') == 17
    assert load._task(b'{"task": null, "empty": {}}') is None


def test_the_strategies_are_compared_at_equal_labels(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--preferences", "40", "--noise", "0.1", "--budget", "1", "--seeds", "2"]
    sampling.main(words)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["strategy"], line["budget"]) for line in lines] == list(product(STRATEGIES, (1, "whole")))
    for line in lines:
        assert line["labels"] == 40 or line["budget"] == "whole"
        assert line["labels_per_row"] >= 1
        assert 0 < line["quota_filled"] <= 1
        assert set(line["se"]) == set(line) - {"strategy", "noise", "budget", "seeds", "labels", "se"}


def test_the_same_seed_gives_the_same_figures() -> None:
    chosen = sampling.arguments(["--preferences", "30", "--budget", "1"])
    assert sampling.run("active", 0.3, 5, chosen) == sampling.run("active", 0.3, 5, chosen)


def test_figures_of_a_world_that_is_known() -> None:
    world = Labelling([0.0, 1.0, 2.0], error=0.0, seed=1, k=1)
    for pair in ((2, 0), (2, 1), (1, 0)):
        world.ask(*pair)
    seen = figures.seen(world)
    assert (seen["labels"], seen["rows"], seen["labels_per_row"], seen["quota_filled"]) == (3, 2, 1.5, 2 / 3)
    assert (seen["rows_right"], seen["weak_used"], seen["weak_mean_rank"]) == (1, 1 / 3, 0)
    assert seen["gap_mean"] == pytest.approx(0.75)
    assert seen["rank_correlation"] == pytest.approx(1)
