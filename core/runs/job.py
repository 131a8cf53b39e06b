"""What a training was asked for, as run.json keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..plugins import Plugin, load
from ..settings import Resolved
from .folder import Run


@dataclass(frozen=True)
class Order:
    """What is to be trained on what; run.json holds it, so that it can be gone on with.

    source: the data, or None for the plugin's bundled sample.
    auto_batch: whether to go on with a smaller batch where the memory does not hold it.
    """

    plugin: Plugin
    source: Path | None
    preset: str
    settings: Resolved
    allow_leaks: bool
    auto_batch: bool = False

    @staticmethod
    def of(run: Run) -> Order:
        """Return the order of an earlier training.

        Raises:
            PluginError: its plugin is not installed.
        """
        info = run.info()
        data = info["data"]
        return Order(
            plugin_of(run),
            Path(data["source"]) if data["source"] else None,
            info["preset"],
            run.settings(),
            data["allow_leaks"],
            bool(info.get("auto_batch", False)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the entries of run.json that ``of`` reads."""
        return {
            "plugin": {
                "name": self.plugin.name,
                "distribution": self.plugin.distribution,
                "version": self.plugin.version,
                "wrappers": list(self.plugin.wrappers),
            },
            "preset": self.preset,
            "settings": self.settings.as_json(),
            "data": {
                "source": str(self.source.resolve()) if self.source else None,
                "allow_leaks": self.allow_leaks,
            },
            "auto_batch": self.auto_batch,
        }


def plugin_of(run: Run) -> Plugin:
    """Load the plugin that a run was trained for.

    Raises:
        PluginError: it is not installed any more.
    """
    stored = run.info()["plugin"]
    return load(stored["name"], tuple(stored["wrappers"]))
