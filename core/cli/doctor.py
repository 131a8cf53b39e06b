"""``extract doctor``: show what works on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ..doctor import machine
from .options import json_option
from .terminal import printable, state


@click.command()
@json_option
@click.option(
    "--parallel",
    is_flag=True,
    help="Train two steps by several processes, too, in each way that --parallel of train has.",
)
@click.option("--trial", nargs=4, hidden=True)
def command(as_json: bool, parallel: bool, trial: tuple[str, str, str, str] | None) -> int:
    """Show what works on this machine: versions, devices, a step of 4-bit training, plugins.

    Exits with 1 if training cannot run.

    \b
    Example:
      extract doctor
      extract doctor --json
      extract doctor --parallel
    """
    if trial is not None:
        _take_part(*trial)
        return 0
    checks = machine.examine()
    if parallel:
        from ..doctor.parallel import check_parallel

        checks += check_parallel()
    can_train = machine.can_train(checks)
    if as_json:
        rows = [asdict(check) for check in checks]
        click.echo(json.dumps({"ok": can_train, "checks": rows}, indent=2))
    else:
        for check in checks:
            advice = f" -> {check.advice}" if check.advice else ""
            detail = printable(check.detail + advice)
            click.echo(f"{state(check.state)}  {check.what:<16}  {detail}")
        click.echo("training can run" if can_train else "training cannot run: see the failed rows")
    return 0 if can_train else 1


def _take_part(parallel: str, quantize: str, offload: str, result: str) -> None:
    """Be one of the processes of a trial, which ``check_parallel`` has started."""
    from ..parallel.environment import adopt_launcher
    from ..parallel.processes import leave
    from ..training.trial import run_trial

    adopt_launcher()
    run_trial(parallel, quantize, offload, Path(result))
    leave()
