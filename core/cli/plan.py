"""``extract plan``: what a training will take, before it begins."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import printable
from .lengths import max_length_option, require_positions
from .options import acceptance_options, accepted

if TYPE_CHECKING:
    from ..planning.memory import Device, Memory
    from ..planning.plan import Plan


@click.command("plan")
@click.option("--plugin", "name", required=True, metavar="NAME", help="See extract plugins.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="What extract train would read. Default: the plugin's bundled sample.",
)
@click.option(
    "--preset",
    default="embedded",
    show_default=True,
    metavar="NAME",
    help="The preset of the training, or a YAML file.",
)
@click.option(
    "--model", metavar="MODEL", help="A hub id or a folder; its config and tokenizer are read."
)
@max_length_option
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set one setting.")
@click.option("--with", "wrappers", multiple=True, metavar="NAME", help="Add a wrapper plugin.")
@acceptance_options("leaks", "duplicate-ids", "unlearnable")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Plan for it. Default: this machine's."
)
@click.option(
    "--memory",
    "gibibytes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="What it is to fit into. Default: what is free here.",
)
@click.option("--probe", is_flag=True, help="Run a few steps, where the weights are at hand.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in bytes.")
def command(
    name: str,
    data: Path | None,
    preset: str,
    model: str | None,
    max_length: int | None,
    assignments: tuple[str, ...],
    wrappers: tuple[str, ...],
    device: Device | None,
    gibibytes: float | None,
    probe: bool,
    as_json: bool,
    **acceptance: bool,
) -> None:
    """Say what a training will take: memory, steps, time, and what to change if it does not fit.

    No weights are loaded, but for --probe.

    \b
    Example:
      extract plan --plugin NAME --data corpus/
      extract plan --plugin NAME --preset llama-3.1-8b --device cuda --memory 24
    """
    from ..planning.plan import make_plan
    from ..plugins import load
    from ..runs.job import Order
    from ..settings import parse_assignments, resolve

    domain = load(name, wrappers)
    chosen = parse_assignments(assignments) | ({"model": model} if model else {})
    chosen |= {"max_length": max_length} if max_length else {}
    settings = resolve(preset, name, domain.settings(preset), chosen)
    require_positions(settings)
    known = accepted(acceptance)
    order = Order(domain, data, preset, settings, "leaks" in known)
    free = int(gibibytes * 2**30) if gibibytes else None
    plan = make_plan(order, device=device, free=free, probe=probe, accepted=known)
    if as_json:
        click.echo(json.dumps(plan.as_json(), ensure_ascii=False, indent=2))
    else:
        _print(plan)


def _print(plan: Plan) -> None:
    from rich.console import Console

    # Wide enough to be whole in a file or a pipe, where there is no terminal to ask.
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    memory, settings, batch = plan.memory, plan.settings, plan.batch
    click.echo(
        f"{plan.model}: {memory.parameters:,} parameters, {memory.trainable:,} trained, "
        f"{plan.precision} on {plan.device}"
    )
    console.print(_terms(memory))
    state, other = ("on", "off") if settings.activation_checkpointing else ("off", "on")
    click.echo(
        f"longest batch: {batch.rows} rows of {batch.length} tokens; activation checkpointing "
        f"{state} (with it {other}: {_mib(plan.toggled.step)} MiB)"
    )
    click.echo(
        f"of the working space the fused loss takes {_mib(memory.loss)} MiB "
        f"(whole logits in float32: {_mib(memory.logits)} MiB)"
    )
    asked = plan.asked
    click.echo(
        f"held-out documents: {asked.rows} prompts of up to {asked.length} tokens are answered at "
        f"once"
    )
    click.echo(_verdict(plan))
    if plan.changes:
        console.print(_changes(plan))
        click.echo("or a smaller model: extract plan --model MODEL says what it takes")
    work = plan.work
    click.echo(
        f"{work.steps:,} steps of {settings.batch_size} x {settings.accumulation} rows; an epoch "
        f"has {work.rows:,} rows, {work.tokens:,} tokens, {work.answer_tokens:,} of them with loss"
    )
    click.echo(_time(plan))
    for finding in plan.findings:
        click.echo(printable(finding.line))


def _terms(memory: Memory) -> Any:
    """Return what the peaks are made of as a table."""
    from rich.table import Table

    table = Table(title="memory at the peak", title_justify="left")
    table.add_column("")
    table.add_column("MiB", justify="right")
    table.add_column("")
    for label, size, what in (
        ("weights in 4 bit", memory.quantized, "half a byte each"),
        ("their constants", memory.constants, "about an eighth of a bit a weight"),
        ("weights as they are", memory.plain, "embeddings, norms, head"),
        ("adapter", memory.adapter, "float32"),
        ("gradients", memory.gradients, "of the adapter"),
        ("optimiser", memory.optimizer, "of the adapter"),
        ("activations", memory.activations, "kept for the backward pass"),
        ("working space", memory.working, "held for a moment"),
        ("mapped file", memory.mapped, "the model's; Linux drops it where memory is short"),
        ("runtime", memory.runtime, "kernels and code, beside the tensors"),
        ("total of a step", memory.step, ""),
        ("a copy that answers", memory.copy, "merged weights, where they are few"),
        ("answering", memory.answering, "keys and values, and prompts that are read"),
        ("total while answering", memory.scoring, "without gradients, activations, working space"),
    ):
        table.add_row(label, _mib(size), what)
    return table


def _verdict(plan: Plan) -> str:
    total, most = _mib(plan.memory.total), _mib(plan.most)
    span = f"{total} MiB"
    if plan.most > plan.memory.total:
        span += f", up to {most} with what glibc keeps of blocks that were given back"
    if plan.free is None:
        return f"{span}; nothing says what is free on {plan.device} (--memory GIB)"
    line = f"{plan.verdict}: {span}; {_mib(plan.free)} MiB to fit into"
    if plan.verdict == "tight":
        line += f"\nMALLOC_MMAP_THRESHOLD_=131072 in the environment holds it at {total}, slower"
    return line


def _changes(plan: Plan) -> Any:
    from rich.table import Table

    table = Table(title="what takes less", title_justify="left")
    for column in ("--set", "MiB", "fits", "at the cost of"):
        table.add_column(column, justify="right" if column.startswith("MiB") else "left")
    for change in plan.changes:
        fits = "" if plan.free is None else "yes" if change.total <= plan.free else "no"
        words = " ".join(f"{key}={_word(value)}" for key, value in change.settings.items())
        table.add_row(words, _mib(change.total), fits, change.cost)
    return table


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _time(plan: Plan) -> str:
    if plan.probe is None:
        return f"time: {plan.probe_note}"
    minutes = plan.probe.seconds / 60
    return (
        f"time: about {minutes:,.1f} minutes without scoring, at {plan.probe.seconds_a_step:.2f} s "
        f"a step (measured over {plan.probe.steps} steps)"
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f}" if size >= 10 * 2**20 else f"{size / 2**20:,.1f}"
