"""How fast preferences are imported, datasets frozen and downloaded, and how much memory that takes.

    python -m bench.dataset_io --rows 10000 1000000 --bytes 4096

Makes a PostgreSQL database of its own (POP_BENCH_SERVER) and drops it at the end. One JSON line a step;
bench/README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.annotating import database, server
from bench.dataset import made_files

SERVER = os.environ.get("POP_BENCH_SERVER", "postgres://postgres@127.0.0.1:5432/postgres")
STEPS = ("import", "import_again", "import_second", "freeze", "download")


def main() -> None:
    chosen = arguments()
    for rows in chosen.rows:
        scratch = tempfile.TemporaryDirectory(prefix="pop-bench-", dir=chosen.folder)
        with scratch as folder, database.made(SERVER) as url:
            case(url, Path(folder), rows, chosen)


def case(url: str, folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    """All steps with this many rows. Each is a process of its own that calls the service."""
    env = server.environment(url, folder) | {"POP_MAX_UPLOAD_MB": "100000"}
    words = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(words, env=env, cwd=server.ROOT, check=True)  # noqa: S603
    plan = {
        "rows": rows,
        "first": str(made_files.write(folder / "first.jsonl", 0, rows, chosen.bytes)),
        "second": str(made_files.write(folder / "second.jsonl", rows, rows, chosen.bytes)),
    }
    child(env, "prepare", plan)
    for step in STEPS:
        if step in chosen.steps:
            seen = child(env, step, plan)
            print(json.dumps({"step": step, "rows": rows, "bytes": chosen.bytes, **seen}), flush=True)


def child(env: dict[str, str], step: str, plan: dict[str, object]) -> dict[str, object]:
    words = [sys.executable, "-m", "bench.dataset.steps", step, json.dumps(plan)]
    done = subprocess.run(words, env=env, cwd=server.ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{step}: {done.stderr[-3000:]}")
    seen: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return seen


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--bytes", type=int, default=4096, help="of one JSONL line")
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=STEPS)
    parser.add_argument("--folder", help="where files are made: it needs 3 × rows × bytes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
