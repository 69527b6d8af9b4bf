"""Comparisons whose answer is known: added by a manager or from scores, retired, restored, explained."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from annotation import rules
from annotation.errors import Conflict, Invalid, NotFound
from annotation.models import Comparison, Gold, Preference, Project, Split, User
from annotation.services import audit, gold_pairs

EXPLANATION_LENGTH = 500


@transaction.atomic
def add(
    *,
    project: Project,
    answer: str,
    use: str,
    by: User,
    at: datetime,
    comparison_id: int | None = None,
    one: int | None = None,
    other: int | None = None,
    explanation: str = "",
) -> Gold:
    """Make a comparison gold: an existing one, or that of two preferences of the training split.

    `answer` is low or high of an existing comparison. With two preferences, `one` or `other` may be said.

    Raises:
        NotFound: no such project, comparison or preference.
        NotAllowed: neither owner nor admin.
        Invalid: not an answer or a use, an explanation too long, or a preference with itself.
        Conflict: gold already, or still being labelled.
    """
    rules.check_manage(by, project)
    _check(use, explanation)
    if comparison_id is not None:
        comparison = _existing(project, comparison_id)
    else:
        low, high = _pair(project, one, other)
        answer = {"one": "low" if one == low else "high", "other": "low" if other == low else "high"}.get(
            answer, answer
        )
        comparison = gold_pairs.comparison(project=project, low=low, high=high, at=at)
    if answer not in Gold.Answer.values:
        raise Invalid("invalid_gold", "This gold cannot be added.", {"answer": ["Say which is stronger."]})
    gold_pairs.check_usable(comparison)
    return _save(
        Gold(
            project=project,
            comparison=comparison,
            answer=answer,
            use=use,
            source=Gold.Source.ADMIN,
            explanation=explanation.strip(),
            created_by=by,
            created_at=at,
        )
    )


def retire(*, gold: Gold, by: User, at: datetime) -> Gold:
    """Hand it out no more. Answers given to it go on counting; a second time changes nothing."""
    return _set(gold, by, at, "gold.retired", retired_at=gold.retired_at or at)


def restore(*, gold: Gold, by: User, at: datetime) -> Gold:
    """Hand it out again."""
    return _set(gold, by, at, "gold.restored", retired_at=None)


def set_explanation(*, gold: Gold, explanation: str, by: User, at: datetime) -> Gold:
    """What is shown after a practice answer."""
    _check(gold.use, explanation)
    return _set(gold, by, at, "gold.explained", explanation=explanation.strip())


@transaction.atomic
def _set(gold: Gold, by: User, at: datetime, verb: str, **changes: object) -> Gold:
    rules.check_manage(by, gold.project)
    fresh = Gold.objects.select_for_update(no_key=True).get(pk=gold.pk)
    changed = {name: value for name, value in changes.items() if getattr(fresh, name) != value}
    for name, value in changed.items():
        setattr(fresh, name, value)
    if changed:
        fresh.save(update_fields=list(changed))
        audit.record(by=by, at=at, verb=verb, project=gold.project, target=f"gold {gold.pk}")
    return fresh


def _save(gold: Gold) -> Gold:
    try:
        with transaction.atomic():
            gold.save(force_insert=True)
    except IntegrityError:
        raise Conflict("gold_already", "This comparison is gold already.") from None
    audit.record(
        by=gold.created_by,
        at=gold.created_at,
        verb="gold.added",
        project=gold.project,
        target=f"gold {gold.pk}",
        details={"comparison": gold.comparison_id, "use": str(gold.use)},
    )
    return gold


def _existing(project: Project, comparison_id: int) -> Comparison:
    found = Comparison.objects.filter(pk=comparison_id, pool__project=project).first()
    if found is None:
        raise NotFound("comparison_not_found", "There is no such comparison in this project.")
    return found


def _pair(project: Project, one: int | None, other: int | None) -> tuple[int, int]:
    if one is None or other is None or one == other:
        raise Invalid(
            "invalid_gold", "This gold cannot be added.", {"other": ["Name two different preferences."]}
        )
    wanted = Preference.objects.filter(
        project=project, split=Split.TRAIN, excluded_at=None, pk__in=(one, other)
    )
    prompts = list(wanted.values_list("prompt", flat=True))
    if len(prompts) != 2:
        raise NotFound(
            "preference_not_found", "Both preferences have to be in the training split of this project."
        )
    if project.is_arena and prompts[0] != prompts[1]:
        raise Invalid(
            "invalid_gold",
            "This gold cannot be added.",
            {"other": ["Two responses to different prompts are never compared."]},
        )
    return min(one, other), max(one, other)


def _check(use: str, explanation: str) -> None:
    errors: dict[str, list[str]] = {}
    if use not in Gold.Use.values:
        errors["use"] = [f"Choose one of: {', '.join(Gold.Use.values)}."]
    if len(explanation) > EXPLANATION_LENGTH:
        errors["explanation"] = [f"At most {EXPLANATION_LENGTH} characters."]
    if errors:
        raise Invalid("invalid_gold", "This gold cannot be saved.", errors)
