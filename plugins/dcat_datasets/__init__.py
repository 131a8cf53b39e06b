"""The datasets that a paper uses or introduces, described in terms of DCAT.

One paper of MetaMine: ``paper_7.json``, as a language model wrote it ::

    [{"dcterms:creator": ["Ilka Marrow"], "dcterms:title": "TROVEL corpus", "dcterms:issued": "",
      "dcterms:language": ["English"], "dcat:theme": "NLP", "dcterms:landingPage": ""}]

beside ``paper_7_thinking.txt``, the prose about these datasets, and its record after repair::

    {"datasets": [{"dcterms:title": "TROVEL corpus", "dcterms:creator": ["Ilka Marrow"],
                   "dcterms:issued": null, "dcterms:language": "English",
                   "dcat:landingPage": null, "dcat:theme": ["NLP"]}]}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import fieldsmith
from fieldsmith import (
    Counts,
    Document,
    Example,
    Message,
    Prediction,
    Record,
    Reject,
    Schema,
    hookimpl,
)

from . import formats, metric

_HERE = Path(__file__).parent


_RULES = """\
You list the datasets that a scientific text uses or introduces, described in terms of DCAT.
- A dataset is a collection of data, such as a corpus, a benchmark or a database. Models, tools, \
methods and metrics are not datasets.
- Write one object for each dataset, whatever names the text uses for it.
- Say only what the text says about the dataset itself. Its creators and its date are not those of \
the paper, unless the paper introduces it.
- Use null, or an empty list, for what the text does not say. Never make up an identifier, an \
address, a date or a version.
Answer with one JSON object and nothing else; {"datasets": []} if there is none."""


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
def extract_load(source: Path | None) -> Iterable[Example | Reject]:
    """Read MetaMine's pairs, a .tar.gz of them, MeXtract's parquet, or JSONL; None is the sample.

    Raises:
        InputError: there is nothing at ``source``, or it cannot be read at all.
        UnknownFormatError: ``source`` is in none of these formats.
    """
    return formats.read(_HERE / "sample" if source is None else source)


@hookimpl
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Match datasets one to one by title, then count the fields of matched pairs."""
    return metric.counts(example, prediction)


@hookimpl
def extract_settings(preset: str) -> dict[str, object]:
    """Use token windows for small models, whole documents for large ones.

    The windows are long, because a small model learns to answer nothing from windows without a
    dataset. Rows of this length take half the time with sdpa on a CPU; batches are small because
    there are few rows.
    """
    score = {"score": ["datasets", "values"]}
    windows = {"window": "tokens", "window_size": 640, "window_overlap": 32, "max_length": 2048}
    windows |= {"max_new_tokens": 768, "eval_batch_size": 16}
    if preset == "embedded":
        return {**windows, "attention": "sdpa", "batch_size": 4, "epochs": 3, **score}
    if preset in fieldsmith.SMALL_PRESETS:
        # Their tokens are shorter: the answers of a window may take four times its text.
        answers = {"max_length": 4096, "max_new_tokens": 2048}
        rows = {"batch_size": 1, "accumulation": 8, "epochs": 2}
        return {**windows, **answers, **rows, **score}
    if preset == "llama-3.2-3b-30k":  # whole papers: keep the max_length of the preset
        return {"window": "document", "max_new_tokens": 3072, **score}
    return {"window": "document", "max_length": 8192, "max_new_tokens": 3072, **score}


@hookimpl
def extract_export(records: Mapping[str, Record], format: str) -> str:
    """Return the records of some documents as one DCAT catalogue in "turtle" or "jsonld".

    Raises:
        UnknownFormatError: ``format`` is neither of these.
        InputError: rdflib is not installed.
    """
    from . import rdf

    return rdf.export(records, format)
