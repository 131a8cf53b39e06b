"""``extract doctor``: show what works on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from .. import doctor
from .options import json_option
from .terminal import printable, state


@click.command()
@json_option
def command(as_json: bool) -> int:
    """Show what works on this machine: versions, devices, a step of 4-bit training, plugins.

    Exits with 1 if training cannot run.

    \b
    Example:
      extract doctor
      extract doctor --json
    """
    checks = doctor.examine()
    can_train = doctor.can_train(checks)
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
