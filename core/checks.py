"""Whether a plugin keeps to its contract: tried on its schema and on the sample that it bundles.

No model is loaded; prompts and answers are written by the tokenizer of the embedded one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from .data import Document, Example, Prediction, Schema
from .errors import FieldsmithError, PluginError, SchemaError
from .grammar import closing_problem
from .metrics import precision_recall_f1, support
from .plugins import Plugin, load
from .prompts import PromptFormat
from .rows import build_rows
from .schema import kinds_of, resolve
from .settings import EMBEDDED, Settings
from .settings import resolve as resolve_settings
from .sources import read_splits

_PERFECT = 1 - 1e-9
"""F1 from which on it is 1 but for rounding."""


@dataclass(frozen=True)
class Check:
    """A part of the contract, whether the plugin keeps to it, and what was found."""

    state: Literal["ok", "fail"]
    what: str
    detail: str


def check_plugin(name: str, with_names: Sequence[str] = ()) -> list[Check]:
    """Load a plugin and check all of it; one that does not load is a check that fails."""
    try:
        plugin = load(name, with_names)
    except SchemaError as error:
        return [Check("fail", "schema", str(error))]
    except PluginError as error:
        return [Check("fail", "plugin", str(error))]
    return check_loaded(plugin)


def check_loaded(plugin: Plugin) -> list[Check]:
    """Check a plugin whose schema was found to be one that answers can be held to."""
    wrapped = "".join(f", wrapped by {name}" for name in plugin.wrappers)
    fields = ", ".join(plugin.schema.get("properties", ()))
    checks = [
        Check("ok", "plugin", f"{plugin.name} ({plugin.distribution} {plugin.version}){wrapped}"),
        Check("ok", "schema", f"answers can be held to it: {fields or 'no field'}"),
        _tried("closing", lambda: _closing(plugin.schema)),
        _tried("verbatim", lambda: _verbatim(plugin.schema)),
        _tried("settings", lambda: _settings(plugin)),
    ]
    prompts, examples = _prompts(), list[Example]()
    checks.append(_tried("sample", lambda: _sample(plugin, examples)))
    checks.append(_tried("prompt", lambda: _prompt(plugin, prompts, examples)))
    broken = {check.what for check in checks if check.state == "fail"}
    # What one fault breaks is told once.
    if examples and "prompt" not in broken:
        checks.append(_tried("targets", lambda: _targets(plugin, prompts, examples)))
    if examples and "settings" not in broken:
        checks.append(_tried("metric", lambda: _metric(plugin, examples)))
    return checks


def _tried(what: str, check: Callable[[], str]) -> Check:
    """Return what a check found; it raises for what is wrong."""
    try:
        return Check("ok", what, check())
    except FieldsmithError as error:
        return Check("fail", what, str(error))


def _prompts() -> PromptFormat:
    from transformers import logging

    from .models import load_tokenizer

    logging.set_verbosity_error()  # it warns of documents that are too long for the model
    return PromptFormat(load_tokenizer(Settings()))


def _closing(schema: Schema) -> str:
    problem = closing_problem(schema)
    if problem is not None:
        raise PluginError(problem)
    return "an answer cut off at the length limit can be closed"


def _verbatim(schema: Schema) -> str:
    forced = list(_forced(schema, schema, ""))
    if forced:
        raise PluginError(
            f"{', '.join(forced)}: has to be filled, so that something is invented where the "
            f"document says nothing; let it be null, leave it out of required, or put it in a list"
        )
    return "no verbatim field has to be filled where the document says nothing"


def _forced(schema: Any, root: Schema, pointer: str) -> Iterator[str]:
    """Yield the pointers of the verbatim fields that every record holds."""
    here = resolve(schema, root)
    if "null" in kinds_of(here):
        return
    if here.get("x-source") == "verbatim":
        yield pointer
    for key in here.get("required", ()):
        yield from _forced(here.get("properties", {}).get(key, {}), root, f"{pointer}/{key}")
    if here.get("minItems"):
        yield from _forced(here.get("items", {}), root, f"{pointer}/0")


def _settings(plugin: Plugin) -> str:
    settings = _resolved(plugin)
    told = ", ".join(f"{name}={getattr(settings, name)}" for name in plugin.settings(EMBEDDED))
    return f"under the preset {EMBEDDED}: {told or 'none of its own'}"


def _resolved(plugin: Plugin) -> Settings:
    return resolve_settings(EMBEDDED, plugin.name, plugin.settings(EMBEDDED), {}).values


def _sample(plugin: Plugin, examples: list[Example]) -> str:
    """Read the sample as a training does, and add its documents to ``examples``."""
    splits, _hash = read_splits(plugin, None, allow_leaks=False)
    examples += [*splits.train, *splits.validation, *splits.test]
    if splits.set_aside:
        first = splits.set_aside[0]
        raise PluginError(
            f"{len(splits.set_aside)} of its {len(examples) + len(splits.set_aside)} documents "
            f"cannot be used; the first is {first.place}: "
            f"{first.field + ': ' if first.field else ''}{first.reason}"
        )
    return (
        f"{len(examples)} documents: {len(splits.train)} train, "
        f"{len(splits.validation)} validation, {len(splits.test)} test"
    )


def _prompt(plugin: Plugin, prompts: PromptFormat, examples: Sequence[Example]) -> str:
    document = examples[0].document if examples else Document("probe", "A probe.")
    count = len(prompts.prompt(plugin.prompt(document)))
    return f"{count} tokens of the embedded model for document {document.id}"


def _targets(plugin: Plugin, prompts: PromptFormat, examples: Sequence[Example]) -> str:
    """Make each record the answer for its whole document, and replay it through its grammar."""
    whole = replace(Settings(), window="document", max_length=sys.maxsize)
    books = build_rows(examples, plugin, prompts, whole)
    if books.set_aside:
        first = books.set_aside[0]
        raise PluginError(
            f"{len(books.set_aside)} of {books.windows} records cannot be trained on; the first "
            f"is that of {first.place}: {first.reason}"
        )
    told = f"{books.windows} records can be written under their grammars; "
    told += f"{books.learned.total()} of {books.gold.total()} leaves and objects are learned"
    if books.aligned:
        told += f", {books.aligned.total()} leaves as the text writes them"
    if books.lost:
        first = books.lost[0]
        told += f"; {len(books.lost)} are lost, the first {first.field} of {first.place}: "
        told += first.reason
    return told


def _metric(plugin: Plugin, examples: Sequence[Example]) -> str:
    """Score each gold record as if it had been predicted."""
    counts = [
        plugin.metric(example, Prediction(example.document, record=example.record, windows=(1, 1)))
        for example in examples
    ]
    totals = support(counts)
    names = _resolved(plugin).score or list(totals)
    unknown = [name for name in names if name not in totals]
    if unknown:
        raise PluginError(f"it does not count {', '.join(unknown)}, which the score is made of")
    for name in names:
        f1 = precision_recall_f1(totals[name])[2]
        if totals[name] != (0, 0, 0) and f1 < _PERFECT:
            matched, predicted, gold = totals[name]
            raise PluginError(
                f"{name}: F1 of the gold records against themselves is {f1:.3f}; it counts "
                f"{matched:g} matched of {predicted:g} predicted and {gold:g} gold"
            )
    return f"F1 of the gold records against themselves is 1 for {', '.join(names)}"
