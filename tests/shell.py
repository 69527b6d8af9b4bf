"""Runs what tests ask of it, a request a line, as `manage.py shell -c` does; Django is started once only.

python -m tests.shell   # stdin: a JSON string of code a line; stdout: [what it printed, what went wrong]
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback


def main() -> None:
    import django

    django.setup()
    from django.core.management.commands.shell import Command
    from django.db import connections

    known = Command().get_namespace(verbosity=0)
    answers = sys.stdout
    for line in sys.stdin:
        printed, failed = io.StringIO(), ""
        try:
            with contextlib.redirect_stdout(printed):
                exec(json.loads(line), dict(known))  # noqa: S102 - the tests' own code
        except Exception:  # noqa: BLE001 - whatever it is, the test shows it
            failed = traceback.format_exc()
        connections.close_all()
        print(json.dumps([printed.getvalue(), failed]), file=answers, flush=True)


if __name__ == "__main__":
    main()
