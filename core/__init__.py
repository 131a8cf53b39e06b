"""fieldsmith: fine-tune language models to extract records of a declared schema from documents.

This module exports what the author of a plugin needs, ``load`` for using a trained model, and
``zero_shot`` for one that was not trained.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from .data import (
    Counts,
    Document,
    Example,
    Mentions,
    Message,
    PageWord,
    Prediction,
    Record,
    Reject,
    Schema,
)
from .errors import (
    FetchError,
    IncompleteError,
    InputError,
    ListingExpiredError,
    UnknownFormatError,
)
from .fetch_source import FetchItem, FetchPage, FetchRequest, FetchResponse, FetchSource
from .files import files_in, parse_json, read_text, split_of
from .hookspecs import hookimpl

if TYPE_CHECKING:
    from .dataset.row_examples import jsonl_examples
    from .dataset.standoff import identifier_of
    from .extraction.extractor import Extractor
    from .reading.html import parse_html, visible_text
    from .reading.reader import read_first_pages, read_within_limits
    from .recipes import SMALL_PRESETS
    from .schema.navigation import field_list
    from .scoring.counts import exact_counts, set_counts, text_counts
    from .scoring.field_counts import field_counts
    from .scoring.matching import MATCHINGS, best_pairs, levenshtein_similarity, matched
    from .text.marked_html import marked_html
    from .text.normalization import normalise, normalised
    from .toolkit import (
        Format,
        SourceFile,
        ask_for_fields,
        describe_fields,
        read_formats,
        read_schema,
        renamed,
        schema_of,
    )

__version__ = "0.1.0"

__all__ = [
    "MATCHINGS",
    "SMALL_PRESETS",
    "Counts",
    "Document",
    "Example",
    "FetchError",
    "FetchItem",
    "FetchPage",
    "FetchRequest",
    "FetchResponse",
    "FetchSource",
    "Format",
    "IncompleteError",
    "InputError",
    "ListingExpiredError",
    "Mentions",
    "Message",
    "PageWord",
    "Prediction",
    "Record",
    "Reject",
    "Schema",
    "SourceFile",
    "UnknownFormatError",
    "ask_for_fields",
    "best_pairs",
    "describe_fields",
    "exact_counts",
    "field_counts",
    "field_list",
    "files_in",
    "hookimpl",
    "identifier_of",
    "jsonl_examples",
    "levenshtein_similarity",
    "load",
    "marked_html",
    "matched",
    "normalise",
    "normalised",
    "parse_html",
    "parse_json",
    "read_first_pages",
    "read_formats",
    "read_schema",
    "read_text",
    "read_within_limits",
    "renamed",
    "schema_of",
    "set_counts",
    "split_of",
    "text_counts",
    "visible_text",
    "zero_shot",
]

_LAZY = {
    "dataset.row_examples": "jsonl_examples",
    "dataset.standoff": "identifier_of",
    "reading.html": "parse_html visible_text",
    "reading.reader": "read_first_pages read_within_limits",
    "recipes": "SMALL_PRESETS",
    "schema.navigation": "field_list",
    "scoring.counts": "exact_counts set_counts text_counts",
    "scoring.field_counts": "field_counts",
    "scoring.matching": "MATCHINGS best_pairs levenshtein_similarity matched",
    "text.marked_html": "marked_html",
    "text.normalization": "normalise normalised",
    "toolkit": "Format SourceFile ask_for_fields describe_fields read_formats read_schema "
    "renamed schema_of",
}
"""Modules that import jsonschema, numpy or yaml -> the names imported from them on first use."""


def __getattr__(name: str) -> object:
    """Import a name of ``_LAZY`` when it is first used, so that the command line starts fast."""
    for module, names in _LAZY.items():
        if name in names.split():
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(run: str | Path, *, trust_remote_code: bool = False) -> Extractor:
    """Load a run's model; call the result with a text to get a Prediction.

    >>> extractor = fieldsmith.load("runs/recipes-20260101-120000")  # doctest: +SKIP
    >>> extractor("Boil two eggs.").record  # doctest: +SKIP
    {'ingredients': ['eggs'], ...}

    Args:
        run: the run folder.
        trust_remote_code: whether you trust code of the base model's repository, if it has any.

    Raises:
        RunError: the folder is not a complete run, or prompts differ from those of its training.
    """
    from .extraction.extractor import Extractor

    return Extractor.load(Path(run), trusted=trust_remote_code)


def zero_shot(plugin: str, model: str, *, shots: int = 0, **settings: object) -> Extractor:
    """Load a model that was not trained; call the result with a text to get a Prediction.

    >>> extractor = fieldsmith.zero_shot("recipes", "Qwen/Qwen3-4B", shots=2)  # doctest: +SKIP
    >>> extractor("Boil two eggs.").record  # doctest: +SKIP
    {'ingredients': ['eggs'], ...}

    Args:
        plugin: name of the plugin that declares schema and prompt.
        model: a model of the Hugging Face hub, a folder, or "embedded".
        shots: how many documents of the plugin's sample stand, with their records, before a text.
        settings: further settings by name, such as ``window="tokens"``.

    Raises:
        PluginError: the plugin is not installed or is broken.
        SettingsError: a setting is wrong, or the model does not load.
    """
    from .extraction.zero_shot import ZeroShot
    from .plugins import load as load_plugin

    asked = ZeroShot.of(load_plugin(plugin), None, {**settings, "model": model}, shots=shots)
    return asked.load(asked.examples(()))
