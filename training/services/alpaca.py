"""A judge's AlpacaEval annotations of a run's outputs, as an evaluation of the run.

Computed at once: 805 of them take a tenth of a second.
"""

from __future__ import annotations

import hashlib
import re
import time
from datetime import datetime
from itertools import islice
from typing import IO, Any, Protocol

from django.conf import settings
from django.db import transaction

from annotation.models import User
from annotation.services import audit
from training import rules
from training.engine.benchmarks import annotated, outputs
from training.engine.benchmarks.annotated import Helps
from training.engine.errors import EngineError
from training.engine.evaluations.alpaca_eval import PARTS
from training.errors import Invalid
from training.models import Evaluation, Run
from training.selectors.runs import generator_name

NAME = "alpaca_eval"
MOST_BYTES = 16 * 1024 * 1024
MOST = 10_000  # annotations; the benchmark has 805
# Of JSON, outside of texts: a small file may hold millions of empty objects, each with memory of its own. An
# annotation of ours has 20 with both orders, one of the package with all that the judge said about 70.
MARKS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|([\[{,])', re.DOTALL)
MOST_MARKS = 40 * MOST
WORDS = 500  # of a refusal: it may quote the file


class Upload(Protocol):
    """A file that somebody sent."""

    size: int | None

    def read(self) -> bytes: ...


def take(*, run: Run, file: Upload | IO[bytes], by: User, at: datetime) -> Evaluation:
    """Compute the win rates of a run's outputs and store them; those of an earlier file are replaced.

    What is refused changes nothing: the figures of an earlier file stay.

    Raises:
        Invalid: the file is no annotations.json, or is of another model; `fields` says what is wrong.
        Conflict: the run has no model that writes.
        NotFound, NotAllowed: the user does not manage the project.
    """
    run.refresh_from_db()
    rules.check_take_annotations(by, run)
    began = time.monotonic()
    given, text = _read(file)
    try:
        result = annotated.result(given, generator_name(run), Helps.below(settings.BENCHMARK_DIR))
    except EngineError as error:
        raise _refusal(error) from error
    result["annotations_sha256"] = hashlib.sha256(text).hexdigest()
    with transaction.atomic():
        stored, _ = Evaluation.objects.update_or_create(
            run=run,
            name=NAME,
            defaults={
                "result": result,
                "dataset_sha256": annotated.measured_on(given),
                "duration_seconds": time.monotonic() - began,
                "created_at": at,
            },
        )
        told: dict[str, object] = {
            "run": run.pk,
            "win_rate": result["win_rate"],
            "annotations_sha256": result["annotations_sha256"],
        }
        audit.record(by=by, at=at, verb="run.annotated", project=run.project, target=run, details=told)
    return stored


def _read(file: Any) -> tuple[list[dict[str, Any]], bytes]:
    """The annotations, and the bytes they stand in.

    Raises:
        Invalid: it is too large, holds too much, or does not hold annotations.
    """
    if (file.size or 0) > MOST_BYTES:
        raise _invalid(f"The file is larger than {MOST_BYTES // 1024**2} MB: 805 annotations have a few.")
    text = file.read()
    if _crowded(text):
        raise _invalid(
            f"The file holds far more than {MOST:,} annotations do; more than these are not taken."
        )
    try:
        found = outputs.parsed(text, "The file", (*PARTS, "preference"))
    except EngineError as error:
        raise _refusal(error) from error
    if len(found) > MOST:
        raise _invalid(f"The file has {len(found):,} annotations; more than {MOST:,} are not taken.")
    return found, text


def _crowded(text: bytes) -> bool:
    """Whether JSON would take far more memory than its bytes; looked at without reading it as such."""
    marks = (1 for found in MARKS.finditer(text) if found[1])
    return next(islice(marks, MOST_MARKS, None), 0) > 0


def _refusal(error: EngineError) -> Invalid:
    return _invalid(f"{error.message} {error.hint}".strip())


def _invalid(message: str) -> Invalid:
    words = message if len(message) <= WORDS else message[:WORDS] + "…"
    words = words.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return Invalid("invalid_annotations", words, {"file": [words]})
