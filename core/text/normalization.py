"""Normalization of strings: the steps of ``x-normalise``, and case folding for comparisons.

A record keeps verbatim strings as they are in the document. Their normalised forms are written
beside it, and scores compare these.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import regex

from ..data import Record, Schema
from ..errors import PluginError, did_you_mean
from ..schema.annotations import STEPS
from ..schema.navigation import property_schema, resolve
from ..schema.pointers import leaves

# A break at the end of a line. A hyphen before a capital or digit is part of the word: "COVID-19".
_BROKEN_WORD = regex.compile(r"(?<=\p{L})[-\u2010\u00ad][^\S\n]*\r?\n\s*(?=\p{Ll}|\p{Lo})")
_BROKEN_COMPOUND = regex.compile(r"(?<=[\p{L}\p{N}][-\u2010])[^\S\n]*\r?\n\s*(?=[\p{L}\p{N}])")
_NO_LETTER = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def _dehyphenate(text: str) -> str:
    whole: str = _BROKEN_COMPOUND.sub("", _BROKEN_WORD.sub("", text))
    return whole.replace("\u00ad", "")


STEP_FUNCTIONS: Mapping[str, Callable[[str], str]] = {
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "dehyphenate": _dehyphenate,
    "spaces": lambda text: " ".join(text.split()),
    "casefold": str.casefold,
    "punctuation": lambda text: str(_NO_LETTER.sub("", text)),
}
"""The steps of ``x-normalise``.

- ``nfkc``: the compatibility form of Unicode (UAX #15)
- ``dehyphenate``: joins a word that a hyphen breaks over two lines
- ``spaces``: makes each run of white space one space, and removes it at the ends
- ``casefold``: folds case (The Unicode Standard, section 3.13)
- ``punctuation``: removes everything but letters, marks and digits
"""


def fold(text: str) -> str:
    """Fold case and collapse white space, for comparisons that ignore both.

    >>> fold("Folic\\n ACID ")
    'folic acid'
    """
    return " ".join(text.casefold().split())


def normalise(text: str, steps: Iterable[str]) -> str:
    """Apply the steps of ``x-normalise`` to a text, in the order given.

    >>> normalise("Anticoag-\\nulants in  COVID-\\n19", ["dehyphenate", "spaces", "casefold"])
    'anticoagulants in covid-19'

    Raises:
        PluginError: there is no such step.
    """
    for step in steps:
        if step not in STEP_FUNCTIONS:
            raise PluginError(
                f"x-normalise: there is no step {step!r}; {did_you_mean(step, STEPS)}"
            )
        text = STEP_FUNCTIONS[step](text)
    return text


def normalised(record: Record, schema: Schema) -> Record:
    """Return a record with each string normalised by the ``x-normalise`` of its field."""
    whole: Record = _normalised(record, schema, schema)
    return whole


def normal_forms(record: Record, schema: Schema) -> dict[str, str]:
    """Return JSON Pointer -> normalised form of each leaf that normalisation changes."""
    written = dict(leaves(record))
    return {
        pointer: form
        for pointer, form in leaves(normalised(record, schema))
        if isinstance(form, str) and form != written[pointer]
    }


def _normalised(value: Any, schema: Mapping[str, Any] | bool, root: Schema) -> Any:
    here = resolve(schema, root)
    if isinstance(value, dict):
        return {
            key: _normalised(item, property_schema(here, key), root) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_normalised(item, here.get("items", {}), root) for item in value]
    return normalise(value, here.get("x-normalise", ())) if isinstance(value, str) else value
