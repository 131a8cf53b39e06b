"""``extract recover``: make a run of a training that has not ended."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH, trust_option


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "--step",
    type=click.IntRange(1),
    metavar="N",
    help="Take the weights of this optimiser step. Default: those that scored best on the "
    "validation documents, or the newest where none was scored.",
)
@click.option("--output", type=PATH, metavar="DIR", help="The new run folder. Default: RUN-step-N.")
@trust_option
def command(run: Path, step: int | None, output: Path | None, trusted: bool) -> None:
    """Make a complete run of one that was interrupted, from the weights that it has saved.

    RUN stays as it is and can be resumed. The new run says at which step its training stood, and
    every command takes it. For several domains that are trained together, RUN is the folder of all.

    \b
    Example:
      extract recover runs/first
      extract recover runs/first --step 200 --output runs/first-200
      extract evaluate runs/first-200 --split validation
    """
    from ..progress import say
    from ..runs.folder import Run
    from ..training.recovery import recover

    made = recover(Run.open(run, trusted=trusted, joint=True), output, step)
    scored = "not scored" if made.score is None else f"scored {made.score:.3f} on validation"
    others = f"; also kept: step {', '.join(map(str, made.others))}" if made.others else ""
    say(f"step {made.step} of {made.steps}, {scored}{others}")
    click.echo(str(made.run.folder))
