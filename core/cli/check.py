"""``extract check``: whether a plugin keeps to its contract."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from . import printable

_COLOURS = {"ok": "green", "fail": "red", "expected": "yellow", "skip": "yellow"}


class _Listing(click.Command):
    """A command whose help ends in the list of the checks, read when it is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each check with its promise."""
        from ..authoring.checks import CHECKS, name_of, promise_of

        with formatter.section("Checks"):
            formatter.write_dl([(name_of(check), promise_of(check)) for check in CHECKS])


@click.command(cls=_Listing)
@click.argument("name")
@click.option(
    "--with", "with_names", multiple=True, metavar="NAME", help="Wrap the hooks by this plugin too."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(context: click.Context, name: str, with_names: tuple[str, ...], as_json: bool) -> None:
    """Check that a plugin keeps to its contract: its schema, loader, sample, prompt and metric.

    Exits with 1 if a check fails. No model is loaded. A plugin's own tests run the same checks
    through fieldsmith.testing.

    \b
    Example:
      extract check job_adverts
      extract check job_adverts --json
    """
    from ..authoring.checks import check_plugin

    checks = check_plugin(name, with_names)
    kept = all(check.state != "fail" for check in checks)
    if as_json:
        rows = [asdict(check) for check in checks]
        click.echo(json.dumps({"ok": kept, "checks": rows}, indent=2))
    else:
        for check in checks:
            state = click.style(f"{check.state:<4}", fg=_COLOURS[check.state])
            click.echo(f"{state}  {printable(f'{check.what}: {check.detail}')}")
    context.exit(0 if kept else 1)
