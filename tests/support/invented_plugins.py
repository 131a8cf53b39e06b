"""Invented domains: a plugin around any schema, and the prompts of the tokenizer that ships."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pluggy

import fieldsmith
from fieldsmith import Counts, Document, Example, Message, Prediction, Record, Reject, Schema
from fieldsmith import hookspecs as specifications
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.plugins import Plugin

Loader = Callable[[Path | None], Iterable[Example | Reject]]
Metric = Callable[[Example, Prediction, Schema], dict[str, Counts]]

NAMES: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "names": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
    },
}


def no_examples(source: Path | None) -> Iterable[Example | Reject]:
    return []


def no_counts(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    return {}


class _Domain:
    def __init__(
        self, schema: Schema, messages: Sequence[Message], load: Loader, metric: Metric
    ) -> None:
        self.schema = schema
        self.messages = messages
        self.load = load
        self.metric = metric

    @fieldsmith.hookimpl
    def extract_schema(self) -> Schema:
        return self.schema

    @fieldsmith.hookimpl
    def extract_prompt(self, document: Document, schema: Schema) -> list[Message]:
        return [*self.messages, Message("user", document.text)]

    @fieldsmith.hookimpl
    def extract_load(self, source: Path | None) -> Iterable[Example | Reject]:
        return self.load(source)

    @fieldsmith.hookimpl
    def extract_metric(
        self, example: Example, prediction: Prediction, schema: Schema
    ) -> dict[str, Counts]:
        return self.metric(example, prediction, schema)


def plugin_of(
    schema: Schema,
    messages: Sequence[Message] = (Message("system", "Extract."),),
    load: Loader = no_examples,
    metric: Metric = no_counts,
) -> Plugin:
    """Return a plugin as it is after it was loaded, its prompts some messages and the text."""
    manager = pluggy.PluginManager(specifications.PROJECT)
    manager.add_hookspecs(specifications)
    manager.register(_Domain(schema, messages, load, metric))
    return Plugin(
        name="invented",
        distribution="invented",
        version="1",
        description="An invented domain.",
        wrappers=(),
        schema=schema,
        _hooks=manager.hook,
    )


def example(
    text: str, record: Record, mentions: dict[str, list[tuple[int, int]]] | None = None
) -> Example:
    return Example(Document("one", text), record, mentions or {})


@functools.cache
def shipped_prompts() -> PromptFormat:
    """Return the prompts of the base model that ships."""
    from fieldsmith.model.tokenizer import load_tokenizer
    from fieldsmith.settings import Settings

    return PromptFormat(load_tokenizer(Settings()))
