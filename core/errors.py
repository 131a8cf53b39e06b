"""Errors that a user can act on; the command line prints each as one line.

FieldsmithError
├── InputError        a file, row or field of the user's data is wrong
│   └── UnknownFormatError   a source is in no format that the plugin reads
├── OutputError       a path cannot be written
│   └── StorageError         a training cannot write its run any more
├── PluginError       a plugin cannot be found, loaded or used
│   └── SchemaError   decoding cannot enforce a schema
├── EngineError       a server that answers is not reached any more
├── BudgetError       what may be spent is spent
├── HubError          the hub of models refuses something, or is not reached
├── FetchError        a document or a listing cannot be fetched
│   ├── IncompleteError      what came is not whole; it is asked for again
│   └── ListingExpiredError  the next page of a listing is not given any more; it begins anew
├── GrammarError      a grammar does not compile, or fails in use
├── SettingsError     a setting, a preset or a model does not fit
├── ProcessError      a process of a training on several has failed
├── RunError          a folder is not a complete run, or does not fit the request
│   ├── OutOfMemoryError     a training ran out of memory
│   └── DivergedError        what was trained was not saved as it has to be
└── LeakError         documents are in more than one split

Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FieldsmithError(Exception):
    """Base of all expected errors; the message says what is wrong, where, and what to do."""


class InputError(FieldsmithError):
    """The user's data cannot be read; names the file and, if there is one, the row."""


class UnknownFormatError(InputError):
    """A source is in no format that the plugin reads; the core may try its own formats."""


class OutputError(FieldsmithError):
    """A path cannot be written."""


class StorageError(OutputError):
    """A training cannot write its run any more; it can be resumed."""


class PluginError(FieldsmithError):
    """A plugin cannot be found, imported or used; names the plugin and its distribution."""


class SchemaError(PluginError):
    """Decoding cannot enforce a schema; names the place in it, the keyword and what to do."""


class EngineError(FieldsmithError):
    """What answers prompts, a server or a process, is not reached; the command can be repeated."""


class BudgetError(FieldsmithError):
    """The budget of a labelling is spent; the command can be repeated with a larger one."""


class HubError(FieldsmithError):
    """The hub of models refuses something, or is not reached; says what to do."""


class FetchError(FieldsmithError):
    """Something cannot be fetched; names its address and the reason."""


class IncompleteError(FetchError):
    """What a server sent is not whole, or not yet what was asked for: it is asked for again."""


class ListingExpiredError(FetchError):
    """A server gives the next page of a listing no longer: the source lists its documents anew."""


class GrammarError(FieldsmithError):
    """A grammar does not compile or fails in use; nothing is generated without it."""


class SettingsError(FieldsmithError):
    """A setting, preset or model is unknown or does not fit the others."""


class ProcessError(FieldsmithError):
    """A process of a training on several has failed; names the process and its error."""


class RunError(FieldsmithError):
    """A folder is not a complete run, or does not fit the request."""


class OutOfMemoryError(RunError):
    """A training ran out of memory; it can be resumed."""


class DivergedError(RunError):
    """What was trained has numbers that are not finite, or never changed; its folder stays."""


class LeakError(FieldsmithError):
    """Documents are in more than one split."""


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
    """Return the ``repr`` of a value, cut to ``width`` characters for a message."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"
