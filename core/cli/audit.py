"""``extract audit``: what the model will see of a data set, and what it will not."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..data import SPLITS
from ..dataset.issues import FLAGS
from .lengths import max_length_option, require_positions
from .options import acceptance_options, accepted

if TYPE_CHECKING:
    from ..windows.rows import DocumentRows


@click.command("audit")
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
@click.option("--model", metavar="MODEL", help="A hub id or a folder; only its tokenizer is read.")
@max_length_option
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set one setting.")
@click.option("--with", "wrappers", multiple=True, metavar="NAME", help="Add a wrapper plugin.")
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    default="train",
    show_default=True,
    help="The documents to look at one by one.",
)
@acceptance_options(*FLAGS)
@click.option("--show", metavar="ID", help="Show one document as the model reads it, and no more.")
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the conversations that training reads, as JSONL.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with what became of each leaf.")
@click.pass_context
def command(
    context: click.Context,
    /,
    name: str,
    data: Path | None,
    preset: str,
    model: str | None,
    max_length: int | None,
    assignments: tuple[str, ...],
    wrappers: tuple[str, ...],
    split: str,
    show: str | None,
    export: Path | None,
    as_json: bool,
    **acceptance: bool,
) -> None:
    """Say what the model will see of a data set, and what it will not, before any training.

    No weights are loaded. Exits with 1 where training would be unsound.

    \b
    Example:
      extract audit --plugin NAME --data corpus/
      extract audit --plugin NAME --data corpus/ --show 42
      extract audit --plugin NAME --data corpus/ --export chat.jsonl
    """
    if show is not None and (export is not None or as_json):
        raise click.UsageError("--show goes with neither --export nor --json")
    from ..dataset.audit import audit, fates, look_at
    from ..dataset.chat_export import conversations
    from ..dataset.loading import read_splits
    from ..files import jsonl_writer, write_lines
    from ..model.loading import load_tokenizer, quieten
    from ..model.prompts import PromptFormat
    from ..plugins import load
    from ..progress import meter
    from ..settings import parse_assignments, resolve
    from .audit_tables import print_audit, print_document

    quieten()
    plugin = load(name, wrappers)
    chosen = parse_assignments(assignments) | ({"model": model} if model else {})
    chosen |= {"max_length": max_length} if max_length else {}
    resolved = resolve(preset, name, plugin.settings(preset), chosen)
    require_positions(resolved)
    settings = resolved.values
    splits, _hash = read_splits(plugin, data, allow_leaks=True)
    prompts = PromptFormat(load_tokenizer(settings))
    if show is not None:
        print_document(look_at(splits, show, plugin, prompts, settings), prompts)
        return
    with ExitStack() as stack:
        chat = leaves = None
        if export:
            chat = stack.enter_context(jsonl_writer(export))
        if as_json:  # of a large corpus, what became of each leaf is more than memory should hold
            leaves = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
        progress = stack.enter_context(meter("reading", len(getattr(splits, split)), "documents"))

        def visit(made: DocumentRows) -> None:
            if chat:
                write_lines(chat, conversations(made))
            if leaves:
                write_lines(leaves, (fate.as_json() for fate in fates(made)))
            progress.advance()

        result = audit(splits, plugin, prompts, settings, accepted(acceptance), visit, split)
        if leaves:
            told = {"plugin": name, "data": str(data) if data else None}
            _print_json(told | result.as_json(), leaves)
    if not as_json:
        print_audit(result, prompts)
    context.exit(0 if result.is_sound else 1)


def _print_json(report: dict[str, Any], leaves: TextIO) -> None:
    """Print one JSON object, its last entry a list of JSON lines that stand in a file."""
    click.echo(json.dumps(report, ensure_ascii=False)[:-1] + ', "leaves": [', nl=False)
    leaves.seek(0)
    for number, line in enumerate(leaves):
        sys.stdout.write(f"{',' if number else ''}\n{line.rstrip()}")
    click.echo("\n]}")
