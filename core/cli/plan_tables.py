"""A training plan on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .terminal import console, printable, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from ..planning.plan import Plan
    from ..settings import Resolved


def print_plan(plan: Plan) -> None:
    """Print memory by component, whether it fits, alternatives, steps, time and data issues."""
    memory, settings, work = plan.memory, plan.settings, plan.work
    batch, prompts = plan.batch, plan.prompts
    click.echo(
        f"{plan.model}: {memory.parameters:,} parameters, {memory.trainable:,} trained, "
        f"{plan.precision} on {plan.device}"
    )
    console().print(_components(plan))
    now, other = ("on", "off") if settings.activation_checkpointing else ("off", "on")
    whole = ""
    if settings.sequence_parallel > 1:
        whole = f" each, as {settings.sequence_parallel} processes share a row"
    click.echo(
        f"longest batch: {batch.rows} rows of {batch.length} tokens{whole}; activation "
        f"checkpointing {now} (with it {other}: {_mib(plan.toggled.step)} MiB)"
    )
    click.echo(
        f"the fused loss takes {_mib(memory.loss)} MiB of the workspace "
        f"(full logits in float32: {_mib(memory.logits)} MiB)"
    )
    click.echo(
        f"validation: answers to {prompts.rows} prompts of up to {prompts.length} tokens at once"
    )
    click.echo(_verdict(plan))
    if plan.ways:
        console().print(_ways(plan))
        click.echo(
            "working: with what is whole while it computes, and buffers of gradients\n"
            "total: with the runtime; of generation or loading, where that takes more"
        )
        if settings.offload != "none":
            click.echo(_offloaded(plan))
        click.echo(_choice(plan))
    if plan.savings:
        console().print(_alternatives(plan))
        click.echo("or a smaller model: extract plan --model MODEL estimates it")
    click.echo(
        f"{work.steps:,} steps of {settings.batch_size} x {settings.accumulation} rows; an epoch "
        f"has {work.rows:,} rows, {work.tokens:,} tokens, {work.answer_tokens:,} of them with loss"
    )
    click.echo(_time(plan))
    for issue in plan.issues:
        click.echo(printable(issue.line))


def print_settings(domains: Sequence[tuple[str, Resolved]]) -> None:
    """Print what the plan is of, for each domain: the settings of the recipe, and their origins."""
    from ..model.fitting import recipe_values

    for name, settings in domains:
        title = f"settings of {name}" if len(domains) > 1 else "settings"
        made = table(title, "", "value", "from", text=("value", "from"))
        for row in recipe_values(settings):
            made.add_row(*row)
        console().print(made)


def _components(plan: Plan) -> Table:
    memory, title = plan.memory, "peak memory"
    trained = "adapter" if plan.settings.tuning == "adapter" else "trained weights"
    if plan.ways:
        title += f" of each device, {plan.way} in {plan.processes} processes"
    made = table(title, "", "MiB", " ", text=(" ",))
    for label, size, what in (
        ("weights in 4 bit", memory.quantized, "half a byte each"),
        ("quantisation constants", memory.constants, "about an eighth of a bit per weight"),
        ("unquantised weights", memory.plain, "embeddings, norms, head"),
        (trained, memory.adapter, plan.precision if "zero" in plan.way else "float32"),
        ("gradients", memory.gradients, f"of the {trained}"),
        ("optimiser", memory.optimizer, f"of the {trained}"),
        ("activations", memory.activations, "kept for the backward pass"),
        ("workspace", memory.working, "temporary tensors at the peak"),
        ("mapped file", memory.mapped, "the model's; Linux drops it when memory is short"),
        ("runtime", memory.runtime, "kernels and code, besides the tensors"),
        ("total of a step", memory.step, ""),
        ("merged copy", memory.copy, "for generation, if the model is small"),
        ("generation", memory.answering, "key-value cache, and prompts that are read"),
        ("total of generation", memory.scoring, "without gradients, activations, workspace"),
        ("loading", memory.loading, "all weights, before they are divided"),
    ):
        if label == "loading" and not size:
            continue
        made.add_row(label, _mib(size), what)
    return made


def _verdict(plan: Plan) -> str:
    total, most = _mib(plan.memory.total), _mib(plan.upper_bound)
    line = f"{total} MiB"
    if plan.upper_bound > plan.memory.total:
        keeper = "glibc keeps" if plan.device == "cpu" else "torch keeps (a tenth is left for it)"
        line += f", up to {most} with freed blocks that {keeper}"
    if plan.free is None:
        return f"{line}; the free memory on {plan.device} is unknown (--memory GIB)"
    line = f"{plan.verdict}: {line}; {_mib(plan.free)} MiB to fit into"
    if plan.verdict == "tight" and plan.device == "cpu":
        line += f"\nMALLOC_MMAP_THRESHOLD_=131072 in the environment limits it to {total}, slower"
    return line


def _ways(plan: Plan) -> Table:
    """Return a table with the memory of a device under each way to share the training."""
    columns = ("weights", "adapter", "gradients", "optimiser", "activations", "working", "total")
    title = f"MiB of each device, {plan.processes} processes (one: a device alone)"
    made = table(title, "", *columns, "verdict", text=("verdict",))
    for way in plan.ways:
        memory = way.share.memory
        weights = memory.quantized + memory.constants + memory.plain
        sizes = (weights, memory.adapter, memory.gradients, memory.optimizer, memory.activations)
        made.add_row(way.share.way, *map(_mib, (*sizes, memory.working, memory.total)), way.verdict)
    return made


def _offloaded(plan: Plan) -> str:
    """Say what each process keeps in main memory, under the ways that can."""
    moved = [
        f"{way.share.way} {_mib(way.share.offloaded)} MiB"
        for way in plan.ways
        if way.share.offloaded
    ]
    if not moved:
        return f"offload {plan.settings.offload}: nothing, on a CPU"
    return f"offload {plan.settings.offload}, in main memory for each process: {', '.join(moved)}"


def _choice(plan: Plan) -> str:
    """Say what ``parallel: auto`` takes, by which figure, and what is set if anything is."""
    choice = plan.choice
    if choice.free is None:
        compared = "; what each has free is unknown (--memory GIB)"
    else:
        more = "more than" if choice.needed > choice.free else "of"
        compared = f", {more} the {_mib(choice.free)} MiB that each has free"
    line = (
        f"auto takes {choice.way} in {choice.processes} processes: a whole copy takes up to "
        f"{_mib(choice.needed)} MiB{compared}"
    )
    set_to = plan.settings.parallel
    return line if set_to == "auto" else f"parallel is set to {set_to}; {line}"


def _alternatives(plan: Plan) -> Table:
    made = table("settings that need less", "--set", "MiB", "fits", "cost", text=("fits", "cost"))
    for saving in plan.savings:
        fits = "" if plan.room is None else "yes" if saving.total <= plan.room else "no"
        words = " ".join(f"{key}={_yaml(value)}" for key, value in saving.settings.items())
        made.add_row(words, _mib(saving.total), fits, saving.cost)
    return made


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _time(plan: Plan) -> str:
    if plan.probe is None:
        return f"time: {plan.probe_note}"
    minutes = plan.probe.seconds / 60
    return (
        f"time: about {minutes:,.1f} minutes without scoring, at {plan.probe.seconds_a_step:.2f} s "
        f"per step (measured over {plan.probe.steps} steps)"
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f}" if size >= 10 * 2**20 else f"{size / 2**20:,.1f}"
