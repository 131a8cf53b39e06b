"""Title, authors, abstract, DOI and arXiv id from the title pages of papers.

One paper of a JSON list (the text is cut to the first page)::

    [{"id": "cs/9809018",
      "title": "Foxes and anticoagulants",
      "authors": ["Ann-Mari van der Oke", "Bo Li"],
      "abstract": "Foxes bleed for longer than hens do.",
      "doi": null,
      "article_text": "arXiv:cs/9809018v2\\nFoxes and anticoagulants\\nAnn-Mari van der Oke 1,* and
Bo Li2\\n1 Hen House, Okeby\\nAbstract. Foxes bleed for longer than hens do.\\n1 Introduction"}]

and its record, with the id and the names as the text writes them::

    {"id": "cs/9809018v2", "title": "Foxes and anticoagulants",
     "authors": ["Ann-Mari van der Oke", "Bo Li2"],
     "abstract": "Foxes bleed for longer than hens do.", "doi": null}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import fieldsmith
from fieldsmith import (
    Counts,
    Document,
    Example,
    FetchSource,
    Message,
    Prediction,
    Reject,
    Schema,
    hookimpl,
)

from . import fetching, formats, metric

_HERE = Path(__file__).parent


_RULES = """\
You extract bibliographic metadata from the title page of a scientific paper.
- Copy each value exactly as the page prints it. Keep line breaks and hyphens at line ends.
- Take title, authors and abstract of this paper. Leave out journal names, running heads, \
keywords, editors and the authors of other works.
- Give authors in the order and form printed: do not spell out initials or swap first and last \
names. A digit joined to a name without a space stays with it.
- Use null for what the page does not show, and an empty list for no authors. Never complete an \
id, a DOI or a name from memory.
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
    """Read JSON with texts, TEI, text or PDF, recognised by content; None is the sample.

    Keys of JSON are named by ``names``.

    Raises:
        InputError: there is nothing at ``source``, a file breaks the rules of its format, or a
            snapshot of arXiv comes without texts.
        UnknownFormatError: ``source`` is a file in none of these formats.
    """
    return formats.read(_HERE / "sample" if source is None else source, names)


@hookimpl
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Count each field by GROBID's four matchings, authors as a set of normalised names."""
    return metric.counts(example, prediction, schema)


@hookimpl
def extract_settings(preset: str) -> dict[str, object]:
    """Use the first page as one window; the small embedded model uses windows of 1,200 tokens.

    Its context has no room for more beside an answer with an abstract and the names. The score is
    macro F1 by Levenshtein.
    """
    settings: dict[str, object] = {
        "window": "document",
        "score": [f"{key}_levenshtein" for key in metric.MATCHED],
    }
    if preset == "embedded":
        # Rows of this length take half the time with sdpa on a CPU, and much memory in large
        # evaluation batches; the preset is made for short rows. Titles improve beyond five epochs.
        rows = {"attention": "sdpa", "batch_size": 2, "eval_batch_size": 16, "epochs": 8}
        window = {"window": "tokens", "window_size": 1200, "window_overlap": 256}
        settings |= {**window, "max_length": 2048, "max_new_tokens": 768, **rows}
    if preset in fieldsmith.SMALL_PRESETS:
        # Five epochs, as the recipe says, would take a CPU over an hour for 400 pages.
        settings |= {"epochs": 3, "batch_size": 2, "accumulation": 4}
    return settings


@hookimpl
def extract_fetch() -> Mapping[str, FetchSource]:
    """Return arXiv: papers as PDF, and their metadata as labels."""
    return {"arxiv": fetching.SOURCE}
