"""`manage.py up`: everything on one machine, until Ctrl-C."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation import demo
from annotation.demo import people
from frontend.launcher import prepare
from frontend.launcher.child import Child
from frontend.launcher.stack import GaveUp, Stack


class Command(BaseCommand):
    help = "Migrate, load the demo project, start web and worker, print URL and accounts. Ctrl-C ends all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="Do not load the demo project.")

    def handle(self, *args: Any, no_demo: bool = False, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("`up` is for one machine without servers. See docs/deploy.md for production.")
        try:
            self._run(with_demo=not no_demo)
        except (prepare.NotPossible, GaveUp) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:  # before the signal handlers stand: nothing has been started yet
            self._say("Stopped.")

    def _run(self, *, with_demo: bool) -> None:
        host, port = settings.BIND_HOST, settings.BIND_PORT
        with prepare.take_lock() as lock:
            prepare.check_port(host, port)
            lock.truncate(0)
            lock.write(f"http://{_shown(host)}:{port}/")
            lock.flush()
            self._say("Preparing the database and static files …")
            prepare.make_tables()
            prepare.collect_static()
            self._serve(host, port, self._demo() if with_demo else "")

    def _demo(self) -> str:
        """Load the demo project; what a person has to know to sign in."""
        kept = people.file()
        first = not kept.exists()
        call_command("load_demo", stdout=io.StringIO())
        if not first:
            return f"Demo accounts and their passwords: {kept}\n"
        lines = [f"    user {one.username:<10} password {one.password}" for one in demo.accounts()]
        return "\n".join(["Demo accounts, made just now:", *lines, f"    kept in {kept}", ""])

    def _serve(self, host: str, port: int, accounts: str) -> None:
        url = f"http://{_shown(host)}:{port}/"
        stack = Stack(self._children(host, port), f"{url}readyz", self._say)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stack.interrupt())
        try:
            stack.start()
            if not stack.ending.is_set():
                self._say(
                    f"\nPoP Studio runs at {url}\n{accounts}Logs: {settings.VAR_DIR / 'logs'}\nStop: Ctrl-C\n"
                )
            stack.watch()
            self._say("Stopping … (once more to stop at once)")
        finally:
            stack.stop()
        self._say("Stopped. Everything is kept in " + str(settings.VAR_DIR))

    def _children(self, host: str, port: int) -> list[Child]:
        logs: Path = settings.VAR_DIR / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        web = ["gunicorn", "config.wsgi", "--bind", bind, "--threads", "8", "--access-logfile", "-"]
        worker = ["celery", "-A", "config", "worker", "-B", "-Q", "default,gpu", "-c", "2", "-l", "INFO"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return [
            Child("web", [sys.executable, "-m", *web, "--no-control-socket"], logs / "web.log", self._say),
            Child("worker", [sys.executable, "-m", *worker, *quiet], logs / "worker.log", self._say),
        ]

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _shown(host: str) -> str:
    """The address a person can open: a wildcard is this machine."""
    local = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared, not bound
    return local.get(host, f"[{host}]" if ":" in host else host)
