"""fieldsmith: fine-tune language models to turn documents into records of a declared schema.

What a plugin author imports stands here, and no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .data import Counts, Document, Example, Mentions, Message, Prediction, Record, Reject, Schema
from .errors import InputError, UnknownFormatError
from .files import files_in, read_text, split_of
from .hookspecs import hookimpl

if TYPE_CHECKING:
    from .dataset.loading import jsonl_examples
    from .extraction.extractor import Extractor
    from .schema.navigation import field_list
    from .scoring.counts import exact_counts, set_counts, text_counts
    from .scoring.field_counts import field_counts
    from .scoring.matching import MATCHINGS, best_pairs, levenshtein_similarity, matched
    from .text.normalization import normalise, normalised
    from .toolkit import (
        Format,
        SourceFile,
        ask_for_fields,
        describe_fields,
        read_formats,
        read_schema,
    )

__version__ = "0.1.0"

__all__ = [
    "MATCHINGS",
    "Counts",
    "Document",
    "Example",
    "Format",
    "InputError",
    "Mentions",
    "Message",
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
    "jsonl_examples",
    "levenshtein_similarity",
    "load",
    "matched",
    "normalise",
    "normalised",
    "read_formats",
    "read_schema",
    "read_text",
    "set_counts",
    "split_of",
    "text_counts",
]

_LAZY = {
    "MATCHINGS": "scoring.matching",
    "Format": "toolkit",
    "SourceFile": "toolkit",
    "ask_for_fields": "toolkit",
    "best_pairs": "scoring.matching",
    "describe_fields": "toolkit",
    "exact_counts": "scoring.counts",
    "field_counts": "scoring.field_counts",
    "field_list": "schema.navigation",
    "jsonl_examples": "dataset.loading",
    "levenshtein_similarity": "scoring.matching",
    "matched": "scoring.matching",
    "normalise": "text.normalization",
    "normalised": "text.normalization",
    "read_formats": "toolkit",
    "read_schema": "toolkit",
    "set_counts": "scoring.counts",
    "text_counts": "scoring.counts",
}


def __getattr__(name: str) -> object:
    """Import what needs jsonschema or numpy only when it is used: the command line starts fast."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)


def load(run: str | Path) -> Extractor:
    """Load a run's model; call the result with a text to get a Prediction.

    >>> extractor = fieldsmith.load("runs/recipes-20260101-120000")  # doctest: +SKIP
    >>> extractor("Boil two eggs.").record  # doctest: +SKIP
    {'ingredients': ['eggs'], ...}

    Raises:
        RunError: the folder is no complete run, or its receipt does not match.
    """
    from .extraction.extractor import Extractor

    return Extractor.load(Path(run))
