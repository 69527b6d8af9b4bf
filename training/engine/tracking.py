"""Weights & Biases, TensorBoard, MLflow: transformers' own callbacks, if a spec asks for them. No torch here.

None is on by default and none is a dependency: what is asked for and not installed is refused in words.
"""

from __future__ import annotations

import importlib.util
import os

from training.engine.errors import SpecError
from training.engine.spec import RunSpec

# The packages that transformers takes for each; the first is the one to install.
PACKAGES = {"wandb": ("wandb",), "tensorboard": ("tensorboard", "tensorboardX"), "mlflow": ("mlflow",)}
# What they would tell their makers unasked: MLflow that it is used, Weights & Biases its own errors.
PRIVATE = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}


def check(spec: RunSpec) -> None:
    """Look for the package of every tracker in `training.report_to`.

    Raises:
        SpecError: one is not installed; the hint says how to install it.
    """
    missing = [name for name in spec.training.report_to if not any(map(_installed, PACKAGES[name]))]
    if missing:
        raise SpecError(
            f"report_to names {', '.join(missing)}, which this Python does not have.",
            code="tracker_missing",
            hint=f"pip install {' '.join(PACKAGES[name][0] for name in missing)}",
        )


def keep_private() -> None:
    """Have trackers tell nobody but those that the environment names, unless it says otherwise."""
    for name, value in PRIVATE.items():
        os.environ.setdefault(name, value)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
