"""``extract track``: send what a run holds to experiment trackers."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import SettingsError
from .options import PATH


@click.command("track")
@click.argument("run", type=PATH)
@click.option(
    "--to",
    "names",
    multiple=True,
    metavar="NAME",
    help="tensorboard, wandb, mlflow or trackio; may be repeated. Default: the run's report_to.",
)
def command(run: Path, names: tuple[str, ...]) -> int:
    """Send what RUN holds to experiment trackers: log, scores, examples, pages of the report.

    A training with the setting report_to does so by itself. This command is for scores and reports
    that came later, and for runs that were trained without. What a tracker has already is not sent
    again.

    \b
    Example:
      extract track runs/first
      extract track runs/first --to tensorboard --to mlflow
    """
    from ..runs.folder import Run
    from ..runs.joint_job import domain_runs
    from ..tracking.results import send_results
    from ..tracking.trackers import require_trackers

    opened = Run.open(run, joint=True)
    for each in domain_runs(opened) if opened.domains() else [opened]:
        each.require_complete()
    chosen = list(names) or opened.settings().values.report_to
    if not chosen:
        raise SettingsError(f"{run}: its report_to names no tracker; name one: --to tensorboard")
    require_trackers(chosen)
    failed = send_results(opened, chosen)
    if sent := [name for name in dict.fromkeys(chosen) if name not in failed]:
        click.echo(f"{run}: sent to {', '.join(sent)}")
    return 1 if failed else 0
