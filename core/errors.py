"""Errors that a user can act on; the command line prints each as one line.

FieldsmithError
├── InputError        a file, row or field of the user's data
│   └── UnknownFormatError   a source in no format that the plugin reads
├── OutputError       a path that cannot be written
├── PluginError       a plugin that cannot be found, loaded or used
│   └── SchemaError   a schema that answers cannot be held to
├── GrammarError      a grammar that does not compile, or that fails while it is used
├── SettingsError     a setting, a preset or a model that does not fit
├── RunError          a run folder that is none, or does not fit what is asked of it
└── LeakError         documents that stand on both sides of a split

Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FieldsmithError(Exception):
    """Base of all expected errors; the message says what is wrong, where, and what to do."""


class InputError(FieldsmithError):
    """The user's data cannot be read; names the file and, where there is one, the row."""


class UnknownFormatError(InputError):
    """A source is in no format that the plugin reads; the core may try its own formats."""


class OutputError(FieldsmithError):
    """A path cannot be written."""


class PluginError(FieldsmithError):
    """A plugin cannot be found, imported or used; names the plugin and its distribution."""


class SchemaError(PluginError):
    """Answers cannot be held to a schema; names the place in it, the keyword and what to do."""


class GrammarError(FieldsmithError):
    """A grammar does not compile or fails in use; nothing is generated without it."""


class SettingsError(FieldsmithError):
    """A setting, preset or model is unknown or does not fit the others."""


class RunError(FieldsmithError):
    """A run folder is not one, is incomplete, or does not fit what is asked of it."""


class LeakError(FieldsmithError):
    """Documents stand on both sides of a split."""


def did_you_mean(name: str, known: Iterable[str], see: str = "") -> str:
    """Suggest the known name that is closest to ``name``, and list the known names.

    Args:
        name: what was written.
        known: the names that exist.
        see: a page that lists the known names; it is named in place of a list.

    >>> did_you_mean("recieps", ["invoices", "recipes"])
    'did you mean recipes? Known: invoices, recipes'
    >>> did_you_mean("recieps", ["invoices", "recipes"], see="docs/recipes.md")
    'did you mean recipes? See docs/recipes.md'
    """
    names = sorted(known)
    listing = f"See {see}" if see else f"Known: {', '.join(names)}" if names else "None is known"
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}? {listing}" if close else listing


def shortened(value: object, width: int = 60) -> str:
    """Return a value as Python writes it, cut to a length that suits a message."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"


class OutOfMemoryError(RunError):
    """The memory did not hold a training; its run can be gone on with."""
