"""The hooks of a plugin: the contract between a domain and the core.

A plugin is a module that implements the four required hooks with ``@fieldsmith.hookimpl`` and
is named by an entry point of the group ``extract.plugins``. All hooks are ``firstresult``. No
argument has a default or is keyword-only, because versions of pluggy differ in how they pass those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pluggy

from .data import Counts, Document, Example, Message, Prediction, Record, Reject, Schema
from .fetch_source import FetchSource

PROJECT = "extract"
"""Name of the pluggy project; the prefix of every hook."""

ENTRY_POINT_GROUP = "extract.plugins"

REQUIRED = ("extract_schema", "extract_prompt", "extract_load", "extract_metric")

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def extract_schema() -> Schema:
    """Return the JSON Schema (2020-12) of one record.

    Called once, when the plugin is loaded. The root is an object; its keys are trained and
    generated in the order of ``properties``. The core reads these annotations of a field:

    - ``x-source``: ``verbatim`` (the string must occur in the document) or ``inferred``
    - ``x-key``: on an array's items, the properties that identify an object: two objects with
      equal ones are the same
    - ``x-normalise``: the steps that normalise a string before it is scored
    - ``x-score``: how ``fieldsmith.field_counts`` compares the field
    """


@hookspec(firstresult=True)
def extract_prompt(document: Document, schema: Schema) -> list[Message]:
    """Return the messages that ask for the record of ``document``.

    Called for every window, in training, evaluation and prediction alike; this is the only place
    where a prompt is made. It may depend on its arguments only, and must not contain the answer.

    Args:
        document: the window to read, as a document: its id, text and metadata.
        schema: what ``extract_schema`` returned.

    Returns:
        The conversation up to the answer, which the model writes as the assistant's next message.
    """


@hookspec(firstresult=True)
def extract_load(source: Path | None, names: Mapping[str, str]) -> Iterable[Example | Reject]:
    """Yield the examples of a source, lazily and in a fixed order.

    Called by ``train``, ``evaluate`` and ``predict``. A row that cannot be read becomes a
    ``Reject`` with its place and the reason, and with the document if its text can be read.

    Args:
        source: a file or folder, or None for the sample that comes with the plugin.
        names: what ``--map`` says: the name of a key or of a type of annotations in the source ->
            the field of the record, or ``id``, ``text``, ``split``, ``url``, that it stands for.
            Look up each name that the source has (``names.get(name)``): one that is never looked
            up is reported as missing. Files that the core reads are mapped by the core. A loader
            for files without such names need not take this argument.

    Raises:
        fieldsmith.InputError: the source as a whole cannot be read.
        fieldsmith.UnknownFormatError: the source is in a format that the plugin does not read.
    """


@hookspec(firstresult=True)
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Return (matched, predicted, gold) by name for ONE document.

    Called once for each scored document. The core sums the counts, computes precision, recall and
    F1, and resamples documents for confidence intervals. Return the same names for every document.

    Args:
        example: the document with its gold record, as loaded.
        prediction: what the model answered; its record is None if there was no valid answer.
        schema: what ``extract_schema`` returned.
    """


@hookspec(firstresult=True)
def extract_brief_prompt(document: Document, schema: Schema) -> list[Message]:
    """Return the prompt for models of a few million parameters. Optional.

    Called in place of ``extract_prompt`` if the setting ``prompt`` is ``brief``, as it is in the
    preset ``embedded``. Without this hook the model gets what ``extract_prompt`` returns. A model
    this small learns the fields from examples, so ``fieldsmith.ask_for_fields`` is enough.

    Args:
        document: the window to read, as a document.
        schema: what ``extract_schema`` returned.
    """


@hookspec(firstresult=True)
def extract_settings(preset: str) -> dict[str, object]:
    """Return the domain's own defaults under a preset, by setting name. Optional.

    They override the preset, and the user's ``--set`` overrides them: how the domain's documents
    are cut into windows, how long these are, which metric names make up ``score``.

    Args:
        preset: the name of the preset in use ("embedded", "llama-3.2-3b", …). Without one, a model
            that is named gets "causal", or "causal-small" under half a billion parameters;
            ``fieldsmith.SMALL_PRESETS`` holds all names for models of that size.
    """


@hookspec(firstresult=True)
def extract_export(records: Mapping[str, Record], format: str) -> str:
    """Return records as a file of a format of the domain. Optional.

    Called by ``extract export`` for every format but the core's own ``jsonl``. The same records
    give the same text.

    Args:
        records: by the id of their document, in the order of the predictions.
        format: the value of ``--format``.

    Raises:
        fieldsmith.UnknownFormatError: the domain has no such format; names those that it has.
    """


@hookspec(firstresult=True)
def extract_fetch() -> Mapping[str, FetchSource]:
    """Return the sources that documents can be fetched from, by name. Optional.

    Called by ``extract fetch NAME``. A source lists documents with the addresses of their files;
    the core waits between requests, asks again where there is no answer, keeps robots.txt, and
    writes the files, so that ``extract_load`` can read their folder.
    """
