"""Sum up the counts of scored documents: scores by field, by whole record, and what would help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..data import Counts, Example, Prediction
from ..plugins import Plugin
from ..schema.navigation import empty_record, field_schema, types_of
from ..scoring.calibration import JudgedLeaf, calibration, judge_leaves
from ..scoring.metrics import (
    WHOLE_RECORD,
    accuracy,
    point_scores,
    score,
    total_counts,
)
from ..scoring.oracle import corrected, record_parts
from ..settings import Settings


@dataclass
class ScoredDocuments:
    """Counts of the documents that were scored; neither texts nor records are kept.

    Attributes:
        counts: the plugin's metric for each document.
        null: its metric for the empty record in place of the prediction.
        oracle: by field, its counts summed over documents where that field is right.
        leaves: the predicted leaves that are right or wrong, of all documents.
        totals: sums over documents: predictions with a record (``valid``) or constrained by the
            schema (``constrained``), windows ``read`` and in ``total``, and a prediction's counts.
    """

    counts: list[dict[str, Counts]] = field(default_factory=list)
    null: list[dict[str, Counts]] = field(default_factory=list)
    oracle: dict[str, dict[str, Counts]] = field(default_factory=dict)
    leaves: list[JudgedLeaf] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)

    def add(self, plugin: Plugin, example: Example, prediction: Prediction) -> None:
        """Count one document by the plugin's metric, on the gold as loaded."""
        schema = plugin.schema
        nothing = Prediction(example.document, record=empty_record(schema))
        counts = plugin.metric(example, prediction)
        self.counts.append(counts)
        self.null.append(plugin.metric(example, nothing))
        self._add_oracle(plugin, example, prediction, counts)
        self.leaves += judge_leaves(
            example.record, prediction.record, prediction.confidence, schema
        )
        self.totals.update(
            valid=prediction.record is not None,
            constrained=prediction.constrained,
            read=prediction.windows[0],
            total=prediction.windows[1],
            truncated=prediction.truncated,
            repeats=prediction.repeats,
            unsure=prediction.unsure,
            ungrounded=prediction.ungrounded,
        )

    def _add_oracle(
        self, plugin: Plugin, example: Example, prediction: Prediction, counts: dict[str, Counts]
    ) -> None:
        """Count the document once more for each field, as if that one were right."""
        for part in record_parts(plugin.schema):
            record = corrected(prediction.record, example.record or {}, part, plugin.schema)
            found = counts
            if record != prediction.record:
                found = plugin.metric(example, Prediction(example.document, record=record))
            before = self.oracle.get(part.name, {})
            self.oracle[part.name] = total_counts([before, found])


def score_predictions(
    plugin: Plugin, examples: Iterable[Example], predictions: Iterable[Prediction]
) -> ScoredDocuments:
    """Count every document by the plugin's metric, on the gold as loaded."""
    scored = ScoredDocuments()
    for example, prediction in zip(examples, predictions, strict=True):
        scored.add(plugin, example, prediction)
    return scored


def score_names(settings: Settings, counts: Sequence[dict[str, Counts]]) -> list[str]:
    """Return the metric names that make up the score: those of the settings, or all.

    A name that a data set has no gold for (its source does not annotate the field) is left out.
    """
    counted = metric_names(counts)
    return [name for name in settings.score if name in counted] or settings.score or counted


def summarise(
    plugin: Plugin, settings: Settings, scored: ScoredDocuments, split: str
) -> dict[str, Any]:
    """Return the scores as ``extract evaluate --json`` prints them.

    Every value has a 95 % bootstrap interval over documents; the null baseline answers every
    document with the empty record. A whole record is right if all that makes up the score is: the
    instance level of GROBID's "End-to-end evaluation".
    """
    names = score_names(settings, scored.counts)
    metrics = score(scored.counts, names)
    baseline = point_scores(scored.null, names)
    scalars = [name for name in metric_names(scored.counts) if _is_scalar(plugin, name)]
    for name in scalars:
        metrics[f"{name}/accuracy"] = accuracy(scored.counts, [name])
    metrics[WHOLE_RECORD] = accuracy(scored.counts, names)
    baseline[WHOLE_RECORD] = accuracy(scored.null, names).value
    documents, totals = len(scored.counts), scored.totals
    return {
        "plugin": plugin.name,
        "split": split,
        "documents": documents,
        "score": metrics["score"].value,
        "metrics": {name: asdict(interval) for name, interval in metrics.items()},
        "valid": totals["valid"] / max(1, documents),
        "windows": {"read": totals["read"], "total": totals["total"]},
        "constrained": totals["constrained"] == documents,
        "truncated": totals["truncated"],
        "repeats": totals["repeats"],
        "unsure": totals["unsure"],
        "ungrounded": totals["ungrounded"],
        "oracle": _oracle(scored, names, metrics["score"].value),
        "calibration": calibration(scored.leaves),
        "baselines": {
            "null": {"score": baseline["score"], "metrics": baseline},
        },
    }


def _oracle(
    scored: ScoredDocuments, names: Sequence[str], before: float
) -> dict[str, dict[str, float]]:
    """Return the score by field as if that field were right everywhere, the highest first."""
    none = dict.fromkeys(names, Counts(0.0, 0.0, 0.0))
    found = {
        field: point_scores([{**none, **totals}], names)["score"]
        for field, totals in scored.oracle.items()
    }
    ordered = sorted(found.items(), key=lambda pair: -pair[1])
    return {name: {"score": value, "gain": value - before} for name, value in ordered}


def metric_names(counts: Sequence[Mapping[str, Counts]]) -> list[str]:
    """Return the names that the metric counted, in order of appearance."""
    return list(dict.fromkeys(name for row in counts for name in row))


def _is_scalar(plugin: Plugin, name: str) -> bool:
    kinds = types_of(field_schema(f"/{name}", plugin.schema))
    return bool(kinds) and not {"array", "object"} & set(kinds)
