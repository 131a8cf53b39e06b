"""Forms of a text in which two spellings of one thing are equal, as ``x-normalise`` names them.

A record holds verbatim leaves as they stand; their normal form stands beside it, and scores
compare it on both sides.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import regex

from ..data import Record, Schema
from ..errors import PluginError, did_you_mean
from ..schema.navigation import member, resolve
from ..schema.pointers import leaves

# A break at a line's end; a hyphen before a capital or a digit belongs to the word ("COVID-19").
_BROKEN_WORD = regex.compile(r"(?<=\p{L})[-\u2010\u00ad][^\S\n]*\r?\n\s*(?=\p{Ll}|\p{Lo})")
_BROKEN_COMPOUND = regex.compile(r"(?<=[\p{L}\p{N}][-\u2010])[^\S\n]*\r?\n\s*(?=[\p{L}\p{N}])")
_NO_LETTER = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def _dehyphenate(text: str) -> str:
    whole: str = _BROKEN_COMPOUND.sub("", _BROKEN_WORD.sub("", text))
    return whole.replace("\u00ad", "")


STEPS: Mapping[str, Callable[[str], str]] = {
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "dehyphenate": _dehyphenate,
    "spaces": lambda text: " ".join(text.split()),
    "casefold": str.casefold,
    "punctuation": lambda text: str(_NO_LETTER.sub("", text)),
}
"""What a step does: the compatibility form of Unicode (UAX #15); a word that a hyphen breaks over
two lines made whole; runs of white space made one space, none at the ends; case folded (The
Unicode Standard, section 3.13); everything but letters and digits left out."""


def normalise(text: str, steps: Iterable[str]) -> str:
    """Apply steps to a text, in their order.

    >>> normalise("Anticoag-\\nulants in  COVID-\\n19", ["dehyphenate", "spaces", "casefold"])
    'anticoagulants in covid-19'

    Raises:
        PluginError: there is no such step.
    """
    for step in steps:
        if step not in STEPS:
            raise PluginError(
                f"x-normalise: there is no step {step!r}; {did_you_mean(step, STEPS)}"
            )
        text = STEPS[step](text)
    return text


def normalised(record: Record, schema: Schema) -> Record:
    """Return a record with each string as the ``x-normalise`` of its field has it."""
    whole: Record = _normalised(record, schema, schema)
    return whole


def normal_forms(record: Record, schema: Schema) -> dict[str, str]:
    """Return JSON Pointer -> normal form of each leaf that stands otherwise in the record."""
    written = dict(leaves(record))
    return {
        pointer: form
        for pointer, form in leaves(normalised(record, schema))
        if isinstance(form, str) and form != written[pointer]
    }


def _normalised(value: Any, schema: Mapping[str, Any] | bool, root: Schema) -> Any:
    here = resolve(schema, root)
    if isinstance(value, dict):
        return {key: _normalised(item, member(here, key), root) for key, item in value.items()}
    if isinstance(value, list):
        return [_normalised(item, here.get("items", {}), root) for item in value]
    return normalise(value, here.get("x-normalise", ())) if isinstance(value, str) else value
