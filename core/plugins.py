"""Load a plugin behind methods that check what its hooks return.

Only the plugin that is asked for is imported, so a broken one beside it does no harm. Each
``Plugin`` has a ``PluginManager`` of its own: a shared one would call the hooks of other domains,
too. Code of the plugin runs in a ``PluginCall`` alone, and each value that it gives passes through
``plugin_code.values``: no other code has to expect faults of a plugin.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pluggy

from . import hookspecs
from .contract import Implementation, check_complete, checked_hooks, checked_schema, is_wrapper
from .data import Counts, Document, Example, Message, Prediction, Record, Reject, Schema
from .errors import FieldsmithError, InputError, PluginError, UnknownFormatError
from .fetch_source import FetchItem, FetchPage, FetchRequest, FetchResponse, FetchSource
from .hookspecs import ENTRY_POINT_GROUP, PROJECT
from .plugin_code.calls import PluginCall, WrongValueError, current_limits
from .plugin_code.fetch_values import checked_content, checked_item, checked_sources
from .plugin_code.installed import OK as OK
from .plugin_code.installed import Installed as Installed
from .plugin_code.installed import chosen
from .plugin_code.installed import find as find
from .plugin_code.values import (
    checked_counts,
    checked_messages,
    checked_row,
    checked_settings,
    checked_text,
    shown,
)
from .source_names import SourceNames, checked_names

WRAPPER = "wrapper"


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin: its hooks as methods that check what the hooks return.

    Each method raises PluginError if its hook fails or returns a value of another kind.

    Attributes:
        description: the first line of the plugin's docstring.
        wrappers: names of the plugins whose wrappers are around the hooks, the outermost last.
        schema: what ``extract_schema`` returned; a valid JSON Schema of an object.
        names: names that sources have for fields of the schema.
    """

    name: str
    distribution: str
    version: str
    description: str
    wrappers: tuple[str, ...]
    schema: Schema
    _hooks: pluggy.HookRelay = field(repr=False, compare=False)
    names: SourceNames = field(default_factory=SourceNames)

    @property
    def takes_names(self) -> bool:
        """Whether its loader takes names of sources; the core maps what it reads itself."""
        loaders = self._hooks.extract_load.get_hookimpls()
        own = (each for each in loaders if not (each.wrapper or each.hookwrapper))
        return any("names" in each.argnames for each in own)

    def mapped(self, names: Mapping[str, str]) -> Plugin:
        """Return the plugin for sources that have these names for fields of its schema.

        Raises:
            SettingsError: a field is unknown, or two names are given to one that is not a list.
        """
        return replace(self, names=checked_names(names, self.schema))

    def anew(self) -> Plugin:
        """Return the plugin as it is before it reads a source, whose names it will look up."""
        return replace(self, names=self.names.anew())

    def prompt(self, document: Document) -> list[Message]:
        """Return the messages that ask for the record of ``document``."""
        return self._messages("extract_prompt", document)

    def brief_prompt(self, document: Document) -> list[Message]:
        """Return the prompt for models of a few million parameters, or else the usual one."""
        hook = self._hooks.extract_brief_prompt
        if all(each.wrapper or each.hookwrapper for each in hook.get_hookimpls()):
            return self.prompt(document)
        return self._messages("extract_brief_prompt", document)

    def load(self, source: Path | None) -> Iterator[Example | Reject]:
        """Yield the examples of a source, or of the plugin's own sample, as they are read.

        What cannot be written as JSON becomes a reject.

        Raises:
            InputError: the source cannot be read at all.
        """
        name = "the sample" if source is None else str(source)
        passed = (InputError,)
        with self._call("extract_load", f"for {name}", passed):
            rows = self._rows(source)
        number = characters = 0
        try:
            while True:
                number += 1
                where = f"at row {number} of {name}"
                with self._call("extract_load", where, (*passed, PluginError)) as call:
                    row = next(rows, None)
                    if row is None:
                        return
                    checked = checked_row(row[0])
                    characters += len(checked.document.text) if checked.document else 0
                    _check_amount(call, number, characters)
                yield checked
        finally:
            # A generator that is left before its end closes its files, by code of the plugin.
            with self._call("extract_load", f"after row {number} of {name}", passed):
                rows.close()

    def is_lazy(self) -> bool:
        """Say whether the loader yields rows as it reads them, and does not return a list."""
        with self._call("extract_load", "for the sample", (InputError,)):
            rows = self._hooks.extract_load(source=None, names={})
            return hasattr(rows, "__next__")

    def metric(self, example: Example, prediction: Prediction) -> dict[str, Counts]:
        """Return (matched, predicted, gold) by name for one document."""
        with self._call("extract_metric", f"for document {example.document.id!r}"):
            counts = self._hooks.extract_metric(
                example=example, prediction=prediction, schema=self.schema
            )
            return checked_counts(counts)

    def settings(self, preset: str) -> dict[str, object]:
        """Return the domain's own defaults under a preset, by setting name."""
        with self._call("extract_settings", f"for preset {preset}"):
            return checked_settings(self._hooks.extract_settings(preset=preset))

    def export(self, records: Mapping[str, Record], format: str) -> str:
        """Return records, by document id, as a file of a format of the domain.

        Raises:
            UnknownFormatError: the domain has no such format.
        """
        with self._call("extract_export", f"for format {format!r}", (FieldsmithError,)):
            text = self._hooks.extract_export(records=records, format=format)
            if text is None:
                raise UnknownFormatError(f"plugin {self.name!r} has no format of its own")
            return checked_text(text)

    def sources(self) -> dict[str, FetchSource]:
        """Return the sources that documents can be fetched from, by name.

        Their functions are called as hooks are: what they give is checked.
        """
        with self._call("extract_fetch", "", (FieldsmithError,)):
            sources = checked_sources(self._hooks.extract_fetch())
        return {
            name: replace(
                source,
                items=partial(self._listed, name, source),
                content=partial(self._content, name, source),
            )
            for name, source in sources.items()
        }

    def _listed(
        self, name: str, source: FetchSource, request: FetchRequest, page: FetchPage
    ) -> Iterator[FetchItem]:
        where, passed = f"for the documents of {name}", (FieldsmithError,)
        with self._call("extract_fetch", where, passed):
            items = iter(source.items(request, page))
        try:
            while True:
                with self._call("extract_fetch", where, passed):
                    item = next(items, None)
                    if item is None:
                        return
                    checked = checked_item(item)
                yield checked
        finally:
            # A generator that is left before its end runs code of the plugin.
            with self._call("extract_fetch", where, passed):
                if isinstance(items, Generator):
                    items.close()

    def _content(self, name: str, source: FetchSource, response: FetchResponse) -> bytes:
        where = f"for {response.address} of {name}"
        with self._call("extract_fetch", where, (FieldsmithError,)):
            return checked_content(source.content(response))

    def _rows(self, source: Path | None) -> Generator[tuple[object]]:
        """Return what the loader yields, each row in a tuple, so that None is a row, too."""
        names = {} if source is None else self.names
        rows = self._hooks.extract_load(source=source, names=names)
        if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
            wanted = "an iterable of Example and Reject"
            raise WrongValueError(f"returned {shown(rows)}; it has to be {wanted}")
        return ((row,) for row in rows)

    def _messages(self, hook: str, document: Document) -> list[Message]:
        with self._call(hook, f"for document {document.id!r}"):
            messages = getattr(self._hooks, hook)(document=document, schema=self.schema)
            return checked_messages(messages, document.text)

    def _call(
        self, hook: str, where: str, passed: tuple[type[BaseException], ...] = ()
    ) -> PluginCall:
        who = f"plugin {self.name!r} ({self.distribution} {self.version})"
        return PluginCall(who, hook, where, passed=passed)


