"""Measure the start-up time of ``extract --help`` against Python importing click.

    python -m benchmarks startup_time

Both are timed in turns as whole processes; the result is the ratio of the medians.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROUNDS = 15
EXTRACT = Path(sysconfig.get_path("scripts")) / "extract"


def seconds(command: list[str]) -> float:
    """Return the wall-clock seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print both medians and their ratio."""
    commands = {
        "extract --help": [str(EXTRACT), "--help"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for round_ in range(ROUNDS + 1):
        for name, command in commands.items():
            took = seconds(command)
            if round_:  # the first one warms the disk's cache
                times[name].append(took)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:28} {median * 1000:6.0f} ms")
    ours, theirs = medians.values()
    print(f"{'ratio':28} {ours / theirs:6.2f}")


if __name__ == "__main__":
    main()
