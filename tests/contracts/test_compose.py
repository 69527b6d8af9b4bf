"""docker-compose.yml and Dockerfile say what the program needs; no Docker engine is needed to check that."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.contracts import tree

COMPOSE: dict[str, Any] = yaml.safe_load((tree.ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("web", "worker", "beat", "gpu-worker", "migrate")
DOCKERFILE = (tree.ROOT / "Dockerfile").read_text()


def test_all_processes_are_there() -> None:
    assert set(SERVICES) == {*OURS, "postgres", "redis"}


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_in_production_mode_with_secrets_from_files(name: str) -> None:
    service = SERVICES[name]
    assert service["environment"]["POP_ENV"] == "production"
    assert service["environment"]["POP_ALLOWED_HOSTS"].startswith("${POP_ALLOWED_HOSTS:?")
    for variable in ("DATABASE_URL_FILE", "DJANGO_SECRET_KEY_FILE"):
        assert service["environment"][variable].removeprefix("/run/secrets/") in service["secrets"]


def test_no_secret_is_written_into_the_file() -> None:
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    for service in SERVICES.values():
        for variable in service.get("environment", ()):
            assert not re.search(r"(PASSWORD|SECRET|SECRET_KEY|DATABASE_URL)$", variable), variable


@pytest.mark.parametrize("name", ["web", "worker", "beat", "gpu-worker"])
def test_nothing_starts_before_the_migrations_are_done(name: str) -> None:
    assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_migrations_wait_for_the_database_and_run_once() -> None:
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert SERVICES["migrate"]["restart"] == "no"


@pytest.mark.parametrize("name", ["web", "worker", "gpu-worker", "postgres", "redis"])
def test_servers_have_health_checks(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_queues_are_served_and_only_one_process_beats() -> None:
    commands = {
        name: " ".join(service["command"]) for name, service in SERVICES.items() if "command" in service
    }
    assert "default" in commands["worker"]
    assert "-Q gpu" in commands["gpu-worker"]
    assert [name for name, command in commands.items() if " beat" in command or " -B" in command] == ["beat"]


def test_everything_that_is_mounted_is_declared() -> None:
    used = {mount.split(":")[0] for service in SERVICES.values() for mount in service["volumes"] if mount}
    assert used == set(COMPOSE["volumes"])


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_images_run_as_an_ordinary_user(target: str) -> None:
    stage = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    text = next(part for part in stage if re.match(rf"\S+ AS {target}\n", part))
    assert "\nUSER pop\n" in text


def test_targets_named_in_compose_exist() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, flags=re.MULTILINE))
    assert {service["build"]["target"] for service in SERVICES.values() if "build" in service} <= stages


def test_the_builder_gets_everything_that_is_copied_and_no_secrets() -> None:
    copied = re.findall(r"^COPY (?:--chown=\S+ )?(.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    wanted = {name for names in copied for name in names.split() if not name.startswith(("--from", "/"))}
    ignored = (tree.ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in wanted} == {line for line in ignored if line.startswith("!")}
    assert "*" in ignored


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker client")
def test_docker_itself_accepts_the_file() -> None:
    client = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True, check=False)
    if client.returncode:
        pytest.skip("the docker client has no compose plugin")
    done = subprocess.run(
        ["docker", "compose", "--profile", "gpu", "config", "-q"],
        cwd=tree.ROOT,
        env={"PATH": "/usr/bin:/usr/local/bin:/bin", "POP_ALLOWED_HOSTS": "pop.example"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
