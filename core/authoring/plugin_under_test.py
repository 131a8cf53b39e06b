"""A plugin under test: what the checks read of it, each once, and sources that are damaged.

Part of the reading is done in a second process, whose sets have another order and in which
nothing but the plugin has been imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import Document, Example, Message, Prediction, Record, Reject
from ..errors import FieldsmithError, PluginError, SettingsError
from ..plugins import Plugin, describe_error, find, load
from ..schema.navigation import empty_record, property_schema, resolve, types_of
from ..schema.records import first_problem
from ..scoring.metrics import DocumentCounts
from ..settings import EMBEDDED, Settings
from ..settings import resolve as resolve_settings

if TYPE_CHECKING:
    from ..model.prompts import PromptFormat

SCORED = 60
"""How many documents of the sample the metric is tried on, and how many prompts are made."""

PROBE = Document("probe", "A probe.")


class SkippedError(Exception):
    """A check has nothing to go by, because of what another one found."""


@dataclass(frozen=True)
class Elsewhere:
    """What a second process found of a plugin.

    modules: what it had imported once it had imported the plugin.
    sample, prompts: hashes of the rows of the sample, and of the prompts of its documents.
    """

    modules: frozenset[str]
    sample: str
    prompts: str


@dataclass(frozen=True)
class Subject:
    """A plugin by name, and the wrappers around it."""

    name: str
    wrappers: tuple[str, ...] = ()

    @cached_property
    def loading(self) -> Plugin | PluginError:
        """The plugin, or why it cannot be loaded."""
        try:
            return load(self.name, self.wrappers)
        except PluginError as error:
            return error

    @property
    def plugin(self) -> Plugin:
        """The plugin. Raises SkippedError where it cannot be loaded."""
        if isinstance(self.loading, PluginError):
            raise SkippedError("the plugin cannot be used")
        return self.loading

    @property
    def module(self) -> str:
        """The module that the plugin's entry point names."""
        (target,) = (entry.target for entry in find() if entry.name == self.name)
        return target.partition(":")[0].strip()

    @cached_property
    def settings(self) -> Settings:
        """The settings of a training with the embedded model. Raises SkippedError."""
        try:
            return settings_under(EMBEDDED, self.plugin)
        except (SettingsError, PluginError) as error:
            raise SkippedError("its settings cannot be used") from error

    @property
    def prompts(self) -> PromptFormat:
        """How the embedded model's tokenizer writes prompts."""
        return embedded_prompts()

    @cached_property
    def reading(self) -> list[Example | Reject] | Exception:
        """The rows of the sample, or why it cannot be read."""
        try:
            return list(self.plugin.load(None))
        except Exception as error:
            return error

    @property
    def rows(self) -> list[Example | Reject]:
        """The rows of the sample. Raises SkippedError."""
        if isinstance(self.reading, Exception) or not self.reading:
            raise SkippedError("its sample cannot be read")
        return self.reading

    @cached_property
    def examples(self) -> list[Example]:
        """The labelled documents of the sample whose records are valid. Raises SkippedError."""
        found = [
            row
            for row in self.rows
            if isinstance(row, Example)
            and isinstance(row.record, dict)
            and first_problem(row.record, self.plugin.schema) is None
        ]
        if not found:
            raise SkippedError("its sample holds no labelled document")
        return found

    @cached_property
    def elsewhere(self) -> Elsewhere:
        """What a second process finds of the plugin.

        Raises:
            PluginError: it could not use the plugin.
        """
        order = [sys.path, self.module, self.name, list(self.wrappers)]
        done = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE, json.dumps(order)],
            env={**os.environ, "PYTHONHASHSEED": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PluginError(
                f"in a process of its own it fails: {last}; do not rely on what another module "
                f"has imported or left behind"
            )
        modules, sample, prompts = json.loads(done.stdout.splitlines()[-1])
        return Elsewhere(frozenset(modules), sample, prompts)

    @property
    def source_files(self) -> list[Path]:
        """The Python files of the plugin's module or package. Raises SkippedError."""
        _ = self.plugin
        file = getattr(sys.modules.get(self.module), "__file__", None)
        if not file:
            raise SkippedError("its module has no source")
        inside = (
            Path(file).parent.rglob("*.py") if Path(file).name == "__init__.py" else [Path(file)]
        )
        return sorted(inside)

    @cached_property
    def sample_files(self) -> list[Path]:
        """The files named ``sample…`` beside the plugin's module, or in a folder so named.

        Raises SkippedError.
        """
        _ = self.plugin
        file = getattr(sys.modules.get(self.module), "__file__", None)
        found = sorted(Path(file).parent.glob("sample*")) if file else []
        inside = (sorted(path.rglob("*")) if path.is_dir() else [path] for path in found)
        files = (path for paths in inside for path in paths if path.is_file())
        return [path for path in files if path.suffix not in (".py", ".pyc")]

    @cached_property
    def scoring(self) -> dict[str, list[DocumentCounts]] | PluginError:
        """The metric's counts of each kind of answer, or what is wrong with them."""
        try:
            return {
                kind: [_counted(self.plugin, example, make(example)) for example in self.scored]
                for kind, make in self._answers().items()
            }
        except PluginError as error:
            return error

    @property
    def scored(self) -> list[Example]:
        """The examples that the metric is tried on. Raises SkippedError."""
        return self.examples[:SCORED]

    def counts(self, kind: str) -> list[DocumentCounts]:
        """Return the counts of "gold", "wrong", "empty" or "none" answers. Raises SkippedError."""
        if isinstance(self.scoring, PluginError):
            raise SkippedError("its metric cannot be used")
        return self.scoring[kind]

    def _answers(self) -> dict[str, Callable[[Example], Record | None]]:
        schema = self.plugin.schema
        return {
            "gold": lambda example: example.record,
            "wrong": lambda example: _Changes(schema).of(example.record, schema),
            "empty": lambda _example: empty_record(schema),
            "none": lambda _example: None,
        }


@cache
def embedded_prompts() -> PromptFormat:
    """Return how the embedded model's tokenizer writes prompts."""
    from transformers import logging

    from ..model.loading import load_tokenizer
    from ..model.prompts import PromptFormat

    logging.set_verbosity_error()  # it warns of documents that are too long for the model
    return PromptFormat(load_tokenizer(Settings()))


def settings_under(preset: str, plugin: Plugin) -> Settings:
    """Return the settings of a training under a preset. Raises SettingsError or PluginError."""
    return resolve_settings(preset, plugin.name, plugin.settings(preset), {}).values


def prompt_texts(plugin: Plugin, document: Document) -> list[Message]:
    """Return a document's prompt.

    Raises:
        PluginError: the hook failed, or returned no messages; says for what document.
    """
    try:
        return plugin.prompt(document)
    except FieldsmithError:
        raise
    except Exception as error:
        raise PluginError(
            f"extract_prompt fails for a document with the text {document.text[:40]!r} and "
            f"meta {dict(document.meta)!r}: {describe_error(error)}; use the document's text as it "
            f"is, and meta.get(…) for what may be missing"
        ) from error


def predicted(example: Example, record: Record | None) -> Prediction:
    """Return the prediction of a record, or of no answer."""
    error = None if record is not None else "length: the answer was cut off"
    return Prediction(example.document, record=record, error=error, windows=(1, 1))


def _counted(plugin: Plugin, example: Example, record: Record | None) -> DocumentCounts:
    """Return the metric's counts.

    Raises:
        PluginError: it fails, changes what it is given, or counts differently the second time.
    """
    what = "an answer" if record is not None else "no answer (record None)"
    given = predicted(example, record)
    before = deepcopy((example, given))
    try:
        counts = plugin.metric(example, given)
        again = plugin.metric(example, given)
    except FieldsmithError:
        raise
    except Exception as error:
        raise PluginError(
            f"it fails for {what} to document {example.document.id}: {describe_error(error)}; any "
            f"valid record, and None, has to be counted"
        ) from error
    if (example, given) != before:
        raise PluginError("it changes the records that it is given; work on a copy")
    if counts != again:
        raise PluginError(
            f"document {example.document.id}: it counts {counts}, then {again}; it has to depend "
            f"on its arguments alone"
        )
    return counts


def counted_without(plugin: Plugin, example: Example, key: str) -> DocumentCounts:
    """Return the counts of a full answer where the gold record lacks a key; as ``_counted``."""
    assert example.record is not None
    rest = {name: value for name, value in example.record.items() if name != key}
    mentions = {
        pointer: spans
        for pointer, spans in example.mentions.items()
        if pointer.split("/")[1] != key
    }
    bare = replace(example, record=rest, mentions=mentions)
    try:
        return plugin.metric(bare, predicted(example, example.record))
    except FieldsmithError:
        raise
    except Exception as error:
        raise PluginError(
            f"it fails where the gold record of document {example.document.id} lacks {key!r}: "
            f"{describe_error(error)}; an absent key is not annotated: skip what depends on it"
        ) from error


class _Changes:
    """Writes records in which every leaf that can be is another than before."""

    def __init__(self, root: Record) -> None:
        self.root = root
        self.number = 0

    def of(self, value: Any, schema: Any) -> Any:
        here = resolve(schema, self.root)
        if isinstance(value, dict):
            return {key: self.of(item, property_schema(here, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item, here.get("items", {})) for item in value]
        fitting = (
            other
            for other in self._others(value, here)
            if other != value and first_problem(other, self.root, here) is None
        )
        return next(fitting, value)

    def _others(self, value: Any, schema: Any) -> Iterator[Any]:
        if value is None:
            return
        self.number += 1
        if isinstance(value, bool):
            yield not value
        elif isinstance(value, int | float):
            yield from (value + 1000 + self.number, value + 1, value - 1, value / 2)
        elif isinstance(value, str):
            yield from (
                f"quite another answer {self.number}",
                f"https://other.example/{self.number}",
                f"{1200 + self.number % 700}-01-01",
            )
        yield from (each for each in schema.get("enum", ()) if each is not None)
        if "null" in types_of(schema):
            yield None


# The second process


_ELSEWHERE = """
import json, sys
from importlib import import_module
sys.path[:], module, *order = json.loads(sys.argv[1])
import_module(module)
modules = list(sys.modules)
from fieldsmith.subject import tell
tell(modules, *order)
"""


def tell(modules: list[str], name: str, wrappers: list[str]) -> None:
    """Print what ``Elsewhere`` holds, as JSON; called in the second process."""
    plugin = load(name, wrappers)
    rows: list[Example | Reject] = []

    def read() -> str:
        rows.extend(plugin.load(None))
        return hash_of_rows(rows)

    found = [_hash_or_error(read), _hash_or_error(lambda: hash_of_prompts(plugin, rows))]
    print(json.dumps([modules, *found]))


def _hash_or_error(make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as error:  # other checks tell of it
        return describe_error(error)


def hash_of_rows(rows: Iterable[Example | Reject]) -> str:
    """Return a hash of all that rows hold."""
    return _hash(repr([asdict(row) for row in rows]))


def hash_of_prompts(plugin: Plugin, rows: Iterable[Example | Reject]) -> str:
    """Return a hash of the prompts of the first documents of some rows."""
    documents = (row.document for row in rows if isinstance(row, Example))
    prompts = [plugin.prompt(document) for document in islice(documents, SCORED)]
    # Sorted: the order of the rows is another check's.
    return _hash(repr(sorted(repr(list(map(asdict, prompt))) for prompt in prompts)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
