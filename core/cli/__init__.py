"""The command line ``extract``: parse, call one function, print.

Commands are imported when they are run, so that ``extract --help`` answers at once. This is the
one place where an expected error becomes a line on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

import click

from .. import __version__
from ..errors import FieldsmithError, did_you_mean

COMMANDS: Mapping[str, str] = {
    "plugins": "List the installed plugins, or show one.",
    "new": "Write the project of a new plugin.",
    "check": "Say whether a plugin keeps to its contract.",
    "audit": "Say what the model will see of a data set.",
    "plan": "Say what a training will take.",
    "train": "Fine-tune a model on a plugin's data.",
    "evaluate": "Score a run by field.",
    "report": "Say what a run came to, also as a page.",
    "predict": "Turn documents into records.",
    "export": "Write predictions in another format.",
    "doctor": "Say what will work on this machine.",
}
"""Each command with its line in ``extract --help``; the module of the same name holds it."""

INTERRUPTED = 130
"""What a shell reports for a command that Ctrl-C ended."""


class _Commands(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __name__).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise click.UsageError(
                f"no command is called {name!r}; {did_you_mean(name, COMMANDS)}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="extract", message="%(prog)s (fieldsmith) %(version)s")
def cli() -> None:
    """Fine-tune a language model to turn documents into JSON records, and use it.

    \b
    Example:
      extract train --plugin NAME --output runs/first
      extract evaluate runs/first
      extract predict runs/first notes.txt
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    The exit code is 0, or 1 for an expected error, 2 for wrong usage and 130 after Ctrl-C; an
    error that nobody expected is a bug and keeps its traceback.
    """
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="extract", standalone_mode=False)
        sys.stdout.flush()
    except FieldsmithError as error:
        click.echo(f"extract: error: {printable(str(error))}", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("extract: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as in `extract plugins | head -1`. Python flushes once more at its
        # exit: let that go nowhere, or it complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    # click answers with the code of ctx.exit(), and with what a command returns, which is None.
    return code if isinstance(code, int) else 0


def printable(text: str, *, keep: str = "") -> str:
    """Return text that a terminal can show as it stands, control characters escaped.

    A document's text could move the cursor or set the title of the user's terminal.

    keep: control characters that may stand, such as the line breaks of a longer text.

    >>> printable("one line\\n\\x1b[2J")
    'one line\\\\n\\\\x1b[2J'
    """
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )
