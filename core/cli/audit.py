"""``extract audit``: check a data set before training."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..data import FLAGS, SPLITS
from .options import json_option
from .terminal import printable
from .training_options import TrainingOptions, training_options

if TYPE_CHECKING:
    from ..windows.rows import DocumentWindows


@click.command("audit")
@training_options(*FLAGS)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    default="train",
    show_default=True,
    help="The split whose documents are cut into windows and counted.",
)
@click.option("--show", metavar="ID", help="Only show one document as the model reads it.")
@click.option(
    "--export",
    "export_name",
    type=click.Path(),
    metavar="PATH",
    help="Write the conversations that training reads: to a file those of the split, or to a "
    "folder (a path without a suffix, or with a slash at the end) those of train, validation and "
    "test, in place of those of an earlier export.",
)
@click.option(
    "--export-format",
    type=click.Choice(["jsonl", "json"]),
    help="The files in a folder: a conversation per line, or a JSON list. A file has the format "
    "of its suffix. Default: jsonl.",
)
@json_option
def command(
    options: TrainingOptions,
    split: str,
    show: str | None,
    export_name: str | None,
    export_format: str | None,
    as_json: bool,
) -> int:
    """Check a data set before training: what the model reads and learns, and what is lost.

    No weights are loaded. Exits with 1 if training would be unsound.

    \b
    Example:
      extract audit --plugin NAME --data corpus/
      extract audit --plugin NAME --data corpus/ --show 42
      extract audit --plugin NAME --data rows.csv --map body=text --map headline=title
      extract audit --plugin NAME --data corpus/ --export chat.jsonl
      extract audit --plugin NAME --data corpus/ --export chat/ --export-format json
    """
    from ..dataset.chat_export import is_folder, open_chat, stale_files

    export = Path(export_name) if export_name else None
    to_folder = export_name is not None and is_folder(export_name)
    if export_format and not to_folder:
        raise click.UsageError("--export-format is for --export to a folder")
    if show is not None and (export is not None or as_json):
        raise click.UsageError("--show excludes --export and --json")
    from ..dataset.audit import audit, document_windows
    from ..dataset.leaf_outcomes import leaf_outcomes
    from ..dataset.loading import read_splits
    from ..dataset.readers import reader_of
    from ..files import refuse_input, write_lines, writing
    from ..model.library_output import quieten
    from ..model.prompts import PromptFormat
    from ..model.tokenizer import load_tokenizer
    from ..progress import meter, say
    from ..windows.rows import stream_rows
    from .audit_tables import print_audit, print_document

    options.require_one_plugin()
    if export and options.data:
        refuse_input(export, options.data)
    quieten()
    job = options.job()
    splits, _hash = read_splits(job.plugin, job.source, allow_leaks=True, ratio=job.ratio)
    reader = reader_of(job.plugin, job.source)
    task = job.task(PromptFormat(load_tokenizer(job.settings.values)))
    if show is not None:
        print_document(document_windows(splits, show, task), task.prompts)
        return 0
    stale: list[Path] = []
    with ExitStack() as stack:
        leaves = None
        exports = {}
        if export and to_folder:
            held = [name for name in SPLITS if getattr(splits, name)]
            files = {name: export / f"{name}.{export_format or 'jsonl'}" for name in held}
            stale = stale_files(export, files.values())
            if options.data:
                for file in (*files.values(), *stale):
                    refuse_input(file, options.data)
            exports = {n: stack.enter_context(open_chat(file)) for n, file in files.items()}
        elif export:
            exports = {split: stack.enter_context(open_chat(export))}
        if as_json:  # the leaves of a large corpus may not fit into memory
            leaves = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
        read = sum(len(getattr(splits, name)) for name in {split, *exports})
        progress = stack.enter_context(meter("reading", read, "documents"))

        def visit(document: DocumentWindows) -> None:
            if split in exports:
                exports[split](document)
            if leaves:
                write_lines(leaves, (outcome.as_json() for outcome in leaf_outcomes(document)))
            progress.advance()

        result = audit(splits, task, options.accepted, visit, split)
        for name in exports.keys() - {split}:
            for document in stream_rows(getattr(splits, name), task):
                exports[name](document)
                progress.advance()
        if leaves:
            data = str(options.data) if options.data else None
            known = {"plugin": job.plugin.name, "data": data, "reader": reader}
            _print_json(known | result.as_json(), leaves)
    for file in stale:
        with writing(file):
            file.unlink()
        say(f"{file}: removed; it is of an earlier export")
    if not as_json:
        click.echo(f"read by {printable(reader)}")
        print_audit(result)
    return 0 if result.is_sound else 1


def _print_json(report: dict[str, Any], leaves: TextIO) -> None:
    """Print one JSON object whose last entry is a list of the JSON lines of a file."""
    click.echo(json.dumps(report, ensure_ascii=False)[:-1] + ', "leaves": [', nl=False)
    leaves.seek(0)
    for number, line in enumerate(leaves):
        sys.stdout.write(f"{',' if number else ''}\n{line.rstrip()}")
    click.echo("\n]}")
