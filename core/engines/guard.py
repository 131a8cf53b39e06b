"""A script that runs a command and ends it, with all its processes, as soon as its caller is gone.

The caller holds the other end of standard input. However the caller ends, a signal that cannot be
caught included, the system closes that end; then the command is asked to end, and its process group
is killed if it does not. The script imports nothing of the package.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

_GRACE = 15.0
"""Seconds from the request to end until all are killed; what is killed leaves shared memory."""

_PAUSE = 0.1


def _end(group: int, grace: float) -> None:
    """Ask the processes of a group to end, and kill those that do not."""
    try:
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + grace
        while time.monotonic() < until:
            os.killpg(group, 0)  # raises once there are none
            time.sleep(_PAUSE)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _end_with_caller(group: int) -> None:
    while os.read(0, 1):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.kill(group, signal.SIGTERM)  # the first process, which ends the others in order
    time.sleep(_GRACE)
    _end(group, 0.0)


def _main(command: list[str]) -> None:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    ending = threading.Thread(target=_end_with_caller, args=[process.pid], daemon=True)
    ending.start()
    code = process.wait()
    if code < 0:
        print(f"error: it was killed by signal {-code}", flush=True)
    _end(process.pid, _GRACE / 3)  # what it has left behind


if __name__ == "__main__":
    _main(sys.argv[1:])
