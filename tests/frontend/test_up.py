"""`manage.py up` as a person uses it: real processes, one Ctrl-C, nothing left behind."""

from __future__ import annotations

import fcntl
import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.live import PYTHON, ROOT

pytestmark = pytest.mark.slow
SECONDS = 90


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Up:
    """A running `manage.py up`, read line by line."""

    def __init__(self, var_dir: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        outside = {
            key: value for key, value in os.environ.items() if not key.startswith(("POP_", "DATABASE_"))
        }
        self.env = {
            **outside,
            "POP_VAR_DIR": str(var_dir),
            "POP_PORT": str(self.port),
            "CELERY_BROKER_URL": "filesystem://",
            "OMP_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [PYTHON, "manage.py", "up"],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []

    def hear(self, words: str) -> str:
        """Read on until a line holds these words; that line. Fails when the output ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"never said {words!r}:\n{''.join(self.said)}")

    def family(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def end(self, sig: signal.Signals) -> int:
        self.process.send_signal(sig)
        self.hear("Stopped.")
        assert not any("Traceback" in line for line in self.said), "".join(self.said)
        return self.process.wait(SECONDS)

    def accounts(self) -> dict[str, str]:
        return dict(re.findall(r"user (\S+)\s+password (\S+)", "".join(self.said)))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def ups() -> Iterator[list[Up]]:
    """What a test starts; ended whatever happens."""
    started: list[Up] = []
    yield started
    for one in started:
        one.close()


def home_after_sign_in(url: str, username: str, password: str) -> str:
    """Sign in as a browser does; the page that comes then."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    browser.open(f"{url}/login/", timeout=30).read()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = {"username": username, "password": password, "csrfmiddlewaretoken": token}
    with browser.open(f"{url}/login/", urllib.parse.urlencode(form).encode(), timeout=30) as answer:
        return str(answer.read().decode())


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_it_serves_ends_with_one_ctrl_c_and_keeps_everything(ups: list[Up], tmp_path: Path) -> None:
    first = Up(tmp_path)
    ups.append(first)
    first.hear("Stop: Ctrl-C")
    accounts = first.accounts()
    assert set(accounts) == {"admin", "annotator"}
    assert "Demo" in home_after_sign_in(first.url, "admin", accounts["admin"])
    assert "GET /login/" in (tmp_path / "logs" / "web.log").read_text()
    family = first.family()
    assert len(family) >= 4  # web and worker, and what they start

    assert first.end(signal.SIGINT) == 0
    assert alive(family) == []

    second = Up(tmp_path)
    ups.append(second)
    second.hear("Stop: Ctrl-C")
    assert second.accounts() == {}
    assert str(tmp_path / "demo_accounts.json") in "".join(second.said)
    assert "Demo" in home_after_sign_in(second.url, "annotator", accounts["annotator"])
    family = second.family()
    assert second.end(signal.SIGTERM) == 0
    assert alive(family) == []


@pytest.mark.long
def test_a_killed_web_process_comes_back_and_a_killed_parent_leaves_nobody(
    ups: list[Up], tmp_path: Path
) -> None:
    up = Up(tmp_path)
    ups.append(up)
    up.hear("Stop: Ctrl-C")
    web = next(one for one in up.family() if "gunicorn" in " ".join(one.cmdline()))
    web.kill()
    up.hear("web ended with status -9; starting it again")
    up.hear("Starting web again")
    up.process.send_signal(signal.SIGSTOP)  # hold it still while its family is counted
    family = up.family()
    up.process.kill()

    up.process.wait(SECONDS)
    assert psutil.wait_procs(family, timeout=SECONDS)[1] == []


def test_a_taken_port_is_said_in_words(ups: list[Up], tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        up = Up(tmp_path, port)
        ups.append(up)
        line = up.hear(f"Port {port} on 127.0.0.1 cannot be used")
        assert f"POP_PORT={port + 1}" in line
        assert up.process.wait(SECONDS) == 1
    assert not (tmp_path / "db.sqlite3").exists()


def test_a_second_start_on_the_same_files_is_refused(ups: list[Up], tmp_path: Path) -> None:
    with (tmp_path / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("http://127.0.0.1:1/")
        lock.flush()
        up = Up(tmp_path)
        ups.append(up)
        assert "http://127.0.0.1:1/" in up.hear("already runs")
        assert up.process.wait(SECONDS) == 1
