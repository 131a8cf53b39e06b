"""A script that runs a command and ends it, with all its processes, as soon as its caller is gone.

The caller holds the other end of standard input. However the caller ends, a signal that cannot be
caught included, the system closes that end; then the command's process group is asked to end, and
killed if it does not. The script is the group's first process and imports nothing of the package.
"""

import os
import signal
import subprocess
import sys
import threading
import time

_GRACE = 10.0
"""Seconds from the request to end until all are killed."""


def _kill() -> None:
    os.killpg(0, signal.SIGKILL)


def _end_with_caller() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE)
    _kill()


def _main(command: list[str]) -> None:
    # A handler, not SIG_IGN, which the command would inherit.
    signal.signal(signal.SIGTERM, lambda *_: None)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_caller, daemon=True).start()
    code = process.wait()
    if code < 0:
        print(f"error: it was killed by signal {-code}", flush=True)
    _kill()  # what it has left behind, and this process


if __name__ == "__main__":
    _main(sys.argv[1:])
