"""Plugins: which are installed, and one of them behind plain, checked methods.

What is installed is read from the metadata of distributions and from source text; only the
plugin that is asked for is imported, so a broken one beside it disturbs nobody. Each ``Plugin``
has a ``PluginManager`` of its own: a shared one would answer for the wrong domain.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import math
import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pluggy

from . import hookspecs
from .contract import check_complete, checked_hooks, checked_schema, is_wrapper
from .data import Counts, Document, Example, Message, Prediction, Record, Reject, Schema
from .errors import PluginError, UnknownFormatError, did_you_mean, shortened
from .hookspecs import ENTRY_POINT_GROUP, PROJECT

OK = "ok"
WRAPPER = "wrapper"

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Installed:
    """A plugin as its distribution declares it; nothing of it has been imported.

    target: the module that the entry point names.
    description: the first line of that module's docstring; "" where there is none.
    state: "ok", or what is wrong as far as can be told without an import.
    """

    name: str
    distribution: str
    version: str
    target: str
    description: str = ""
    state: str = OK

    @property
    def origin(self) -> str:
        """The distribution with its version, as messages name it."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Plugin:
    """A domain in use: its hooks as methods that check what comes back.

    description: the first line of the plugin's docstring.
    wrappers: names of the plugins whose wrappers stand around the hooks, the outermost last.
    schema: what ``extract_schema`` returned; a valid JSON Schema of an object.
    """

    name: str
    distribution: str
    version: str
    description: str
    wrappers: tuple[str, ...]
    schema: Schema
    _hooks: pluggy.HookRelay = field(repr=False, compare=False)

    def prompt(self, document: Document) -> list[Message]:
        """Return the messages that ask for the record of ``document``.

        Raises:
            PluginError: the hook did not return a list of messages.
        """
        return self._messages("extract_prompt", document)

    def brief_prompt(self, document: Document) -> list[Message]:
        """Return the prompt for models of a few million parameters, or else the usual one.

        Raises:
            PluginError: the hook did not return a list of messages.
        """
        hook = self._hooks.extract_brief_prompt
        if all(each.wrapper or each.hookwrapper for each in hook.get_hookimpls()):
            return self.prompt(document)
        return self._messages("extract_brief_prompt", document)

    def load(self, source: Path | None) -> Iterator[Example | Reject]:
        """Yield the examples of a source, or of the plugin's own sample, as they are read.

        Raises:
            InputError: the source cannot be read at all.
            PluginError: the hook returned or yielded something else.
        """
        rows = self._hooks.extract_load(source=source)
        if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
            raise self._wrong("extract_load", rows, "an iterable of Example and Reject")
        return self._examples(rows)

    def metric(self, example: Example, prediction: Prediction) -> dict[str, Counts]:
        """Return (matched, predicted, gold) by name for one document.

        Raises:
            PluginError: the hook returned something else.
        """
        counts = self._hooks.extract_metric(
            example=example, prediction=prediction, schema=self.schema
        )
        wanted = "a dict of names to (matched, predicted, gold)"
        if not isinstance(counts, Mapping):
            raise self._wrong("extract_metric", counts, wanted)
        for name, triple in counts.items():
            if not isinstance(name, str) or not _is_counts(triple):
                raise self._wrong("extract_metric", {name: triple}, wanted)
        return {name: (float(m), float(p), float(g)) for name, (m, p, g) in counts.items()}

    def settings(self, preset: str) -> dict[str, object]:
        """Return the domain's own defaults under a preset, by setting name.

        Raises:
            PluginError: the hook returned something else than settings by name.
        """
        settings = self._hooks.extract_settings(preset=preset)
        if settings is None:
            return {}
        if not isinstance(settings, Mapping) or not all(isinstance(key, str) for key in settings):
            raise self._wrong("extract_settings", settings, "a dict of settings by name")
        return dict(settings)

    def export(self, records: Mapping[str, Record], format: str) -> str:
        """Return records, by document id, as a file of a format of the domain.

        Raises:
            UnknownFormatError: the domain has no such format.
            PluginError: the hook returned something else than a text.
        """
        text = self._hooks.extract_export(records=records, format=format)
        if text is None:
            raise UnknownFormatError(f"plugin {self.name!r} has no format of its own")
        if not isinstance(text, str):
            raise self._wrong("extract_export", text, "the text of a file")
        return text

    def _messages(self, hook: str, document: Document) -> list[Message]:
        messages = getattr(self._hooks, hook)(document=document, schema=self.schema)
        if not isinstance(messages, list | tuple) or not messages:
            raise self._wrong(hook, messages, "a list of fieldsmith.Message")
        for message in messages:
            if not isinstance(message, Message) or not isinstance(message.content, str):
                raise self._wrong(hook, message, "messages with a text as content")
            if message.role not in ROLES:
                raise self._wrong(hook, message.role, f"a role of {', '.join(ROLES)}")
        return list(messages)

    def _examples(self, rows: Iterable[object]) -> Iterator[Example | Reject]:
        for row in rows:
            if not isinstance(row, Example | Reject):
                raise self._wrong("extract_load", row, "Example and Reject alone", verb="yielded")
            yield row

    def _wrong(
        self, hook: str, value: object, wanted: str, *, verb: str = "returned"
    ) -> PluginError:
        got = f"{type(value).__name__} {shortened(value)}"
        return PluginError(
            f"plugin {self.name!r} ({self.distribution} {self.version}): "
            f"{hook} {verb} {got}; it has to be {wanted}"
        )


