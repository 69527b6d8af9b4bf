"""What an evaluation run that asked for AlpacaEval wrote, and what the judge said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training import artifacts, rules
from training.artifacts import Artifact
from training.errors import NotFound
from training.models import Run

if TYPE_CHECKING:
    from annotation.rules import Person

FILES = {"outputs": "alpaca-outputs.json", "annotations": "alpaca-annotations.json"}


def there(user: Person, run: Run) -> list[str]:
    """Which of `FILES` the run has, by name; those of the judge come last."""
    rules.check_see(user, run)
    asked = (run.spec.get("evaluation") or {}).get("alpaca_eval") or {}
    if asked.get("baseline") is None:
        return []
    return [name for name, file in FILES.items() if artifacts.find(run.pk, file) is not None]


def file(user: Person, run: Run, name: str) -> Artifact:
    """One of `FILES`.

    Raises:
        NotFound: there is no such file of this run.
    """
    rules.check_see(user, run)
    found = artifacts.find(run.pk, FILES[name]) if name in FILES else None
    if found is None:
        raise NotFound("no_alpaca_file", "This run has no such file of AlpacaEval.")
    return found
