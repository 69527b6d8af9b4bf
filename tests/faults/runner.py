"""What the live-run tests ask of a stack: launch, look, wait, find the engine."""

from __future__ import annotations

import json
from typing import Any

import psutil

from tests import world
from tests.live import LiveStack


class Runner:
    """Runs on one stack. Everything that writes happens in a process of the stack."""

    def __init__(self, stack: LiveStack) -> None:
        self.stack = stack
        self.ids: dict[str, int] = self.ask("build()")

    def ask(self, call: str, **env: str) -> Any:
        return self.stack.code(f"from tests import world; world.say(world.{call})", **env)

    def launch(self, spec: dict[str, Any] | None = None, **env: str) -> int:
        given = json.loads(json.dumps(spec or world.TINY))
        run: int = self.ask(f"launch({self.ids['dataset']}, {given!r})", **env)
        return run

    def cancel(self, run: int) -> str:
        return str(self.ask(f"cancel({run})"))

    def resume(self, run: int) -> str:
        return str(self.ask(f"resume({run})"))

    def field(self, run: int, name: str) -> Any:
        return self.stack.sql(f"select {name} from training_run where id = %s", run)[0][0]  # noqa: S608

    def kinds(self, run: int) -> list[str]:
        query = "select kind from training_runevent where run_id = %s order by seq"
        return [kind for (kind,) in self.stack.sql(query, run)]

    def wait(self, run: int, *states: str, seconds: float = 180) -> str:
        """Wait until the run is in one of the states; fails at once when it ended in another."""

        def there() -> str:
            state = str(self.field(run, "state"))
            error = self.field(run, "error")
            over = state in {"finished", "failed", "cancelled"} and state not in states
            assert not over, f"run {run} is {state}: {error}\n{self.stack.tails()}"
            return state if state in states else ""

        return self.stack.wait_for(there, f"run {run} to be {' or '.join(states)}", seconds)

    def wait_for_event(self, run: int, kind: str, times: int = 1, seconds: float = 180) -> None:
        def seen() -> bool:
            assert self.field(run, "state") != "failed", f"{self.field(run, 'error')}\n{self.stack.tails()}"
            return self.kinds(run).count(kind) >= times

        self.stack.wait_for(seen, f"{kind} of run {run}", seconds)

    def engine(self, run: int) -> psutil.Process | None:
        """The engine's process; None when there is none."""
        folder = str(self.stack.var_dir / "runs" / str(run))
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if "training.engine" in words and words[-1] == folder and process.info["status"] != "zombie":
                return process
        return None

    def started_from(self, run: int) -> list[int | None]:
        """`resumed_from` of each start, oldest first."""
        query = "select data from training_runevent where run_id = %s and kind = 'started' order by seq"
        found = [data for (data,) in self.stack.sql(query, run)]
        return [(json.loads(data) if isinstance(data, str) else data)["resumed_from"] for data in found]
