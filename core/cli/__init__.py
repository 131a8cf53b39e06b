"""The command line ``extract``.

Each command has a module of its name, which parses, calls one function and prints. Modules are
imported when their command runs, so that ``extract --help`` is fast. Only ``main`` turns an
expected error into one line on stderr.

- ``options``: options that several commands share
- ``training_options``: options of a training, and the job that they describe; ``process_options``:
  of one by several processes
- ``engines``: options that name what answers in place of our decoder
- ``zero_shot``: options of a prediction or an evaluation without a run
- ``terminal``: safe text, coloured states, consoles and tables
- ``audit_tables``, ``plan_tables``, ``plugin_tables``, ``report_tables``, ``score_tables``: print
  results
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import NoReturn

import click

from .. import __version__
from ..errors import FieldsmithError, did_you_mean
from ..parallel.environment import is_launched
from ..plugin_code.calls import plugins_on_a_terminal
from ..progress import log_to_stderr
from .terminal import printable

COMMANDS: Mapping[str, str] = {
    "plugins": "List the installed plugins, or show one.",
    "new": "Create the project of a new plugin.",
    "check": "Check that a plugin keeps its contract.",
    "fetch": "Fetch documents from a source that a plugin names.",
    "label": "Let a large model label documents.",
    "next": "Choose which documents to label next.",
    "audit": "Check a data set before training.",
    "plan": "Estimate memory and steps of a training.",
    "base": "Make the folder of a pretrained model without a hub.",
    "train": "Fine-tune a model on a plugin's data.",
    "recover": "Make a run of a training that has not ended.",
    "evaluate": "Score a run by field.",
    "cases": "Check that a run finds what it must in your own texts.",
    "report": "Show a run's results (terminal, HTML, PNG, JSON).",
    "interference": "Compare domains trained together with each alone.",
    "track": "Send what a run holds to experiment trackers.",
    "predict": "Extract records from documents.",
    "export": "Convert a predictions file.",
    "review": "Accept, correct or reject labelled documents in a browser.",
    "merge": "Make a plain model folder of a run.",
    "push": "Upload a run's model to the Hugging Face hub.",
    "serve": "Answer documents by HTTP, with a page for people.",
    "engine-check": "Compare a server's answers with those of a run.",
    "doctor": "Show what works on this machine.",
}
"""Each command with its line in ``extract --help``; the module of the same name defines it, with an
underscore for a hyphen."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of a disk that is full, or of a limit on what may be written."""

INTERRUPTED = 130
"""Exit code of a command that was ended by Ctrl-C, as shells report it."""


@dataclass
class _Flags:
    """What the options before the command's own were set to, and the whole command line."""

    debug: bool = False
    arguments: Sequence[str] = field(default_factory=list)


def _debug(context: click.Context, _option: click.Parameter, given: bool) -> None:
    context.ensure_object(_Flags).debug |= given


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_debug,
        help="Print the traceback of an error, too.",
    )


class _Commands(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name.replace('-', '_')}", __name__).command
        if not any(option.name == "debug" for option in command.params):
            command.params.append(_debug_option())
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

    The exit code is 0, or 1 for an expected error, 2 for wrong usage and 130 after Ctrl-C. An
    unexpected error is a bug and keeps its traceback; ``--debug`` prints that of an expected one.
    """
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except Exception as error:
        line = printable(traceback.format_exception_only(error)[-1].strip())
        _report(error, line, 1, expected=False)
        if not is_launched():
            raise
        code = 1
    if code and is_launched():
        # The others may wait for this process, and it for them as it closes its connections.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(arguments: Sequence[str]) -> int:
    flags = _Flags(arguments=arguments)
    try:
        with log_to_stderr(), plugins_on_a_terminal():
            code = cli.main(arguments, prog_name="extract", standalone_mode=False, obj=flags)
        sys.stdout.flush()
    except FieldsmithError as error:
        if flags.debug and not is_launched():
            traceback.print_exception(error)
        return _fail(error, printable(error))
    except click.ClickException as error:
        if not is_launched():
            error.show()
            return error.exit_code
        return _fail(error, printable(error.format_message()), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("extract: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe, as in `extract plugins | head -1`. Python flushes again at
        # exit, which would print an error unless standard output leads nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # What is not told by the code that writes a file: standard output, or a temporary file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(error, f"cannot be written ({error.strerror})")
    # click returns the code of ctx.exit(), or else the command's own return value.
    return code if isinstance(code, int) else 0


def _fail(error: Exception, line: str, code: int = 1) -> int:
    """Print an expected error, unless what started this process does; return the exit code."""
    if printed := _report(error, line, code, expected=True):
        click.echo(f"extract: error: {printed}", err=True)
    return code


def _report(error: Exception, line: str, code: int, *, expected: bool) -> str:
    from ..parallel.failures import Failure, report

    trace = "".join(traceback.format_exception(error))
    return report(Failure(line, trace, expected, code))


cli.params.append(_debug_option())
