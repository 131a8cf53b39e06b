"""Run one benchmark, or all: ``python -m benchmarks [NAME]...``."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = ("start_up", "training_speed")


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all of them; return the exit code."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        print(f"## {name}", flush=True)
        import_module(f".{name}", __package__).main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
