"""What can stop a run, each with a code, a message and what to do about it."""

from __future__ import annotations

from pydantic import ValidationError


class EngineError(Exception):
    """A run that cannot go on, for a reason a person can act on."""

    code = "engine"

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.hint = hint
        if hint:
            self.add_note(hint)  # a traceback shows it


class InputError(EngineError):
    """The spec, the dataset or the base model is at fault: exit code 2."""

    code = "bad_input"


class SpecError(InputError):
    """spec.json is missing, is not JSON, or breaks the run spec."""

    code = "bad_spec"


class DatasetError(InputError):
    """The dataset is missing, broken, empty, or not the one that the spec names."""

    code = "bad_dataset"


class ModelError(InputError):
    """The base model cannot be found or loaded."""

    code = "model_not_found"


class JudgeRefused(InputError):
    """A judge's endpoint will not take the request: its key, its model or the request is at fault."""

    code = "judge_refused"


class JudgeFailed(EngineError):
    """A judge's endpoint does not answer, or says nothing of use; what it said before is kept."""

    code = "judge_failed"


class NotFinite(EngineError):
    """The loss or its gradient became infinite or NaN: the weights before that step are in the checkpoint."""

    code = "loss_not_finite"


class OutOfMemory(EngineError):
    """The GPU or the machine had no memory left: the last checkpoint is kept."""

    code = "out_of_memory"


class Cancelled(Exception):
    """Somebody asked the engine to stop. `checkpoint`: whether a later start can go on from one."""

    def __init__(self, *, checkpoint: bool, step: int | None = None) -> None:
        super().__init__("cancelled")
        self.checkpoint = checkpoint
        self.step = step


def faults(error: ValidationError) -> str:
    """What pydantic found, each fault with its field."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'spec'}: {fault['msg']}"
        for fault in error.errors()
    )