def find() -> list[Installed]:
    """Return the plugins that are installed, by name, without importing any.

    Two distributions that claim one name are both listed, with that as their state.
    """
    entries = sorted(_entries(), key=lambda entry: (entry.name, entry.distribution))
    return [_described(entry, entries) for entry in entries]


def load(name: str, with_names: Sequence[str] = ()) -> Plugin:
    """Import the plugin called ``name``, with the wrappers of others around its hooks.

    with_names: further installed plugins; only their hooks with ``wrapper=True`` or
        ``hookwrapper=True`` are used, each around those before it.

    Raises:
        PluginError: a plugin is unknown, comes twice, cannot be imported, or does not keep to
            ``fieldsmith.hookspecs``; the message names it, its distribution and the way out.
    """
    installed = find()
    entry = _chosen(name, installed)
    module = _imported(entry)
    check_complete(checked_hooks(module, _named(entry)), _named(entry))
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    _register(manager, module, entry)
    for position, other in enumerate(with_names):
        if other == name or other in with_names[:position]:
            raise PluginError(f"plugin {other!r} is asked for twice; name it once")
        _register_wrappers(manager, _chosen(other, installed))
    return Plugin(
        name=name,
        distribution=entry.distribution,
        version=entry.version,
        description=entry.description,
        wrappers=tuple(with_names),
        schema=_schema_of(manager.hook, entry),
        _hooks=manager.hook,
    )


def state_of(entry: Installed) -> str:
    """Import one plugin and say "ok", "wrapper" (of use with ``--with`` only), or what is wrong."""
    if entry.state != OK:
        return entry.state
    try:
        if is_wrapper(checked_hooks(_imported(entry), _named(entry))):
            return WRAPPER
        load(entry.name)
    except PluginError as error:
        return str(error).removeprefix(f"{_named(entry)} ")
    return OK


def _entries() -> Iterator[Installed]:
    """Yield each entry point of the group once, however often a distribution is listed.

    An editable install beside a folder on the path lists one distribution twice; the first is
    the one that an import finds.
    """
    seen: set[tuple[str, str, str]] = set()
    for distribution in metadata.distributions():
        # Most distributions are none of ours: the rest of their metadata is not worth reading.
        if ENTRY_POINT_GROUP not in (distribution.read_text("entry_points.txt") or ""):
            continue
        for entry in _entries_of(distribution):
            project = re.sub(r"[-_.]+", "-", entry.distribution).lower()
            key = (entry.name, project, entry.target)
            if key not in seen:
                seen.add(key)
                yield entry


def _entries_of(distribution: metadata.Distribution) -> Iterator[Installed]:
    project = str(distribution.metadata["Name"] or "(no name)")
    version = str(distribution.metadata["Version"] or "(no version)")
    try:
        entries = list(distribution.entry_points.select(group=ENTRY_POINT_GROUP))
    except Exception as error:  # a file that is not well-formed fails in many ways
        state = f"cannot be read: its entry_points.txt is broken ({describe_error(error)})"
        yield Installed(project, project, version, target="", state=state)
        return
    for entry in entries:
        yield Installed(entry.name, project, version, entry.value)


def _described(entry: Installed, entries: Iterable[Installed]) -> Installed:
    rivals = [other for other in entries if other.name == entry.name and other is not entry]
    if entry.state != OK:
        return entry
    try:
        description, state = _first_line(entry.target), OK
    except ImportError as error:
        description, state = "", f"cannot be imported: {describe_error(error)}"
    if rivals:
        state = f"comes twice: {_clash(entry, rivals)}"
    return Installed(
        entry.name, entry.distribution, entry.version, entry.target, description, state
    )


