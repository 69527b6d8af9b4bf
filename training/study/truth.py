"""A world's reward as a judge that the engine reads. No torch here."""

from __future__ import annotations

import json
from pathlib import Path

from training.engine.oracle import OracleSpec
from training.study.world import (
    ATTRIBUTES,
    AVOIDED,
    BEST,
    ENDLESS,
    OFF_LENGTH,
    REPEATED,
    SATURATION,
    SCALE,
    WEIGHTS,
    World,
)


def oracle(world: World) -> OracleSpec:
    """Gives every response the reward that `World.reward` gives it."""
    names = [f"a{one}" for one in range(ATTRIBUTES)]
    return OracleSpec(
        judge="oracle",
        attributes={
            name: {f"w{about}.{word}": float(one) for word, one in enumerate(world.quality[about])}
            for about, name in enumerate(names)
        },
        wanted={name: name for name in names},
        unwanted={f"not{about}": name for about, name in enumerate(names)},
        weights=list(WEIGHTS),
        scale=SCALE,
        saturation=SATURATION,
        avoided=-AVOIDED,
        values={f"f{place}": float(one) for place, one in enumerate(world.filler)},
        repeat=-REPEATED,
        length=BEST,
        off_length=-OFF_LENGTH,
        unended=-ENDLESS,
    )


def write(world: World, file: Path) -> None:
    """The world as a file that `evaluation.judge` and `pop-train evaluate --judge` take."""
    file.write_text(json.dumps(oracle(world).model_dump(), indent=1) + "\n", encoding="utf-8")
