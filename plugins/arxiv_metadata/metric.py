"""What is counted for one document: texts by GROBID's four matchings, authors as a set."""

from __future__ import annotations

import fieldsmith
from fieldsmith import Counts, Example, Prediction, Schema

from . import identifiers, names

MATCHED = ("id", "title", "authors", "abstract", "doi")


def counts(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Return (matched, predicted, gold) for each key that the gold record has, four times each.

    ``KEY_strict``, ``KEY_soft``, ``KEY_levenshtein``, ``KEY_ratcliff``. Both sides are written
    alike first: words broken at a line's end made whole, names split and cleaned, identifiers in
    their normal form. An identifier is right or wrong under each of the four, as with GROBID,
    which compares nothing but texts by their similarity.
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
            names.clean_all(gold["authors"]),
            names.clean_all(predicted.get("authors", [])),
        )
    for key, normal in (("id", identifiers.normal_id), ("doi", identifiers.normal_doi)):
        if key in gold:
            wanted, found = gold[key], predicted.get(key)
            exact = fieldsmith.exact_counts(wanted and normal(wanted), found and normal(found))
            result |= {f"{key}_{matching}": exact for matching in fieldsmith.MATCHINGS}
    return result