def _check_amount(call: PluginCall, rows: int, characters: int) -> None:
    """Raise PluginError if a loader yields more than the limits allow, where there are any."""
    limits = current_limits()
    if limits is not None and rows > limits.rows:
        raise call.exceeded(f"{limits.rows:,} rows")
    if limits is not None and characters > limits.characters:
        raise call.exceeded(f"{limits.characters:,} characters")


def load(
    name: str, with_names: Sequence[str] = (), names: Mapping[str, str] | None = None
) -> Plugin:
    """Import the plugin called ``name``, with the wrappers of others around its hooks.

    Args:
        name: the name of its entry point.
        with_names: further installed plugins; only their hooks with ``wrapper=True`` or
            ``hookwrapper=True`` are used, each around those before it.
        names: names that sources have for fields of the schema, as ``--map`` gives them.

    Raises:
        SettingsError: ``names`` has an unknown field; see ``source_names.checked_names``.
        PluginError: a plugin is unknown, declared twice, cannot be imported, or does not follow
            ``fieldsmith.hookspecs``; the message names it, its distribution and what to do.
    """
    installed = find()
    entry = chosen(name, installed)
    module, implementations = _imported(entry)
    check_complete(implementations, entry.title)
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    with PluginCall(entry.title, "", failed="is refused by pluggy"):
        manager.register(module, name=name)
    for position, other in enumerate(with_names):
        if other == name or other in with_names[:position]:
            raise PluginError(f"plugin {other!r} is asked for twice; name it once")
        _register_wrappers(manager, chosen(other, installed))
    with PluginCall(entry.title, "extract_schema", passed=(PluginError,)):
        schema = checked_schema(manager.hook.extract_schema(), entry.title)
    plugin = Plugin(
        name=name,
        distribution=entry.distribution,
        version=entry.version,
        description=entry.description,
        wrappers=tuple(with_names),
        schema=schema,
        _hooks=manager.hook,
    )
    return plugin.mapped(names) if names else plugin


def state_of(entry: Installed) -> str:
    """Import a plugin and return "ok", "wrapper" (for ``--with`` only), or what is wrong."""
    if entry.state != OK:
        return entry.state
    try:
        _module, implementations = _imported(entry)
        if is_wrapper(implementations):
            return WRAPPER
        load(entry.name)
    except PluginError as error:
        return str(error).removeprefix(f"{entry.title} ")
    return OK


def _imported(entry: Installed) -> tuple[object, list[Implementation]]:
    """Import a plugin's module; return it with its hooks."""
    if not entry.target:
        raise PluginError(f"{entry.title} {entry.state}")
    with PluginCall(entry.title, "", failed="cannot be imported"):
        module = metadata.EntryPoint(entry.name, entry.target, ENTRY_POINT_GROUP).load()
    # A module may have a __getattr__ of its own.
    with PluginCall(entry.title, "", failed="cannot be read", passed=(PluginError,)):
        return module, checked_hooks(module, entry.title)


def _register_wrappers(manager: pluggy.PluginManager, entry: Installed) -> None:
    _module, implementations = _imported(entry)
    wrappers = {each.hook: each.function for each in implementations if each.wraps}
    if not wrappers:
        raise PluginError(
            f"{entry.title} wraps no hook, so --with cannot use it; "
            "a wrapper is marked with @fieldsmith.hookimpl(wrapper=True)"
        )
    with PluginCall(entry.title, "", failed="is refused by pluggy"):
        manager.register(SimpleNamespace(**wrappers), name=entry.name)
