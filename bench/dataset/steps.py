"""One step of bench.dataset_io in a process of its own, whose peak memory is measured."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

django.setup()

from django.core.files import File  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from annotation.models import PopDataset, Preference, PreferenceImport, Project, User  # noqa: E402
from annotation.selectors import datasets as datasets_seen  # noqa: E402
from annotation.services import datasets, imports, projects  # noqa: E402

PARTNERS = 2  # PoP rows a preference is the strong side of

Plan = dict[str, Any]
Figures = dict[str, Any]


def prepare(plan: Plan) -> Figures:
    owner = User.objects.create_superuser(username="owner", password="of-a-database-that-is-dropped")  # noqa: S106
    projects.create(name="Bench", by=owner, at=timezone.now(), seed=1)
    return {}


def first_import(plan: Plan) -> Figures:
    return _import(plan["first"], new=plan["rows"])


def import_again(plan: Plan) -> Figures:
    return _import(plan["first"], new=0)


def second_import(plan: Plan) -> Figures:
    return _import(plan["second"], new=plan["rows"])


def freeze(plan: Plan) -> Figures:
    """As many PoP rows as the file had lines, over all preferences there are."""
    _decide(plan["rows"])
    owner = User.objects.get(username="owner")
    project = Project.objects.get()
    made = datasets.freeze(
        project=project, by=owner, at=timezone.now(), options={"max_rows_per_strong": None}
    )
    begun = time.perf_counter()
    datasets.run_freeze(made.pk)
    seconds = time.perf_counter() - begun
    made.refresh_from_db()
    if made.state != "frozen":
        raise SystemExit(made.error)
    return {"items": made.row_count, "preferences": made.preference_count, "seconds": seconds}


def download(plan: Plan) -> Figures:
    made = PopDataset.objects.get()
    begun = time.perf_counter()
    size = sum(len(chunk) for chunk in datasets_seen.stream(made, "jsonl"))
    return {"items": made.row_count, "megabytes": size // 10**6, "seconds": time.perf_counter() - begun}


def _import(path: str, *, new: int) -> Figures:
    owner = User.objects.get(username="owner")
    with Path(path).open("rb") as file:
        job = imports.start_file(
            project=Project.objects.get(), upload=File(file, name="made.jsonl"), by=owner, at=timezone.now()
        )
    begun = time.perf_counter()
    imports.run(job.pk)
    seconds = time.perf_counter() - begun
    job.refresh_from_db()
    if (job.state, job.rows_imported) != (PreferenceImport.State.DONE, new):
        raise SystemExit(f"{job.state}: {job.rows_imported} imported, not {new}. {job.error}")
    job.file.delete(save=False)
    return {"items": job.rows_read, "already_there": Preference.objects.count() - new, "seconds": seconds}


def _decide(count: int) -> None:
    """`count` comparisons with a winner, `PARTNERS` a preference, written as the database would hold them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET session_replication_role = replica"
        )  # no look-ups of keys: nothing refers to them
        cursor.execute("DELETE FROM annotation_preference WHERE number * %s >= %s", [PARTNERS, count])
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute(
            """
            INSERT INTO annotation_comparison (pool_id, low_id, high_id, state, needed, free_slots,
                label_count, outcome, confidence, queue_position, created_at, resolved_at, disputed,
                adjudicated, needs_fold, holds_slot, folded)
            SELECT pool.id, low.id, high.id, 'resolved', 1, 0, 1,
                CASE WHEN low.number %% 2 = 0 THEN 'low' ELSE 'high' END, 1.0, low.id, now(), now(),
                false, false, false, false, '[]'
            FROM annotation_preference low
            JOIN annotation_pool pool ON pool.project_id = low.project_id AND pool.split = low.split
            CROSS JOIN generate_series(1, %s) step
            JOIN annotation_preference high ON high.project_id = low.project_id
                AND high.split = low.split AND high.number = low.number + step
            LIMIT %s
            """,
            [PARTNERS, count],
        )
        cursor.execute("VACUUM ANALYZE")


STEPS: dict[str, Callable[[Plan], Figures]] = {
    "prepare": prepare,
    "import": first_import,
    "import_again": import_again,
    "import_second": second_import,
    "freeze": freeze,
    "download": download,
}


def main() -> None:
    seen = STEPS[sys.argv[1]](json.loads(sys.argv[2]))
    if "seconds" in seen:
        seen["seconds"] = round(seen["seconds"], 2)
        seen["rows_per_s"] = round(seen.pop("items") / max(seen["seconds"], 0.01))
        seen["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
