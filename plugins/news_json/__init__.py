"""Country, headline, author, source, opening and other metadata of news pages.

One row of article JSONL, which is converted to the text of a page::

    {"title": "Storm over Vellin", "authors": ["Jane Roe", "Ann Oke"], "site_name": "Vellin Post",
     "country": "Ireland", "lang": "en-IE", "url": "https://vellin.example/storm",
     "paragraphs": ["A storm came over the bay on Monday.", "Nobody was hurt."],
     "hit_sentence": "... Nobody was hurt. ..."}

and its record::

    {"Country": "Ireland", "Headline": "Storm over Vellin", "Hit Sentence": "Nobody was hurt.",
     "Influencer": "Jane Roe and Ann Oke", "Language": "English",
     "Opening Text": "A storm came over the bay on Monday.", "Source": "Vellin Post",
     "URL": "https://vellin.example/storm"}
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
    Record,
    Reject,
    Schema,
    hookimpl,
)

from . import export, fetching, formats, metric

_HERE = Path(__file__).parent


_RULES = """\
You extract what a news page says about its main article.
- Leave out menus, advertisements, comments and the teasers of other articles.
- Copy Headline, Hit Sentence, Influencer, Opening Text, Source and URL exactly as the page \
writes them.
- Infer Country and Language. Country is where the paper or station is from, not where the events \
take place.
- Take the by-line as a whole, however many authors it names.
- The address stands on a line of its own that begins with "URL:". Without that line URL is null; \
never compose an address from the name of the site.
- Use null for what the page does not say.
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
    """Read HTML, article JSONL or instruct JSON, recognised by content; None is the sample.

    Keys of article JSONL are named by ``names``.

    Raises:
        InputError: there is nothing at ``source``, or it is a file that cannot be read.
        UnknownFormatError: ``source`` is a file in none of these formats.
    """
    return formats.read(_HERE / "sample" if source is None else source, names)


@hookimpl
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Count each field by equality and by similarity, and the filled fields."""
    return metric.counts(example, prediction)


@hookimpl
def extract_settings(preset: str) -> dict[str, object]:
    """Use token windows: large ones, which most pages fit, for large models, else small ones."""
    score = list(metric.SCORE)
    if preset != "embedded" and preset not in fieldsmith.SMALL_PRESETS:
        room = {"window_size": 3072, "window_overlap": 256, "max_length": 4096}
        return {"window": "tokens", **room, "score": score}
    # Most values are in the first 1,200 tokens, and a small model learns to answer nothing from
    # windows without values. Rows of this length take half the time with sdpa on a CPU, in small
    # batches.
    room = {"window_size": 1200, "window_overlap": 64, "max_length": 2048, "max_new_tokens": 512}
    rows: dict[str, object] = {"batch_size": 2, "eval_batch_size": 16}
    rows |= {"attention": "sdpa"} if preset == "embedded" else {"accumulation": 2, "epochs": 2}
    return {"window": "tokens", **room, **rows, "score": score}


@hookimpl
def extract_export(records: Mapping[str, Record], format: str) -> str:
    """Return records in the original format: one JSON object per line, with ellipses.

    Raises:
        UnknownFormatError: ``format`` is not "original".
    """
    return export.exported(records, format)


@hookimpl
def extract_fetch() -> Mapping[str, FetchSource]:
    """Return the web: pages of a list of addresses, or of a feed."""
    return {"news": fetching.SOURCE}
