"""Score a dictionary baseline for named entities: the strings of the training documents.

    python benchmarks/baseline_ner.py TRAIN TEST

TRAIN and TEST are files or folders that the plugin medical_ner reads. Each string that is a
chemical (or disease) of a training document is found in a test document on word borders, case
folded, the longest first; a word that a longer string holds is not found again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fieldsmith import Document, Example, Prediction, Record
from fieldsmith.plugins import load
from fieldsmith.scoring.metrics import score

FIELDS = ("chemicals", "diseases")


def pattern_of(examples: Iterable[Example], field: str) -> re.Pattern[str]:
    """Return a pattern of all strings that a field holds, the longest first."""
    strings = {text.casefold() for e in examples for text in (e.record or {}).get(field, [])}
    longest_first = sorted(strings, key=lambda text: (-len(text), text))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)


def fitted(examples: Sequence[Example]) -> Callable[[Document], Record]:
    """Return a function that answers a document by the strings of the examples."""
    patterns = {field: pattern_of(examples, field) for field in FIELDS}

    def predict(document: Document) -> Record:
        found = {
            field: list({m[0].casefold(): m[0] for m in pattern.finditer(document.text)})
            for field, pattern in patterns.items()
        }
        return {**found, "relations": []}

    return predict


def main(train: Path, test: Path) -> None:
    """Print F1 by field, with its interval."""
    plugin = load("medical_ner")
    known = [row for row in plugin.load(train) if isinstance(row, Example)]
    unseen = [row for row in plugin.load(test) if isinstance(row, Example)]
    predict = fitted(known)
    counts = [plugin.metric(e, Prediction(e.document, record=predict(e.document))) for e in unseen]
    annotated = [field for field in FIELDS if any(field in row for row in counts)]
    for name, interval in score(counts, annotated).items():
        if name in {f"{field}/f1" for field in FIELDS}:
            print(f"{name:14} {interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
