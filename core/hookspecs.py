"""The hooks of a plugin: the contract between a domain and the core.

A plugin is a module that implements the four required hooks with ``@fieldsmith.hookimpl`` and
is named by an entry point of the group ``extract.plugins``. All hooks are ``firstresult``; no
argument has a default, and none is keyword-only, since pluggy's versions treat those differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pluggy

from .data import Counts, Document, Example, Message, Prediction, Record, Reject, Schema

PROJECT = "extract"
"""Name of the pluggy project; the prefix of every hook."""

ENTRY_POINT_GROUP = "extract.plugins"

REQUIRED = ("extract_schema", "extract_prompt", "extract_load", "extract_metric")

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def extract_schema() -> Schema:
    """Return the JSON Schema (2020-12) of one record.

    Called once, when the plugin is loaded. The root is an object whose keys are written, trained
    and generated in the order of ``properties``. Annotations tell the core about a field:

    - ``x-source``: ``verbatim`` (the string must stand in the document) or ``inferred``
    - ``x-key``: on an array's items, the properties that say two objects are the same thing
    - ``x-normalise``: steps that bring a string to its normal form, which scores compare
    - ``x-score``: how ``fieldsmith.field_counts`` compares the field
    """


@hookspec(firstresult=True)
def extract_prompt(document: Document, schema: Schema) -> list[Message]:
    """Return the messages that ask for the record of ``document``.

    Called for every window, in training, evaluation and prediction alike; this is the only place
    where a prompt is made. It must depend on its arguments alone and must not hold the answer.

    document: the window to read, as a document: its id, its text, and what is known beside it.
    schema: what ``extract_schema`` returned.
    """


@hookspec(firstresult=True)
def extract_load(source: Path | None) -> Iterable[Example | Reject]:
    """Yield the examples of a source, lazily and in a fixed order.

    Called by ``train``, ``evaluate`` and ``predict``. A row that cannot be read becomes a
    ``Reject`` that says where it stands and why; a source that cannot be read at all raises
    ``fieldsmith.InputError``.

    source: a file or folder, or None for the sample that comes with the plugin.
    """


@hookspec(firstresult=True)
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Return (matched, predicted, gold) by name for ONE document.

    Called once for each scored document; the core sums the counts, derives precision, recall and
    F1, and resamples documents for intervals. Every document should return the same names.

    example: the document with its gold record, as loaded.
    prediction: what the model answered; its record is None where there was no valid answer.
    schema: what ``extract_schema`` returned.
    """


@hookspec(firstresult=True)
def extract_brief_prompt(document: Document, schema: Schema) -> list[Message]:
    """Return the prompt for models of a few million parameters. Optional.

    Called in place of ``extract_prompt`` where the setting ``prompt`` is ``brief``, as it is under
    the preset ``embedded``. Without this hook the model gets what ``extract_prompt`` returns. A
    model this small learns the fields from examples, so ``fieldsmith.ask_for_fields`` is enough.

    document: the window to read, as a document.
    schema: what ``extract_schema`` returned.
    """


@hookspec(firstresult=True)
def extract_settings(preset: str) -> dict[str, object]:
    """Return the domain's own defaults under a preset, by setting name. Optional.

    They stand above the preset and below what the user sets: how the domain's documents are cut
    into windows, how long they are, which metric names make up ``score``.

    preset: the name of the preset in use ("embedded", "llama-3.2-3b", …).
    """


@hookspec(firstresult=True)
def extract_export(records: Mapping[str, Record], format: str) -> str:
    """Return records as a file of a format of the domain. Optional.

    Called by ``extract export`` for every format but the core's own ``jsonl``. The same records
    give the same text. A format that the domain has not raises ``fieldsmith.UnknownFormatError``,
    which names those that it has.

    records: by the id of their document, in the order of the predictions.
    format: what ``--format`` says.
    """
