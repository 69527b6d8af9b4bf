"""Loss and gradient norm of 30 optimizer steps are pinned for every method: library upgrades show at once.

The figures stand in pinned_trajectories.json. They are made by

    python -m tests.engine.test_pinned_trajectories

and never by a test. Whoever makes them anew says in the commit which change moved them and why that is right.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine import two_step, world
from training.engine import catalog, preparation, runner
from training.engine.reporter import Reporter
from training.engine.spec import RunSpec

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

FILE = Path(__file__).with_name("pinned_trajectories.json")
STEPS = 30
PREFERENCES = 30  # on either side
# Made twice on one processor, the figures were the same to the last bit (tried with `dpo`, `gamma_simpo`).
# Between torch's AVX-512 kernels and its plain ones (ATEN_CPU_CAPABILITY=default, MKL_CBWR=COMPATIBLE) they
# differed by up to 1.4e-4 of themselves (`ipo`; most methods below 1e-5): AdamW carries rounding on.
CLOSE = 5e-4
TRAINING = {
    "epochs": 3,
    "learning_rate": 1e-3,
    "rows_per_step": 6,
    "micro_batch": 3,
    "max_length": 64,
    "warmup_ratio": 0.1,
}
# DiscoPOP's loss rises and falls, and carries rounding far at that rate.
RATES = {"discopop": 1e-5}
REWARDS = "pop_rm"
# One of each family; the others are a second each, and `make test-long` has them.
ALWAYS = {"dpo", "dpo_margin", "dpo_pop", "dpo_pop_strength", "ipo", "simpo", "beta_dpo", "madpo", "rdo"}
SLUGS = [
    pytest.param(slug, marks=() if slug in ALWAYS else pytest.mark.long) for slug in catalog.POLICY_METHODS
]


def lines() -> list[dict[str, Any]]:
    """60 rows over 60 preferences, so that three epochs are 30 steps for methods of either sort."""
    return [world.row(n % PREFERENCES, 1000 + (7 * n + 3) % PREFERENCES) for n in range(2 * PREFERENCES)]


def spec(slug: str) -> dict[str, Any]:
    method: dict[str, Any] = {"slug": slug}
    if catalog.METHODS[slug].needs_reward_margin:
        method["reward_model"] = "pinned"  # never opened: `prepared` gives its margins
    rate = RATES.get(slug, TRAINING["learning_rate"])
    return world.spec(method=method, training={**TRAINING, "learning_rate": rate})


def prepared(folder: Path) -> Any:
    """A run with the base, tokens and reference that all methods share, and margins as a reward model has."""
    document = spec("dpo")
    run = world.open_run(world.run_dir(folder, lines(), **document))
    preparation.prepare(run, None)
    count = torch.arange(len(run.encoded), dtype=torch.float32)
    run.columns = {"reward_margin": 3 * torch.sin(count) + 0.5}  # of either sign, from -2.5 to 3.5
    return run


def trajectory(run: Any, slug: str) -> list[list[float]]:
    """[loss, gradient norm] of each optimizer step of a method."""
    method, model, columns = catalog.METHODS[slug], run.base.model, run.columns
    run.spec = RunSpec.model_validate(spec(slug))
    run.base.model = copy.deepcopy(model)
    run.columns = columns if method.needs_reward_margin else {}
    try:
        rows = preparation.training_rows(run)
        run.columns = run.columns | preparation.columns(run)
        trainer = runner.build_trainer(run, rows)
        Reporter(run.events, run.stop).attach(trainer)
        trainer.args.save_strategy = "no"
        trainer.train()
    finally:
        run.base.model, run.columns = model, columns
    return [[one["loss"], one["grad_norm"]] for one in trainer.state.log_history if "loss" in one]


def reward_trajectory(folder: Path) -> list[list[float]]:
    """As `trajectory`, of the reward model's own objective on PoP rows (`pop_rm`), which trains no policy."""
    training = TRAINING | {"logging_steps": 1, "save_steps": 1000}
    objective = {"objective": "pop", "patience": 99}
    run = world.open_run(
        two_step.run_dir(folder, "reward_model", lines(), training=training, reward=objective)
    )
    runner.train(run)
    told = world.told(folder, "metrics")
    return [[one.data["loss"], one.data["grad_norm"]] for one in told if "loss" in one.data]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    run = prepared(tmp_path_factory.mktemp("pinned"))
    world.OPENED.remove(run.events)  # it stays open for all methods
    yield run
    run.events.close()


def test_every_method_is_pinned() -> None:
    assert set(json.loads(FILE.read_text(encoding="utf-8"))) == {*catalog.POLICY_METHODS, REWARDS}


@pytest.mark.parametrize("slug", SLUGS)
def test_a_method_goes_the_way_it_went(shared: Any, slug: str) -> None:
    pinned = json.loads(FILE.read_text(encoding="utf-8"))[slug]
    found = trajectory(shared, slug)
    assert len(found) == STEPS
    torch.testing.assert_close(torch.tensor(found), torch.tensor(pinned), rtol=CLOSE, atol=1e-7)


def test_the_objective_of_reward_models_goes_the_way_it_went(tmp_path: Path) -> None:
    pinned = json.loads(FILE.read_text(encoding="utf-8"))[REWARDS]
    found = reward_trajectory(tmp_path)
    assert len(found) == STEPS
    torch.testing.assert_close(torch.tensor(found), torch.tensor(pinned), rtol=CLOSE, atol=1e-7)


def main() -> None:
    """Write the figures anew."""
    with tempfile.TemporaryDirectory() as folder:
        run = prepared(Path(folder))
        found = {slug: trajectory(run, slug) for slug in catalog.POLICY_METHODS}
        found[REWARDS] = reward_trajectory(Path(folder) / "rewards")
    methods = [
        f'"{slug}": [\n ' + ",\n ".join(json.dumps(step) for step in steps) + "\n]"
        for slug, steps in found.items()
    ]
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    target.write_text("{\n" + ",\n".join(methods) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
