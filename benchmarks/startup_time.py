"""Measure what commands take before they begin, against what they cannot do without.

    python -m benchmarks startup_time

- ``extract --help`` against Python importing click;
- the libraries that load a model, imported as the commands do it and one after the other;
- the tokenizer of the embedded model, loaded as the commands do it and by AutoTokenizer.

Whole processes are run in turns, and what they compute is counted (user and system time), which
other work on the machine changes little. The ratios are those of the medians.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import sysconfig
from pathlib import Path

import fieldsmith

EXTRACT = Path(sysconfig.get_path("scripts")) / "extract"
BASE = Path(fieldsmith.__file__).parent / "base"

_LIBRARIES = "from fieldsmith.model.importing import import_model_libraries as load; load()"
_IN_TURN = "import transformers.modeling_utils, bitsandbytes, peft"
_TOKENIZER = (
    "from fieldsmith.model.tokenizer import load_tokenizer as load;"
    "from fieldsmith.settings import Settings; load(Settings())"
)
_AUTO = f"from transformers import AutoTokenizer as auto; auto.from_pretrained({str(BASE)!r})"

PAIRS: tuple[tuple[str, list[str], str, list[str], int], ...] = (
    ("extract --help", [str(EXTRACT), "--help"], "import click", ["import click"], 15),
    ("libraries of a model", [_LIBRARIES], "one after the other", [_IN_TURN], 5),
    ("embedded tokenizer", [_TOKENIZER], "AutoTokenizer", [_AUTO], 5),
)
"""What is measured: a name and a command, what it is compared with, and rounds. A command of one
part is code of Python."""


def seconds(command: list[str]) -> float:
    """Return the seconds that a command computes."""
    whole = command if len(command) > 1 else [sys.executable, "-c", *command]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(whole, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the medians and their ratios."""
    for name, command, other, compared, rounds in PAIRS:
        times: tuple[list[float], list[float]] = ([], [])
        for round_ in range(rounds + 1):
            for found, each in zip(times, (command, compared), strict=True):
                took = seconds(each)
                if round_:  # the first one warms the disk's cache
                    found.append(took)
        ours, theirs = map(statistics.median, times)
        print(f"{name:24} {ours * 1000:6.0f} ms {other:24} {theirs * 1000:6.0f} ms", end="")
        print(f" {ours / theirs:6.2f}", flush=True)


if __name__ == "__main__":
    main()
