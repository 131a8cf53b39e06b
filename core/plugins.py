"""Find installed plugins, and load one behind methods that check what its hooks return.

What is installed is read from the metadata of distributions and from source text. Only the plugin
that is asked for is imported, so a broken one beside it does no harm. Each ``Plugin`` has a
``PluginManager`` of its own: a shared one would call the hooks of other domains, too.
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
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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

    Attributes:
        target: the module that the entry point names.
        description: the first line of that module's docstring, or "".
        state: "ok", or what is wrong as far as that can be known without an import.
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

    @property
    def title(self) -> str:
        """The name with the distribution, as messages begin."""
        return f"plugin {self.name!r} ({self.origin})"


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin: its hooks as methods that check what the hooks return.

    Each method raises PluginError if its hook returns a value of another kind.

    Attributes:
        description: the first line of the plugin's docstring.
        wrappers: names of the plugins whose wrappers are around the hooks, the outermost last.
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

        Raises:
            InputError: the source cannot be read at all.
        """
        rows = self._hooks.extract_load(source=source)
        if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
            raise self._wrong("extract_load", rows, "an iterable of Example and Reject")
        return self._examples(rows)

    def metric(self, example: Example, prediction: Prediction) -> dict[str, Counts]:
        """Return (matched, predicted, gold) by name for one document."""
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
        """Return the domain's own defaults under a preset, by setting name."""
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
        return PluginError(
            f"plugin {self.name!r} ({self.distribution} {self.version}): {hook} {verb} "
            f"{type(value).__name__} {shortened(value)}; it has to be {wanted}"
        )


def find() -> list[Installed]:
    """Return the installed plugins, sorted by name, without importing any.

    Two distributions that declare the same name are both listed, with that as their state.
    """
    entries = sorted(_entries(), key=lambda entry: (entry.name, entry.distribution))
    return [
        _described(entry, [other for other in entries if other.name == entry.name])
        for entry in entries
    ]


def load(name: str, with_names: Sequence[str] = ()) -> Plugin:
    """Import the plugin called ``name``, with the wrappers of others around its hooks.

    Args:
        name: the name of its entry point.
        with_names: further installed plugins; only their hooks with ``wrapper=True`` or
            ``hookwrapper=True`` are used, each around those before it.

    Raises:
        PluginError: a plugin is unknown, declared twice, cannot be imported, or does not follow
            ``fieldsmith.hookspecs``; the message names it, its distribution and what to do.
    """
    installed = find()
    entry = _chosen(name, installed)
    module = _imported(entry)
    check_complete(checked_hooks(module, entry.title), entry.title)
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    with _blaming(entry, " is refused by pluggy"):
        manager.register(module, name=name)
    for position, other in enumerate(with_names):
        if other == name or other in with_names[:position]:
            raise PluginError(f"plugin {other!r} is asked for twice; name it once")
        _register_wrappers(manager, _chosen(other, installed))
    with _blaming(entry, ": extract_schema failed"):
        schema = manager.hook.extract_schema()
    return Plugin(
        name=name,
        distribution=entry.distribution,
        version=entry.version,
        description=entry.description,
        wrappers=tuple(with_names),
        schema=checked_schema(schema, entry.title),
        _hooks=manager.hook,
    )


def state_of(entry: Installed) -> str:
    """Import a plugin and return "ok", "wrapper" (for ``--with`` only), or what is wrong."""
    if entry.state != OK:
        return entry.state
    try:
        if is_wrapper(checked_hooks(_imported(entry), entry.title)):
            return WRAPPER
        load(entry.name)
    except PluginError as error:
        return str(error).removeprefix(f"{entry.title} ")
    return OK


def _entries() -> Iterator[Installed]:
    """Yield each entry point of the group once, however often a distribution is listed.

    An editable install beside a folder on the path lists a distribution twice; an import finds
    the first one.
    """
    seen: set[tuple[str, str, str]] = set()
    for distribution in metadata.distributions():
        # Most distributions have no plugin: reading the rest of their metadata would take time.
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


def _described(entry: Installed, claims: Sequence[Installed]) -> Installed:
    """Add description and state; ``claims`` are all entries of that name."""
    if entry.state != OK:
        return entry
    clash = f"comes twice: {_clash(claims)}" if len(claims) > 1 else OK
    try:
        return replace(entry, description=_first_line(entry.target), state=clash)
    except ImportError as error:
        broken = f"cannot be imported: {describe_error(error)}"
        return replace(entry, state=broken if clash == OK else clash)


def _clash(claims: Sequence[Installed]) -> str:
    if len({each.distribution for each in claims}) == 1:
        targets = sorted({each.target for each in claims})
        return (
            f"{claims[0].origin} declares it for {' and '.join(targets)}; "
            "its entry points need different names"
        )
    origins = sorted({each.origin for each in claims})
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
        raise PluginError(f"plugin {name!r} comes twice: {_clash(found)}")
    return found[0]


def _imported(entry: Installed) -> object:
    if not entry.target:
        raise PluginError(f"{entry.title} {entry.state}")
    with _blaming(entry, " cannot be imported"):
        return metadata.EntryPoint(entry.name, entry.target, ENTRY_POINT_GROUP).load()


@contextmanager
def _blaming(entry: Installed, fault: str) -> Iterator[None]:
    """Turn whatever a plugin raises into a PluginError that names it."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise PluginError(f"{entry.title}{fault}: {describe_error(error)}") from error


def _register_wrappers(manager: pluggy.PluginManager, entry: Installed) -> None:
    implementations = checked_hooks(_imported(entry), entry.title)
    wrappers = {each.hook: each.function for each in implementations if each.wraps}
    if not wrappers:
        raise PluginError(
            f"{entry.title} wraps no hook, so --with cannot use it; "
            "a wrapper is marked with @fieldsmith.hookimpl(wrapper=True)"
        )
    with _blaming(entry, " is refused by pluggy"):
        manager.register(SimpleNamespace(**wrappers), name=entry.name)


def _is_counts(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(n, int | float) and math.isfinite(n) and n >= 0 for n in value)
    )


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