def _clash(entry: Installed, rivals: Sequence[Installed]) -> str:
    if all(rival.distribution == entry.distribution for rival in rivals):
        targets = sorted({entry.target, *(rival.target for rival in rivals)})
        return (
            f"{entry.origin} declares it for {' and '.join(targets)}; "
            "its entry points need different names"
        )
    origins = sorted({entry.origin, *(rival.origin for rival in rivals)})
    return f"from {' and '.join(origins)}; uninstall one of them (pip uninstall NAME)"


def _first_line(target: str) -> str:
    """Return the first line of a module's docstring from its source, without importing it.

    Raises:
        ImportError: there is no such module, or its source is not Python.
    """
    name = re.split(r"[:\[]", target)[0].strip()
    spec = _spec(name)
    source = getattr(spec.loader, "get_source", lambda _: None)(name)
    if source is None:
        return ""
    try:
        doc = ast.get_docstring(ast.parse(source))
    except (SyntaxError, ValueError) as error:
        raise ImportError(describe_error(error)) from error
    return (doc or "").strip().partition("\n")[0].strip()


def _spec(name: str) -> importlib.machinery.ModuleSpec:
    """Find a module; its parents are not imported, as ``importlib.util.find_spec`` would."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top) if top else None
    for part in rest:
        if spec is None:
            break
        top = f"{top}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(top, spec.submodule_search_locations)
    if spec is None:
        raise ImportError(f"there is no module {name!r}")
    return spec


def _chosen(name: str, installed: Sequence[Installed]) -> Installed:
    found = [entry for entry in installed if entry.name == name]
    if not found:
        known = {entry.name for entry in installed}
        raise PluginError(f"no plugin is called {name!r}; {did_you_mean(name, known)}")
    if len(found) > 1:
        raise PluginError(f"plugin {name!r} comes twice: {_clash(found[0], found[1:])}")
    return found[0]


def _imported(entry: Installed) -> object:
    if not entry.target:
        raise PluginError(f"{_named(entry)} {entry.state}")
    try:
        return metadata.EntryPoint(entry.name, entry.target, ENTRY_POINT_GROUP).load()
    except (Exception, SystemExit) as error:
        raise PluginError(f"{_named(entry)} cannot be imported: {describe_error(error)}") from error


def _register(manager: pluggy.PluginManager, plugin: object, entry: Installed) -> None:
    try:
        manager.register(plugin, name=entry.name)
    except pluggy.PluginValidationError as error:
        raise PluginError(
            f"{_named(entry)} is refused by pluggy: {describe_error(error)}"
        ) from error


def _register_wrappers(manager: pluggy.PluginManager, entry: Installed) -> None:
    implementations = checked_hooks(_imported(entry), _named(entry))
    wrappers = {each.hook: each.function for each in implementations if each.wraps}
    if not wrappers:
        raise PluginError(
            f"{_named(entry)} wraps no hook, so --with cannot use it; "
            "a wrapper is marked with @fieldsmith.hookimpl(wrapper=True)"
        )
    _register(manager, SimpleNamespace(**wrappers), entry)


def _schema_of(hooks: pluggy.HookRelay, entry: Installed) -> Schema:
    try:
        schema = hooks.extract_schema()
    except Exception as error:  # a plugin without a schema cannot be used, whatever the reason
        raise PluginError(
            f"{_named(entry)}: extract_schema failed: {describe_error(error)}"
        ) from error
    return checked_schema(schema, _named(entry))


def _is_counts(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(n, int | float) and math.isfinite(n) and n >= 0 for n in value)
    )


def _named(entry: Installed) -> str:
    return f"plugin {entry.name!r} ({entry.origin})"


def describe_error(error: BaseException) -> str:
    """Return an error's type and text and, if a plugin's own line raised it, that line."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    line = author_line(error)
    return f"{text} ({line})" if line else text


def author_line(error: BaseException) -> str:
    """Return "file:line" where a plugin's code raised an error; "" if it was none of that code.

    Lines of this package, of Python's standard library and of pluggy do not count: they only call
    the plugin.
    """
    frames = [each for each in traceback.extract_tb(error.__traceback__) if _is_authors(each)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _is_authors(frame: traceback.FrameSummary) -> bool:
    file = Path(frame.filename)
    python = Path(sysconfig.get_path("stdlib"))
    return not (
        file.is_relative_to(Path(__file__).parent)
        or (file.is_relative_to(python) and "site-packages" not in file.parts)
        or "pluggy" in file.parts
        or frame.filename.startswith("<")
    )
