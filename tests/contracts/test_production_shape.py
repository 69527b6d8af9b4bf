"""The commands of docker-compose.yml and Dockerfile, run as they are against real PostgreSQL and Redis."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from tests import services
from tests.contracts import tree
from tests.live import LiveStack, stack

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]
COMPOSE: dict[str, Any] = yaml.safe_load((tree.ROOT / "docker-compose.yml").read_text())["services"]
BROKER = f"{services.REDIS_URL.rsplit('/', 1)[0]}/11"  # a database of this test's own
HOST = "pop.example"


def command(name: str) -> list[str]:
    """A service's command with `${NAME:-default}` at its default, run by this Python."""
    words = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(word)) for word in COMPOSE[name]["command"]]
    return [sys.executable, *(words[1:] if words[0] == "python" else ["-m", *words])]


def web_command(port: int) -> list[str]:
    line = re.search(r'^CMD (\["gunicorn".*\])$', (tree.ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert line is not None
    words: list[str] = json.loads(line[1])
    return [sys.executable, "-m", *(word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in words)]


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Web, worker, GPU worker and beat in production mode, secrets from files."""
    folder = tmp_path_factory.mktemp("production")
    with redis.Redis.from_url(BROKER) as broker, stack(folder, BROKER) as live:
        broker.flushdb()
        key = folder / "django_secret_key"
        key.write_text(secrets.token_urlsafe(64))
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
        live.env |= {
            "POP_ENV": "production",
            "POP_ALLOWED_HOSTS": HOST,
            "DJANGO_SECRET_KEY_FILE": str(key),
            "POP_PORT": str(port),
        }
        live.url = f"http://127.0.0.1:{port}"
        start(live, port)
        yield live
        live.close()
        broker.flushdb()


def start(live: LiveStack, port: int) -> None:
    migrated = live.start("migrate", command("migrate"))
    assert migrated.wait(120) == 0, live.tails()
    live.manage("collectstatic", "--noinput", "-v0")
    live.start("web", web_command(port))
    # Containers have host names of their own; here the two workers get names instead.
    live.start("worker", [*command("worker"), "-n", "default@test"])
    live.start("gpu-worker", [*command("gpu-worker"), "-n", "gpu@test"])
    kept = "/tmp/celerybeat-schedule"  # noqa: S108 - the container's
    live.start("beat", [word.replace(kept, str(live.var_dir / "beat")) for word in command("beat")])
    live.wait_for(lambda: probe(live).returncode == 0, "the health check of the web service")


def probe(live: LiveStack) -> subprocess.CompletedProcess[bytes]:
    words = COMPOSE["web"]["healthcheck"]["test"][2:]
    return subprocess.run([sys.executable, *words], cwd=tree.ROOT, env=live.env, timeout=60, check=False)


def ask(live: LiveStack, path: str, **headers: str) -> tuple[int, str]:
    """Status, and where a redirect leads or what the page says."""
    with contextlib.closing(http.client.HTTPConnection(live.url.removeprefix("http://"), timeout=30)) as web:
        web.request("GET", path, headers={"Host": HOST, **headers})
        answer = web.getresponse()
        return answer.status, answer.getheader("Location") or answer.read().decode()


def test_both_workers_announce_their_queues(production: LiveStack) -> None:
    def announced() -> bool:
        workers = json.loads(ask(production, "/readyz")[1])["workers"]
        return bool(workers == {"default@test": ["default"], "gpu@test": ["gpu"]})

    production.wait_for(announced, "both workers to announce themselves")


def test_plain_http_is_sent_to_https_and_the_proxys_word_is_taken(production: LiveStack) -> None:
    status, location = ask(production, "/login/")
    assert (status, location) == (301, f"https://{HOST}/login/")
    status, page = ask(production, "/login/", **{"X-Forwarded-Proto": "https"})
    assert status == 200
    assert "csrfmiddlewaretoken" in page


def test_foreign_host_names_are_refused(production: LiveStack) -> None:
    status, _ = ask(production, "/login/", Host="elsewhere.example")
    assert status == 400


def test_the_beat_reaches_the_worker_through_redis(production: LiveStack) -> None:
    def done() -> bool:
        return "reap_runs" in production.log("worker") and "succeeded" in production.log("worker")

    production.wait_for(done, "a beat's task to be done")


def test_the_workers_health_check_answers(production: LiveStack) -> None:
    line = COMPOSE["worker"]["healthcheck"]["test"][1]
    words = line.replace("celery@$$HOSTNAME", "default@test").split()
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tree.ROOT,
        env=production.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pong" in done.stdout


def test_logs_are_json_lines(production: LiveStack) -> None:
    lines = [
        line for line in production.log("worker").splitlines() if "reap_runs" in line and "succeeded" in line
    ]
    assert json.loads(lines[0])["levelname"] == "INFO"


def test_sigterm_ends_every_service(production: LiveStack, tmp_path: Path) -> None:
    for process in production.processes[1:]:
        process.terminate()
    assert [process.wait(60) for process in production.processes[1:]] == [0] * 4
