"""``extract review``: decide on labelled documents in a browser, and compare two reviewers."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..source_names import parse_names
from .options import PATH, json_option, map_option
from .terminal import console, printable, table

if TYPE_CHECKING:
    from ..plugins import Plugin
    from ..review.agreement import Agreement

_NAME = re.compile(r"[\w.@-]{1,64}")


def _reviewer(_context: click.Context, _option: click.Parameter, given: str | None) -> str:
    name = given or getpass.getuser()
    if not _NAME.fullmatch(name):
        raise click.BadParameter(f"{name!r}: letters, digits, and . _ - @, 64 at most")
    return name


@click.command("review")
@click.argument("source", type=PATH, metavar="FILE")
@click.option("--plugin", required=True, metavar="NAME", help="Whose records they are.")
@click.option(
    "--output",
    type=PATH,
    metavar="FILE",
    help="What is decided, a row for each document. Default: beside FILE, named with the reviewer. "
    "With --compare: the documents that both decided differently. With --apply: all documents.",
)
@click.option(
    "--reviewer", callback=_reviewer, metavar="NAME", help="Who decides. Default: your user name."
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="Show N of the documents, drawn at random; the same ones each time.",
)
@click.option(
    "--port",
    default=8001,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 for any that is free.",
)
@click.option(
    "--compare",
    type=PATH,
    metavar="FILE",
    help="Do not review: compare FILE, a reviewer's output, with that of another one.",
)
@click.option(
    "--apply",
    "reviewed",
    type=PATH,
    metavar="FILE",
    help="Do not review: write all rows of FILE to --output, those that a review (this file) "
    "decided as it did.",
)
@click.option(
    "--as-test",
    is_flag=True,
    help="With --apply: what was reviewed becomes the test split, the rest train and validation.",
)
@click.option(
    "--export",
    "tool",
    type=click.Choice(["prodigy", "label-studio", "brat", "pubtator"]),
    help="Do not review: write the documents to --output for that tool, values marked as spans. "
    "brat gets a folder. What it writes is read by --data and as FILE.",
)
@map_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    source: Path,
    plugin: str,
    output: Path | None,
    reviewer: str,
    sample: int | None,
    port: int,
    compare: Path | None,
    reviewed: Path | None,
    as_test: bool,
    tool: str | None,
    mapping: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show each document beside its record in a browser: accept it, correct it, or reject it.

    FILE has rows of a text and a record, such as `extract label` writes. The page is for this
    machine alone and works by keyboard: A accepts, R rejects, J and K go on and back, M sets the
    value under the focus to the text that is marked, E edits it, Delete removes it. Each decision
    is saved at once: stopped at any moment, the same command goes on. What is accepted is checked
    by the schema and against the document. It needs the extra 'serve'.

    The output has a row for each document that is decided, which `extract train --data` reads, and
    says who decided what, and when. --apply joins it with the rows that were not reviewed.
    --compare prints Cohen's kappa of two reviewers by field.

    \b
    Example:
      extract review labels.jsonl --plugin NAME
      extract review labels.jsonl --plugin NAME --reviewer ann --sample 50
      extract review labels.jsonl --plugin NAME --apply labels.ann.jsonl --output checked.jsonl
      extract review labels.ann.jsonl --plugin NAME --compare labels.bob.jsonl
      extract review labels.jsonl --plugin NAME --export label-studio --output tasks.json
      extract review labels.jsonl --plugin NAME --export brat --output FOLDER
    """
    _require_together(context)
    from ..plugins import load

    chosen = load(plugin, names=parse_names(mapping))
    if tool and output is not None:
        _export(chosen, source, tool, output)
    elif reviewed is not None and output is not None:
        _apply(chosen, source, reviewed, output, as_test=as_test)
    elif compare is not None:
        _compare(chosen, source, compare, output, as_json=as_json)
    else:
        _review(chosen, source, output or _beside(source, reviewer), reviewer, sample, port)


