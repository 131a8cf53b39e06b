"""``extract doctor``: what will work on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from .. import doctor
from . import printable

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Say what will work on this machine: versions, devices, a step of 4-bit training, plugins.

    Exits with 1 if training could not run.

    \b
    Example:
      extract doctor
      extract doctor --json
    """
    checks = doctor.examine()
    fit = doctor.can_train(checks)
    if as_json:
        rows = [asdict(check) for check in checks]
        click.echo(json.dumps({"ok": fit, "checks": rows}, indent=2))
    else:
        click.echo("\n".join(_line(check) for check in checks))
        click.echo("training can run" if fit else "training cannot run: see the rows that fail")
    context.exit(0 if fit else 1)


def _line(check: doctor.Check) -> str:
    state = click.style(f"{check.state:<4}", fg=_COLOURS[check.state])
    advice = f" -> {check.advice}" if check.advice else ""
    return f"{state}  {check.what:<16}  {printable(check.detail + advice)}"
