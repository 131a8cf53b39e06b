"""What is asked of a teacher: the plugin's prompt, the settings of windows, a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping

from ..extraction.extractor import Extractor
from ..extraction.zero_shot import ZeroShot
from ..model.prompts import PromptFormat
from ..model.tokenizer import load_tokenizer
from ..plugins import Plugin
from ..recipes import causal_preset
from ..settings import Settings, resolve
from ..task import Task

_LARGE = 8_000_000_000
"""Parameters from which on a model is asked as large ones are."""


def server_task(plugin: Plugin, chosen: Mapping[str, object]) -> Task:
    """Return the task of a server: what a large causal model is asked.

    The tokens of a window (``window_size``) are those of the embedded model, which are shorter
    than those of a large model: the server's own tokenizer is not known.

    Args:
        plugin: the domain.
        chosen: settings that the user set, by name.

    Raises:
        SettingsError: a setting is wrong.
    """
    preset = causal_preset(_LARGE, "any number of")
    settings = resolve(preset, plugin.name, plugin.settings(preset.name), chosen).values
    return Task(plugin, settings, PromptFormat(load_tokenizer(Settings())))


def local_extractor(plugin: Plugin, model: str, chosen: Mapping[str, object]) -> Extractor:
    """Load a model of this machine, which is asked as without a run.

    Args:
        plugin: the domain.
        model: of the hub, a folder or a file.
        chosen: settings that the user set, by name.

    Raises:
        GrammarError, SchemaError: answers cannot be constrained to the plugin's schema.
        SettingsError: a setting is wrong, or the model does not load.
    """
    return ZeroShot.of(plugin, None, {**chosen, "model": model}).load()
