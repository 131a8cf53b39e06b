"""``extract check``: check that a plugin keeps its contract."""

from __future__ import annotations

import json

import click

from ..plugin_code.calls import limited_memory
from .options import json_option, with_option
from .terminal import debug_is_on, printable, state


class _CommandWithChecks(click.Command):
    """A command whose help ends with the list of checks, imported when it is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each check with what it promises."""
        from ..authoring.checks import CHECKS, name_of, promise_of

        with formatter.section("Checks"):
            formatter.write_dl([(name_of(check), promise_of(check)) for check in CHECKS])


@click.command(cls=_CommandWithChecks)
@click.argument("name")
@with_option
@json_option
def command(name: str, wrappers: tuple[str, ...], as_json: bool) -> int:
    """Check that a plugin keeps its contract: its schema, loader, sample, prompt and metric.

    Exits with 1 if a check fails. No model is loaded. What does not end is stopped. With --debug,
    failures come with their traceback. fieldsmith.testing runs the same checks in a plugin's own
    tests.

    \b
    Example:
      extract check job_adverts
      extract check job_adverts --json
    """
    from ..authoring.checks import check_in_other_process

    with limited_memory():
        checks = check_in_other_process(name, wrappers)
    passed = all(check.state != "fail" for check in checks)
    if debug_is_on():
        click.echo("".join(check.debug for check in checks), err=True, nl=False)
    if as_json:
        rows = [
            {"state": check.state, "what": check.what, "detail": check.detail} for check in checks
        ]
        click.echo(json.dumps({"ok": passed, "checks": rows}, indent=2))
    else:
        for check in checks:
            click.echo(f"{state(check.state)}  {printable(f'{check.what}: {check.detail}')}")
    return 0 if passed else 1
