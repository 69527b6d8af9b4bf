"""How fast comparisons are handed out and labels stored, through the production server and real HTTP.

    python -m bench.annotation --preferences 1000 100000 1000000 --annotators 1 32 --overlap 1 3

Makes a PostgreSQL database of its own (POP_BENCH_SERVER) and drops it at the end. One JSON line a case;
bench/README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

from bench.annotating import database, people, server

if TYPE_CHECKING:
    from annotation.models import Project

SERVER = os.environ.get("POP_BENCH_SERVER", "postgres://postgres@127.0.0.1:5432/postgres")
PASSWORD = "a-bench-only-password"  # noqa: S105 - of a database that is dropped
Cookies = dict[str, str]


def main() -> None:
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix="pop-bench-") as folder, database.made(SERVER) as url:
        bench = Bench(url, Path(folder), chosen)
        bench.prepare()
        for size in chosen.preferences:
            bench.fill(size)
            for strategy, overlap, count in product(chosen.strategy, chosen.overlap, chosen.annotators):
                figures = bench.case(strategy, overlap, count)
                about = {"preferences": size, "annotators": count, "overlap": overlap, "strategy": strategy}
                print(json.dumps({**about, **figures}), flush=True)


class Bench:
    """One database and one folder; each case starts a server of its own."""

    def __init__(self, url: str, folder: Path, chosen: argparse.Namespace) -> None:
        self.url, self.folder, self.chosen = url, folder, chosen
        self.env = server.environment(url, folder)
        self.cookies: list[Cookies] = []

    def prepare(self) -> None:
        """Tables, static files, and as many people as the largest case has, signed in by the form."""
        for words in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
            subprocess.run([sys.executable, "manage.py", *words], env=self.env, cwd=server.ROOT, check=True)  # noqa: S603
        os.environ.update(self.env)
        import django

        django.setup()
        make_people(max(self.chosen.annotators))
        with server.running(self.env, self.folder / "web.log") as web:
            for number in range(max(self.chosen.annotators)):
                self.cookies.append(people.sign_in(web.host, web.port, f"annotator-{number}", PASSWORD))

    def fill(self, size: int) -> None:
        self.project = make_project(size, self.chosen.k)
        database.fill(self.url, self.project.pk, size)

    def case(self, strategy: str, overlap: int, count: int) -> dict[str, Any]:
        database.start_again(self.url)
        settle(self.project, strategy, overlap)
        with server.running(self.env, self.folder / "web.log") as web:
            seen = self._load(web, count)
            seen["over_collected"] = database.over_collected(self.url)
            seen["server_peak_rss_mb"] = web.peak_rss_mb()
        sent, stored = seen.pop("sent"), database.stored_labels(self.url)
        if sent != stored:
            raise SystemExit(f"{sent} labels were acknowledged, {stored} are stored.")
        return seen

    def _load(self, web: server.Server, count: int) -> dict[str, Any]:
        plan = {
            "host": web.host,
            "port": web.port,
            "path": f"/projects/{self.project.slug}/label/",
            "people": self.cookies[:count],
            "seconds": self.chosen.seconds,
            "warm_seconds": self.chosen.warm_seconds,
        }
        words = [sys.executable, "-m", "bench.annotating.load"]
        with subprocess.Popen(  # noqa: S603
            words, cwd=server.ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True
        ) as load:
            assert load.stdin is not None  # noqa: S101 - for the type checker
            load.stdin.write(json.dumps(plan))
            load.stdin.close()
            load.stdin = None
            time.sleep(self.chosen.warm_seconds)
            before = web.cpu_seconds()
            out, errors = load.communicate()
        if load.returncode:
            log = (self.folder / "web.log").read_text()
            raise SystemExit(f"{errors[-3000:]}\nThe server's log ends:\n{log[-3000:]}")
        seen: dict[str, Any] = json.loads(out)
        spent = web.cpu_seconds() - before
        return {**seen, "server_cpu_ms_per_label": round(1000 * spent / max(1, seen["labels"]), 1)}


def make_people(count: int) -> None:
    from annotation.models import User

    User.objects.create_superuser(username="owner", password=PASSWORD)
    for number in range(count):
        User.objects.create_user(username=f"annotator-{number}", password=PASSWORD)


def make_project(size: int, k: int) -> Project:
    """The only project: those of other sizes go, with their preferences."""
    from django.db import connection
    from django.utils import timezone

    from annotation.models import Pool, Split, User
    from annotation.services import projects

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE annotation_project CASCADE")
    made = projects.create(
        name=f"Bench {size}", by=User.objects.get(username="owner"), at=timezone.now(), k=k, seed=1
    )
    splits = [database.place(number)[0] for number in range(min(size, 10))]
    heldout = size // 10 if size >= 10 else splits.count(Split.HELDOUT)
    Pool.objects.filter(project=made, split=Split.HELDOUT).update(size=heldout)
    Pool.objects.filter(project=made, split=Split.TRAIN).update(size=size - heldout)
    connection.close()
    return made


def settle(project: Project, strategy: str, overlap: int) -> None:
    """The settings of the case; everybody is a member who has done nothing yet."""
    from django.utils import timezone

    from annotation.models import Membership, Project, Role, User

    Project.objects.filter(pk=project.pk).update(strategy=strategy, labels_per_comparison=overlap)
    Membership.objects.bulk_create(
        Membership(
            project=project,
            user=user,
            role=Role.OWNER if user.is_superuser else Role.ANNOTATOR,
            joined_at=timezone.now(),
        )
        for user in User.objects.all()
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preferences", type=int, nargs="+", default=[1000])
    parser.add_argument("--annotators", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--overlap", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--strategy", nargs="+", default=["random", "iterative"])
    parser.add_argument("--k", type=int, default=2, help="rows wanted per strong preference")
    parser.add_argument("--seconds", type=float, default=10, help="measured time of a case")
    parser.add_argument("--warm-seconds", type=float, default=4, help="not measured, before it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
