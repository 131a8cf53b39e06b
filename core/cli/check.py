"""``extract check``: whether a plugin keeps to its contract."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from . import printable


@click.command()
@click.argument("name")
@click.option(
    "--with", "with_names", multiple=True, metavar="NAME", help="Wrap the hooks by this plugin too."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(context: click.Context, name: str, with_names: tuple[str, ...], as_json: bool) -> None:
    """Check that a plugin keeps to its contract: its schema, prompt, sample and metric.

    Exits with 1 if something fails. No model is loaded.

    \b
    Example:
      extract check medical_ner
      extract check medical_ner --json
    """
    from ..checks import check_plugin

    checks = check_plugin(name, with_names)
    kept = all(check.state == "ok" for check in checks)
    if as_json:
        rows = [asdict(check) for check in checks]
        click.echo(json.dumps({"ok": kept, "checks": rows}, indent=2))
    else:
        for check in checks:
            state = click.style(f"{check.state:<4}", fg="green" if check.state == "ok" else "red")
            click.echo(f"{state}  {printable(f'{check.what}: {check.detail}')}")
    context.exit(0 if kept else 1)
