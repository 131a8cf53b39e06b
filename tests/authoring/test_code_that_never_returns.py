"""Code in C that never returns, or that no signal reaches: the check of its plugin ends, too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import EXTRACT
from installed_plugins import GOOD, SHIPPED, TOY, Site

from fieldsmith import plugins
from fieldsmith.authoring.checks import CHECKS, CheckResult, check_in_other_process, name_of
from fieldsmith.cli.plugin_states import states_of
from fieldsmith.plugin_code.calls import Limits

WHO = "plugin 'toy' (toy-plugin 1.0)"
LOOP = "sum(iter(int, 1))"
"""A loop in C that keeps Python's lock, so that no handler of a signal runs."""

SLEEP = "__import__('signal').pthread_sigmask(0, range(1, 65)); __import__('time').sleep(1000)"
LOCK = "__import__('signal').pthread_sigmask(0, range(1, 65)); " + (
    "lock = __import__('threading').Lock(); lock.acquire(); lock.acquire()"
)
PATTERN = "__import__('re').match('(a+)+$', 'a' * 99 + 'b')"
ROWS, METRIC = "    if source is None:\n", "    gold, found"

# what never returns: the plugin, the check in which it does, what the message names
ENDLESS = {
    "loop at import": (f"{TOY}\n{LOOP}\n", "loads", "importing toy_plugin_module failed"),
    "loop in rows": (
        GOOD.replace(ROWS, f"    {LOOP}\n{ROWS}"), "sample_is_valid", "extract_load failed",
    ),
    "sleep in the schema": (
        TOY.replace("    return {", f"    {SLEEP}\n    return {{", 1), "loads",
        "extract_schema failed",
    ),
    "lock in rows": (
        GOOD.replace(ROWS, f"    {LOCK}\n{ROWS}"), "sample_is_valid", "extract_load failed",
    ),
    "pattern in rows": (
        GOOD.replace(ROWS, f"    {PATTERN}\n{ROWS}"), "sample_is_valid", "extract_load failed",
    ),
    "loop in the metric": (
        GOOD.replace(METRIC, f"    {LOOP}\n{METRIC}"), "metric_counts", "extract_metric failed",
    ),
}  # fmt: skip


def checked(limits: Limits) -> dict[str, CheckResult]:
    results = check_in_other_process("toy", limits=limits)
    assert [each.what for each in results] == list(map(name_of, CHECKS))
    return {each.what: each for each in results}


@pytest.mark.parametrize(
    "kind",
    ["loop in rows", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ENDLESS)],
)
def test_a_check_ends_what_never_returns(here: Site, kind: str) -> None:
    source, check, what = ENDLESS[kind]
    here.install("toy", source)
    found = checked(Limits(seconds=1))
    assert found[check].state == "fail"
    assert found[check].detail.startswith(f"{WHO}: {what}")
    assert "it does not end, and was stopped after 1 seconds" in found[check].detail


def test_a_check_says_what_ends_its_process(here: Site) -> None:
    here.install("toy", GOOD.replace(ROWS, f"    import os; os._exit(3)\n{ROWS}"))
    found = checked(Limits())
    wanted = "extract_load failed: it ends the process (exit code 3) (for the sample)"
    assert found["sample_is_valid"].detail == f"{WHO}: {wanted}"
    assert found["metric_counts"].detail == "the check sample_is_valid was stopped"


def test_a_list_of_plugins_ends_what_never_returns(here: Site) -> None:
    here.install("a_toy", f"{TOY}\n{LOOP}\n")
    fault = "cannot be imported: it does not end, and was stopped after 1 seconds"
    assert states_of(plugins.find(), seconds=1) == [fault, *["ok"] * len(SHIPPED)]


def test_ctrl_c_ends_a_check_and_all_that_its_plugin_started(site: Site) -> None:
    started = site.path / "started"
    child = (
        "    import subprocess\n"
        "    process = subprocess.Popen(['sleep', '1000'])\n"
        f"    with open({str(started)!r}, 'w') as file: file.write(str(process.pid))\n"
        f"    {LOOP}\n"
    )
    site.install("toy", GOOD.replace(ROWS, child + ROWS))
    process = subprocess.Popen(
        [EXTRACT, "check", "toy", "--json"],
        env={**os.environ, "PYTHONPATH": str(site.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not started.exists() or not started.read_text(encoding="utf-8"):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert errors.splitlines()[-1] == "extract: interrupted"
    assert is_gone(int(started.read_text(encoding="utf-8")))


def is_gone(process: int) -> bool:
    """Say whether a process has ended; its parent may not have asked for its end yet."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except FileNotFoundError:
        return True
    return state.split()[0] == "Z"


@pytest.mark.slow
def test_what_the_command_prints_is_what_the_checks_found(site: Site) -> None:
    site.install("toy", GOOD.replace(ROWS, f"    print('noise')\n{ROWS}"))
    answer = site.extract("check", "toy", "--json")
    assert answer.returncode == 0
    rows = json.loads(answer.stdout)["checks"]
    assert [row["what"] for row in rows] == list(map(name_of, CHECKS))
    assert "noise" in answer.stderr
