"""How fast progress and quality answer at a million labels, and how fast answers are folded in.

    python -m bench.quality --labels 1000000 --overlap 3 --annotators 32

Makes a PostgreSQL database of its own (POP_BENCH_SERVER) and drops it at the end. One JSON line a page,
before and after folding; bench/README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from bench.annotating import database, people, server
from bench.judging import rows

if TYPE_CHECKING:
    from annotation.models import Project

SERVER = os.environ.get("POP_BENCH_SERVER", "postgres://postgres@127.0.0.1:5432/postgres")
PASSWORD = "a-bench-only-password"  # noqa: S105 - of a database that is dropped
LIMIT_MS = 200
WARM = 5  # requests that are not counted: each worker process loads its code with the first one
PAGES = ("/projects/{}/", "/projects/{}/progress/", "/projects/{}/quality/", "/projects/{}/quality/live/")
API = ("progress/", "quality/", "annotators/", "annotators/pairs/")


def main() -> None:
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix="pop-bench-") as folder, database.made(SERVER) as url:
        env = server.environment(url, Path(folder))
        for words in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
            subprocess.run([sys.executable, "manage.py", *words], env=env, cwd=server.ROOT, check=True)  # noqa: S603
        os.environ.update(env)
        import django

        django.setup()
        project = make_project(chosen.annotators)
        pool = project.pools.get(split="train").pk
        labels = rows.fill(
            url,
            project=project.pk,
            pool=pool,
            labels=chosen.labels,
            overlap=chosen.overlap,
            people=chosen.annotators,
        )
        about = {"labels": labels, "overlap": chosen.overlap, "annotators": chosen.annotators}
        with server.running(env, Path(folder) / "web.log") as web:
            for folded in (False, True):
                if folded:
                    say({"step": "fold", **about, **fold()})
                    with psycopg.connect(url, autocommit=True) as connection:
                        rows.vacuum(connection)
                for path in addresses(project.slug):
                    say({"step": path, **about, "folded": folded, **timed(web, path, chosen.requests)})
        say({"step": "plan", **about, "last_hour": plan(project)})


def make_project(count: int) -> Project:
    from django.utils import timezone

    from annotation.models import User
    from annotation.services import projects

    owner = User.objects.create_superuser(username="owner", password=PASSWORD)
    User.objects.bulk_create(User(username=f"annotator-{number}") for number in range(count))
    return projects.create(name="Bench", by=owner, at=timezone.now(), seed=1)


def addresses(slug: str) -> list[str]:
    return [page.format(slug) for page in PAGES] + [f"/api/v1/projects/{slug}/{part}" for part in API]


def fold() -> dict[str, Any]:
    """One folder, until nothing waits."""
    from annotation.services import folding

    began = time.monotonic()
    done = folding.fold_waiting(seconds=3600)
    took = time.monotonic() - began
    return {"comparisons": done, "seconds": round(took, 1), "comparisons_per_s": round(done / took)}


def timed(web: server.Server, path: str, requests: int) -> dict[str, Any]:
    """From the first byte sent to the last received, one request after the other."""
    cookies = people.sign_in(web.host, web.port, "owner", PASSWORD)
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    connection = HTTPConnection(web.host, web.port, timeout=60)
    took: list[float] = []
    for number in range(WARM + requests):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        size = len(reply.read())
        if reply.status != 200:
            raise SystemExit(f"{path}: {reply.status}")
        took.append(1000 * (time.perf_counter() - began))
        if number == WARM - 1:
            before = web.cpu_seconds()
    connection.close()
    spent = round(1000 * (web.cpu_seconds() - before) / requests, 1)
    return {**percentiles(took[WARM:]), "limit_ms": LIMIT_MS, "server_cpu_ms": spent, "bytes": size}


def percentiles(took: list[float]) -> dict[str, float]:
    """Milliseconds; the nearest rank."""
    ordered = sorted(took)
    at = {"p50_ms": 0.5, "p95_ms": 0.95}
    return {name: round(ordered[min(len(took) - 1, int(share * len(took)))], 1) for name, share in at.items()}


def plan(project: Project) -> dict[str, Any]:
    """What PostgreSQL does for the labels of the last hour."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from annotation.selectors import progress

    with CaptureQueriesContext(connection) as seen:
        progress.of_project(project.created_by, project, timezone.now())
    asked = next(one["sql"] for one in seen if "annotation_label" in one["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked}")
        (found,) = cursor.fetchone() or ([],)
    top = (json.loads(found) if isinstance(found, str) else found)[0]
    return {"ms": top["Execution Time"], "nodes": nodes(top["Plan"])}


def nodes(part: dict[str, Any]) -> list[str]:
    """The steps from the last to the first, each with the rows it gave."""
    index = f" on {part['Index Name']}" if "Index Name" in part else ""
    own = f"{part['Node Type']}{index}: {part['Actual Rows']:.0f} rows"
    return [own, *(line for below in part.get("Plans", []) for line in nodes(below))]


def say(figures: dict[str, Any]) -> None:
    print(json.dumps(figures), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--overlap", type=int, default=3)
    parser.add_argument("--annotators", type=int, default=32)
    parser.add_argument("--requests", type=int, default=60, help="counted, of each page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
