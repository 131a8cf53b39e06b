"""Checks of a plugin's module: that it loads, what it imports, and its settings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ..errors import PluginError, SchemaError
from ..recipes import causal_preset, in_words, preset_names, read_preset
from ..settings import EMBEDDED, resolve
from .plugin_under_test import PluginUnderTest, settings_under
from .registry import check

HEAVY = frozenset(
    "accelerate bitsandbytes bs4 datasets fitz jax llguidance lxml matplotlib nltk pandas "
    "pdfplumber peft PIL polars pyarrow pypdf pypdfium2 rdflib requests scipy sklearn spacy "
    "tensorflow tokenizers torch trafilatura transformers trl".split()
)
"""Libraries that take a tenth of a second or more to import, or that not everybody has."""


@check
def check_loads(tested: PluginUnderTest) -> str:
    """It is installed, can be imported, and has the required hooks with their arguments."""
    plugin = tested.loading
    if isinstance(plugin, SchemaError):
        return "it does; its schema cannot be used"
    if isinstance(plugin, PluginError):
        raise plugin
    wrapped = "".join(f", wrapped by {name}" for name in plugin.wrappers)
    return f"{plugin.name} ({plugin.distribution} {plugin.version}){wrapped}"


@check
def check_import_is_light(tested: PluginUnderTest) -> str:
    """Importing it imports no large or optional library."""
    _ = tested.plugin
    heavy = sorted(HEAVY & {name.partition(".")[0] for name in tested.clean_process.modules})
    if heavy:
        raise PluginError(
            f"importing {tested.module} imports {', '.join(heavy)}, which slows every command; "
            f"import it inside the function that uses it"
        )
    return f"{tested.module} imports none of the {len(HEAVY)} slow libraries"


@check
def check_imports_fieldsmith_alone(tested: PluginUnderTest) -> str:
    """Its files import the package fieldsmith, and none of its submodules."""
    files = tested.source_files
    for file in files:
        for name, line in _imports(file):
            if name.startswith("fieldsmith."):
                raise PluginError(
                    f"{file.name}:{line} imports {name}, which may change with any version; "
                    f"import what you need from fieldsmith (see fieldsmith.__all__)"
                )
    return f"{len(files)} files"


@check
def check_settings_are_known(tested: PluginUnderTest) -> str:
    """extract_settings returns known settings with valid values under every preset."""
    recipes = (causal_preset(int(size), in_words(int(size))) for size in (1e8, 1e9))
    for preset in (*map(read_preset, preset_names()), *recipes):
        resolve(preset, tested.plugin.name, tested.plugin.settings(preset.name), {})
    settings = settings_under(EMBEDDED, tested.plugin)
    own = tested.plugin.settings(EMBEDDED)
    values = ", ".join(f"{name}={getattr(settings, name)}" for name in own)
    return f"under the preset {EMBEDDED}: {values or 'none of its own'}"


@check
def check_sources_are_usable(tested: PluginUnderTest) -> str:
    """extract_fetch returns sources with the values that they need; nothing is fetched."""
    return ", ".join(tested.plugin.sources()) or "none"


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the modules that a file imports by absolute name, with their lines."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", node.lineno