def _require_together(context: click.Context) -> None:
    """Refuse options that exclude or need each other.

    Raises:
        click.UsageError: says which.
    """
    given = context.params
    others = [
        option
        for option, name in (("apply", "reviewed"), ("compare", "compare"), ("export", "tool"))
        if given[name] is not None
    ]
    if len(others) > 1:
        raise click.UsageError("--apply, --compare and --export exclude each other")
    for name in ("sample", "port", "reviewer") if others else ():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} is for reviewing alone")
    if others in (["apply"], ["export"]) and given["output"] is None:
        raise click.UsageError(f"--{others[0]} wants --output")
    if given["as_test"] and "apply" not in others:
        raise click.UsageError("--as-test wants --apply")
    if given["as_json"] and "compare" not in others:
        raise click.UsageError("--json wants --compare")


def _beside(source: Path, reviewer: str) -> Path:
    stem = source.name.removesuffix(source.suffix) if source.is_file() else source.name
    return source.with_name(f"{stem}.{reviewer}.jsonl")


def _review(
    plugin: Plugin, source: Path, output: Path, reviewer: str, sample: int | None, port: int
) -> None:
    from ..files import refuse_input, require_output
    from ..files.locks import locked
    from ..progress import say
    from .serve import require_installed

    require_installed()
    from ..dataset.set_aside import SetAside
    from ..review.app import serve_review
    from ..review.decisions import Reviews

    refuse_input(output, source)
    require_output(output)
    with locked(output, "another process reviews into it; wait for it, or choose another --output"):
        reviews = Reviews(plugin, source, output, reviewer, sample)
        SetAside.of(reviews.rejects).say(source)

        def say_address(address: str) -> None:
            decided = sum(item.review is not None for item in reviews.items)
            say(f"{decided} of {len(reviews.items)} documents are decided")
            say(f"reviewing at {address}; Ctrl-C ends it")

        serve_review(reviews, port, say_address)
    click.echo(printable(str(output)))


def _apply(plugin: Plugin, source: Path, reviewed: Path, output: Path, *, as_test: bool) -> None:
    from ..dataset.set_aside import SetAside
    from ..errors import InputError
    from ..files import refuse_input, write_jsonl
    from ..progress import say
    from ..review.decisions import Reviews

    for each in (source, reviewed):
        refuse_input(output, each)
    if not reviewed.is_file():
        raise InputError(f"{reviewed}: there is no such file; name what `extract review` wrote")
    reviews = Reviews(plugin, source, reviewed, reviewer="")
    SetAside.of(reviews.rejects).say(source)
    rows = list(reviews.rows(reviewed_are_test=as_test))
    write_jsonl(output, rows)
    decided = sum(item.review is not None for item in reviews.items)
    say(f"{output}: {len(rows)} documents, {decided} of them as they were reviewed")
    if copies := len(reviews.items) - len(rows):
        say(f"{copies} copies of texts that were reviewed are left out")
    click.echo(printable(str(output)))


def _export(plugin: Plugin, source: Path, tool: str, output: Path) -> None:
    from ..data import Example
    from ..dataset.loading import read_examples
    from ..files import refuse_input
    from ..progress import say
    from ..review.exchange import export

    refuse_input(output, source)
    rejects: list[str] = []

    def examples() -> Iterator[Example]:
        for row in read_examples(plugin, source, with_proposals=True):
            if isinstance(row, Example):
                yield row
            else:
                rejects.append(f"{row.place}: {row.reason}")

    count, notes = export(examples(), plugin.schema, tool, output)
    if rejects:
        say(f"{len(rejects)} rows cannot be exported; the first: {rejects[0]}")
    for (field, note), values in sorted(notes.items()):
        say(f"{printable(field)}: {values} {note}")
    say(f"{output}: {count} documents")


def _compare(plugin: Plugin, one: Path, other: Path, output: Path | None, *, as_json: bool) -> None:
    from ..files import refuse_input, write_jsonl
    from ..review.agreement import agreement

    found = agreement(one, other, plugin.schema)
    if output is not None:
        for each in (one, other):
            refuse_input(output, each)
        write_jsonl(output, found.conflicts)
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2))
    else:
        _print_agreement(found)


def _print_agreement(found: Agreement) -> None:
    click.echo(
        f"{found.documents} documents decided by both, {found.alone} by one alone; "
        f"{len(found.conflicts)} decided differently"
    )
    rows = table("", "field", "values", "agreed", "kappa", "F1")
    for name, field in found.fields.items():
        kappa, f1 = ("–" if each is None else f"{each:.3f}" for each in (field.kappa, field.f1))
        rows.add_row(printable(name), str(field.values), str(field.agreed), kappa, f1)
    console().print(rows)
