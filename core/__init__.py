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
    from .field_scores import field_counts
    from .matching import MATCHINGS, best_pairs, levenshtein_similarity, matched, text_counts
    from .metrics import exact_counts, set_counts
    from .normal_forms import normalise, normalised
    from .predict import Extractor
    from .schema import field_list
    from .sources import jsonl_examples

__version__ = "0.1.0"

__all__ = [
    "MATCHINGS",
    "Counts",
    "Document",
    "Example",
    "InputError",
    "Mentions",
    "Message",
    "Prediction",
    "Record",
    "Reject",
    "Schema",
    "UnknownFormatError",
    "best_pairs",
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
    "read_text",
    "set_counts",
    "split_of",
    "text_counts",
]

_LAZY = {
    "MATCHINGS": "matching",
    "best_pairs": "matching",
    "exact_counts": "metrics",
    "field_counts": "field_scores",
    "field_list": "schema",
    "jsonl_examples": "sources",
    "levenshtein_similarity": "matching",
    "matched": "matching",
    "normalise": "normal_forms",
    "normalised": "normal_forms",
    "set_counts": "metrics",
    "text_counts": "matching",
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
    from .predict import Extractor

    return Extractor.load(Path(run))
