"""Say what is wrong with each installed plugin, although one may end its process or never end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import IO

from ..plugin_code.calls import Limits, limited_calls
from ..plugin_code.installed import OK, Installed, find
from ..plugins import state_of

_SECONDS = 20.0
"""How long an import may take."""

_OWN_SECONDS = 20.0
"""How long the process may take beside it: to start, and to import what checks a plugin."""

_SCRIPT = """
import json, sys
sys.path[:], *positions = json.loads(sys.argv[1])
from fieldsmith.cli.plugin_states import report
report(positions)
"""


def states_of(entries: Sequence[Installed]) -> list[str]:
    """Import each plugin, and return its state as ``plugins.state_of`` does.

    They are imported one after another in another process, and in a new one after a plugin that
    ends it or does not let it go on.
    """
    states = [entry.state for entry in entries]
    waiting = [position for position, state in enumerate(states) if state == OK]
    while waiting:
        for state in _reported(waiting):
            states[waiting.pop(0)] = state
    return states


def _reported(positions: Sequence[int]) -> Iterator[str]:
    """Yield the states of the plugins at some positions, up to one that stops their process."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, json.dumps([sys.path, *positions])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    lines: SimpleQueue[bytes] = SimpleQueue()
    assert process.stdout is not None
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    try:
        for _position in positions:
            line = lines.get(timeout=_SECONDS + _OWN_SECONDS)
            if not line:
                yield f"cannot be imported: it ends the process (exit code {process.wait()})"
                return
            yield json.loads(line)
    except Empty:
        yield f"cannot be imported: it was stopped after {_SECONDS + _OWN_SECONDS:g} seconds"
    finally:
        process.kill()
        process.wait()


def _read(stream: IO[bytes], lines: SimpleQueue[bytes]) -> None:
    """Put each line into the queue, and an empty one at the end of the process."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def report(positions: Sequence[int]) -> None:
    """Print the states of the plugins at some positions of ``find`` as JSON, a line each."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a plugin may print, too
    entries = find()
    for position in positions:
        with limited_calls(Limits(_SECONDS)):
            state = state_of(entries[position])
        print(json.dumps(state), file=output, flush=True)
