"""Find installed plugins; nothing is imported.

What is installed is read from the metadata of distributions and from source text, so that a broken
plugin disturbs no other.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from ..errors import PluginError, did_you_mean
from ..hookspecs import ENTRY_POINT_GROUP
from .calls import describe_error

CASES = "cases.yaml"
"""The file with the cases that a plugin ships, in its package."""

OK = "ok"
"""State of a plugin with which nothing is wrong."""


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


def find() -> list[Installed]:
    """Return the installed plugins, sorted by name, without importing any.

    Two distributions that declare the same name are both listed, with that as their state.
    """
    entries = sorted(_entries(), key=lambda entry: (entry.name, entry.distribution))
    return [
        _described(entry, [other for other in entries if other.name == entry.name])
        for entry in entries
    ]


def _entries() -> Iterator[Installed]:
    """Yield each entry point of the group once, however often a distribution is listed.

    An editable install beside a folder on the path lists a distribution twice; an import finds
    the first one.
    """
    seen: set[tuple[str, str, str]] = set()
    for distribution in metadata.distributions():
        # Most distributions have no plugin: reading the rest of their metadata would take time.
        if not _may_declare_plugins(distribution):
            continue
        for entry in _entries_of(distribution):
            project = re.sub(r"[-_.]+", "-", entry.distribution).lower()
            key = (entry.name, project, entry.target)
            if key not in seen:
                seen.add(key)
                yield entry


def _may_declare_plugins(distribution: metadata.Distribution) -> bool:
    try:
        return ENTRY_POINT_GROUP in (distribution.read_text("entry_points.txt") or "")
    except ValueError:  # it is not UTF-8; what it declares is for others to tell
        return False


def _entries_of(distribution: metadata.Distribution) -> Iterator[Installed]:
    project, version = "(no name)", "(no version)"
    try:
        project = str(distribution.metadata["Name"] or project)
        version = str(distribution.metadata["Version"] or version)
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
    except Exception as error:  # what is no module can fail in many ways
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
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
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


def chosen(name: str, installed: Sequence[Installed]) -> Installed:
    """Return the plugin of a name.

    Raises:
        PluginError: there is none, or there are several.
    """
    found = [entry for entry in installed if entry.name == name]
    if not found:
        known = {entry.name for entry in installed}
        raise PluginError(f"no plugin is called {name!r}; {did_you_mean(name, known)}")
    if len(found) > 1:
        raise PluginError(f"plugin {name!r} comes twice: {_clash(found)}")
    return found[0]


def cases_file(name: str) -> Path | None:
    """Return the file ``cases.yaml`` in the package of a plugin; None if it ships none.

    Raises:
        PluginError: there is no such plugin, or there are several.
    """
    entry = chosen(name, find())
    spec = _spec(re.split(r"[:\[]", entry.target)[0].strip())
    folders = spec.submodule_search_locations or ()  # a module alone has no folder of its own
    return next((file for folder in folders if (file := Path(folder, CASES)).is_file()), None)
