"""Chemicals, diseases and chemical-induced diseases in biomedical abstracts.

One document of the BioCreative V CDR corpus, in its PubTator format (columns are tabs)::

    8701013|t|Famotidine-associated delirium. A series of six cases.
    8701013|a|Famotidine is a histamine H2-receptor antagonist used in inpatient settings ...
    8701013  0   10  Famotidine  Chemical  D015738
    8701013  22  30  delirium    Disease   D003693
    8701013  55  65  Famotidine  Chemical  D015738
    8701013  CID  D015738  D003693

and its record::

    {"chemicals": ["Famotidine"], "diseases": ["delirium"],
     "relations": [{"chemical": "Famotidine", "disease": "delirium"}]}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import fieldsmith
from fieldsmith import Counts, Document, Example, Message, Prediction, Reject, Schema, hookimpl

from . import formats, metric

_HERE = Path(__file__).parent


_RULES = """\
You extract chemicals, diseases and chemical-induced diseases from biomedical abstracts.
- Copy each name exactly as the text writes it. Do not expand, translate or correct it.
- A full name and its abbreviation are two names. Names that differ only in case are one.
- Genes, species, doses and procedures are neither chemicals nor diseases.
- In a relation the chemical is the cause and the disease is the effect. A chemical that treats \
the disease, or is only mentioned beside it, is not a relation.
- Use an empty list where the text names nothing.
Answer with one JSON object and nothing else."""


@hookimpl
def extract_schema() -> Schema:
    """Return the schema of ``schema.json``."""
    return fieldsmith.read_schema(__file__)


@hookimpl
def extract_prompt(document: Document, schema: Schema) -> list[Message]:
    """Return the rules, the fields with the descriptions of the schema, and the text."""
    fields = fieldsmith.describe_fields(schema)
    return [
        Message("system", _RULES),
        Message("user", f"Fields:\n{fields}\n\nText:\n{document.text}"),
    ]


@hookimpl
def extract_brief_prompt(document: Document, schema: Schema) -> list[Message]:
    """Return a prompt that only names the fields, which is enough for the embedded model."""
    return fieldsmith.ask_for_fields(document, schema)


@hookimpl
def extract_load(source: Path | None, names: Mapping[str, str]) -> Iterable[Example | Reject]:
    """Read annotated abstracts of any format in ``formats``; None is the sample.

    Types of mentions and kinds of relations are named by ``names``.

    Raises:
        InputError: there is nothing at ``source``, or it is a file that cannot be read.
        UnknownFormatError: ``source`` is a file in none of these formats.
    """
    return formats.read(_HERE / "sample" if source is None else source, names)


@hookimpl
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Count distinct strings, relations, and mentions where offsets are known."""
    return metric.counts(example, prediction)


@hookimpl
def extract_settings(preset: str) -> dict[str, object]:
    """Use short windows for small models, whole abstracts for large ones.

    The embedded model learns the context of a name from augmented copies with other names: two
    epochs over each window, a sentence, and its two copies. Small pretrained models find as much
    after one epoch of windows of a few sentences as after five of whole abstracts.
    """
    score = {"score": ["chemicals", "diseases", "relations"]}
    if preset == "embedded":
        return {"window": "sentences", "augment_copies": 2, "epochs": 2, **score}
    if preset in fieldsmith.SMALL_PRESETS:
        window = {"window": "tokens", "window_size": 128, "window_overlap": 0}
        return {**window, "batch_size": 8, "accumulation": 1, "epochs": 4, **score}
    return {"window": "document", **score}
