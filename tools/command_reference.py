"""Write docs/commands.md: every command with its options, from the command line's own help.

    python tools/command_reference.py

The same bytes each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from fieldsmith.cli import COMMANDS, cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"

_EVERYWHERE = ("debug", "help")
"""Options that each command has; the head of the page has them."""

_HEAD = """\
<!-- made by tools/command_reference.py: do not edit -->

# Commands

What `extract COMMAND --help` prints, on one page. Exit codes: 0; 1 for an expected error, which is
one line on standard error, and where a check does not hold; 2 for wrong usage; 130 after Ctrl-C.
Each command also has `--help`, and `--debug`, which prints the traceback of an expected error, too;
a bug always keeps its own. [Settings](settings.md) are what `--set` changes.
"""


def reference() -> str:
    """Return the page."""
    with cli.make_context("extract", ["plugins"]) as context:
        return "\n".join([_HEAD, *_list(), *(_section(name, context) for name in COMMANDS)])


def _list() -> Iterator[str]:
    yield "| command | what it does |\n|---|---|"
    for name, what in COMMANDS.items():
        yield f"| [`extract {name}`](#extract-{name}) | {what} |"
    yield ""


def _section(name: str, context: click.Context) -> str:
    command = cli.get_command(context, name)
    assert command is not None
    with command.make_context(name, [], context, resilient_parsing=True) as inner:
        usage = " ".join(["extract", name, *command.collect_usage_pieces(inner)])
        options = [option for option in command.params if option.name not in _EVERYWHERE]
        records = [option.get_help_record(inner) for option in options]
    said = cleandoc(command.help or "")
    parts = [f"## extract {name}", f"```text\n{usage}\n```", *_paragraphs(said)]
    table = ["| option | meaning |", "|---|---|"]
    table += [
        f"| `{_cell(names)}` | {_cell(' '.join(meaning.split()))} |"
        for names, meaning in filter(None, records)
        if meaning
    ]
    return "\n\n".join([*parts, "\n".join(table)]) + "\n"


def _paragraphs(said: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; what keeps its lines becomes a block."""
    for paragraph in said.split("\n\n"):
        if paragraph.startswith("\b"):
            yield "```text\n" + "\n".join(_without_title(paragraph.splitlines()[1:])) + "\n```"
        else:
            yield paragraph


def _without_title(lines: list[str]) -> list[str]:
    return [line.removeprefix("  ") for line in lines if line != "Example:"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
