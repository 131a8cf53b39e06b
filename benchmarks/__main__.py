"""Run one benchmark, or all: ``python -m benchmarks [NAME]...``; one may have options."""

from __future__ import annotations

import sys
from importlib import import_module
from itertools import takewhile

from fieldsmith.errors import FieldsmithError

BENCHMARKS = (
    "audit",
    "decoding",
    "memory_of_processes",
    "memory_vs_plan",
    "startup_time",
    "training_speed",
)
WITH_DATA = (
    "base_models",
    "engines",
    "forgetting",
    "gpu",
    "labelling_curves",
    "quality",
    "seen_names",
    "serving",
    "several_domains",
    "streaming",
)
"""Benchmarks that need data from elsewhere, a GPU, or hours: run only if named."""


def main(arguments: list[str]) -> int:
    """Run the benchmarks named, or all of them; return the exit code."""
    names = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    options = [arguments[len(names) :]] if len(names) < len(arguments) else []
    known = (*BENCHMARKS, *WITH_DATA)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        print(f"## {name}", flush=True)
        try:
            import_module(f".{name}", __package__).main(*options)
        except FieldsmithError as error:
            print(f"{name}: error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
