"""``extract plan``: estimate memory and steps of a training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .options import json_option
from .training_options import (
    ParallelOptions,
    TrainingOptions,
    parallel_options,
    training_options,
)

if TYPE_CHECKING:
    from ..planning.batches import Device
    from ..runs.job import TrainingJob
    from ..runs.joint_job import JointJob


@click.command("plan")
@training_options("leaks", "duplicate-ids", "unlearnable")
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="Plan for this device. Default: the one of this machine.",
)
@click.option(
    "--memory",
    "gibibytes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="Memory of a device that the training has to fit into; on a CPU all processes share it. "
    "Default: what is free here.",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    help="Plan for N processes, one per device, and for each way that they can share a training.",
)
@parallel_options
@click.option(
    "--probe", is_flag=True, help="Measure the time of a few steps, if the weights are local."
)
@json_option
def command(
    options: TrainingOptions,
    device: Device | None,
    gibibytes: float | None,
    processes: int | None,
    shared: ParallelOptions,
    probe: bool,
    as_json: bool,
) -> None:
    """Estimate memory, steps and time of a training, and what to change if it does not fit.

    No weights are loaded, except for --probe.

    \b
    Example:
      extract plan --plugin NAME --data corpus/
      extract plan --plugin NAME --plugin OTHER
      extract plan --plugin NAME --preset llama-3.1-8b --device cuda --memory 24
      extract plan --plugin NAME --preset llama-3.1-8b --device cuda --memory 24 --processes 4
    """
    if probe and (processes or 1) > 1:
        raise click.UsageError("--probe measures one process; leave out --processes")
    from ..planning.plan import make_plan
    from ..runs.joint_job import require_one_process
    from .plan_tables import print_plan, print_settings

    free = int(gibibytes * 2**30) if gibibytes else None
    options = shared.applied(options)
    job: TrainingJob | JointJob
    if len(options.plugins) > 1:
        job = options.joint_job()
        require_one_process(job.settings.values, processes or 1)
        processes = 1
    else:
        job = options.job()
    plan = make_plan(job, device=device, free=free, processes=processes, probe=probe)
    if as_json:
        settings = {"preset": job.preset, "settings": job.settings.as_json()}
        click.echo(json.dumps(plan.as_json() | settings, ensure_ascii=False, indent=2))
    else:
        print_plan(plan)
        print_settings([(each.name, each.settings) for each in job.jobs])
