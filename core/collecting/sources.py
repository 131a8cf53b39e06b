"""Find the plugin that has a source of a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import PluginError, SettingsError, did_you_mean
from ..fetch_source import FetchSource
from ..plugins import OK, find, load


@dataclass(frozen=True)
class FoundSource:
    """A source, its name, and the plugin that has it."""

    name: str
    plugin: str
    source: FetchSource


def find_source(name: str, plugin: str | None = None) -> FoundSource:
    """Return the source of a name.

    Args:
        name: what the user asks for.
        plugin: the plugin that has it; None to look into all that are installed.

    Raises:
        SettingsError: no plugin has it, or several have.
        PluginError: the plugin that is named is not installed or is broken.
    """
    known: dict[str, list[FoundSource]] = {}
    broken = []
    for each in [plugin] if plugin else [entry.name for entry in find() if entry.state == OK]:
        try:
            sources: Mapping[str, FetchSource] = load(each).sources()
        except PluginError:
            if plugin:
                raise
            broken.append(each)
            continue
        for known_name, source in sources.items():
            known.setdefault(known_name, []).append(FoundSource(known_name, each, source))
    if name not in known:
        hint = did_you_mean(name, known)
        unread = f"; not looked into, because broken: {', '.join(broken)}" if broken else ""
        raise SettingsError(f"no plugin has a source {name!r}; {hint}{unread}")
    first, *others = known[name]
    if others:
        names = ", ".join(found.plugin for found in known[name])
        raise SettingsError(f"several plugins have a source {name!r} ({names}); add --plugin")
    return first
