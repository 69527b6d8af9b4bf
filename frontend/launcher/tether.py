"""Run a command that ends when its parent does: `python -m frontend.launcher.tether PARENT_PID COMMAND…`.

On Linux the kernel sends the command SIGTERM when the parent is gone, however it went;
elsewhere this only runs it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it went before the request was made
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - our own commands, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
