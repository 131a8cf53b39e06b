"""The metric: counts of each field by GROBID's four matchings, of authors as a set."""

from __future__ import annotations

import fieldsmith
from fieldsmith import Counts, Example, Prediction, Schema

from . import identifiers, name_lists

MATCHED = ("id", "title", "authors", "abstract", "doi")


def counts(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Return (matched, predicted, gold) for each field of the gold record by four matchings.

    The names are ``KEY_strict``, ``KEY_soft``, ``KEY_levenshtein`` and ``KEY_ratcliff``. Both sides
    are normalised first: hyphenated line breaks are joined, names are split and cleaned,
    identifiers get their normal form. Identifiers are compared for equality under all four
    matchings, as GROBID does.
    """
    gold = fieldsmith.normalised(example.record or {}, schema)
    predicted = fieldsmith.normalised(prediction.record or {}, schema)
    result: dict[str, Counts] = {}
    for key in ("title", "abstract"):
        if key in gold:
            result |= fieldsmith.text_counts(key, gold[key], predicted.get(key))
    if "authors" in gold:
        result |= fieldsmith.text_counts(
            "authors",
            name_lists.clean_all(gold["authors"]),
            name_lists.clean_all(predicted.get("authors", [])),
        )
    for key, normal in (("id", identifiers.normal_id), ("doi", identifiers.normal_doi)):
        if key in gold:
            wanted, found = gold[key], predicted.get(key)
            exact = fieldsmith.exact_counts(wanted and normal(wanted), found and normal(found))
            result |= {f"{key}_{matching}": exact for matching in fieldsmith.MATCHINGS}
    return result
