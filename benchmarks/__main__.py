"""Run one benchmark, or all: ``python -m benchmarks [NAME]...``; one may have options."""

from __future__ import annotations

import sys
from importlib import import_module
from itertools import takewhile

BENCHMARKS = ("decoding", "start_up", "training_speed")


def main(arguments: list[str]) -> int:
    """Run the benchmarks named, or all of them; return the exit code."""
    names = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    options = [arguments[len(names) :]] if len(names) < len(arguments) else []
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        print(f"## {name}", flush=True)
        import_module(f".{name}", __package__).main(*options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
