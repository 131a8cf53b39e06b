"""Checks of a plugin's metric and export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..data import Counts
from ..errors import PluginError, UnknownFormatError, did_you_mean, shortened
from ..scoring.metrics import precision_recall_f1, support
from .checks_schema import _fields
from .plugin_under_test import SkippedError, Subject, counted_without

_NONE: Counts = (0.0, 0.0, 0.0)


_PERFECT = 1 - 1e-9
"""F1 from which on it is 1 but for rounding."""


def check_metric_counts(subject: Subject) -> str:
    """It counts 0 <= matched <= min(predicted, gold) for any answer, and changes nothing."""
    _ = subject.scored
    if isinstance(subject.scoring, PluginError):
        raise subject.scoring
    for kind in subject.scoring:
        support(subject.scoring[kind])
    names = list(dict.fromkeys(name for each in subject.scoring["gold"] for name in each))
    return f"{', '.join(names)}"


def check_metric_counts_the_score(subject: Subject) -> str:
    """It counts every name that the setting score is made of."""
    totals = _totals(subject, "gold")
    wanted = subject.settings.score
    unknown = [name for name in wanted if name not in totals]
    if unknown:
        raise PluginError(
            f"it does not count {', '.join(unknown)}, which the score is made of; "
            f"{did_you_mean(unknown[0], totals)}"
        )
    if not any(_supported(totals[name]) for name in wanted or totals):
        raise PluginError("it counts nothing in the whole sample; count the gold record's leaves")
    return f"the score is made of {', '.join(wanted or totals)}"


def check_metric_is_full_for_gold(subject: Subject) -> str:
    """Gold records scored against themselves have an F1 of 1."""
    totals = _totals(subject, "gold")
    for name in _score_names(subject):
        if _supported(totals[name]) and _f1(totals[name]) < _PERFECT:
            matched, predicted, gold = totals[name]
            raise PluginError(
                f"{name}: F1 of the gold records against themselves is {_f1(totals[name]):.3f}; "
                f"it counts {matched:g} matched of {predicted:g} predicted and {gold:g} gold; "
                f"treat both sides alike"
            )
    return f"F1 of the gold records against themselves is 1 for {', '.join(_score_names(subject))}"


def check_metric_is_lower_for_wrong(subject: Subject) -> str:
    """Answers that are wrong in every leaf are not scored like right ones."""
    gold, wrong = _totals(subject, "gold"), _totals(subject, "wrong")
    fooled = [
        name for name in _supported_names(subject) if _f1(wrong.get(name, _NONE)) >= _f1(gold[name])
    ]
    if fooled:
        raise PluginError(
            f"{', '.join(fooled)}: F1 is {_f1(wrong[fooled[0]]):.3f} though every leaf of every "
            f"answer is wrong; compare prediction.record with example.record"
        )
    return _listing(wrong, _supported_names(subject))


def check_metric_is_lower_for_missing(subject: Subject) -> str:
    """Answers that say nothing, [] and null, miss what the gold records hold."""
    gold, empty = _totals(subject, "gold"), _totals(subject, "empty")
    fooled = [
        name for name in _supported_names(subject) if empty.get(name, _NONE)[0] >= gold[name][0]
    ]
    if fooled:
        raise PluginError(
            f"{', '.join(fooled)}: empty answers match as much as the gold records; count what "
            f"the gold record holds as gold, and as matched only what was predicted"
        )
    return _listing(empty, _supported_names(subject))


def check_metric_counts_no_answer(subject: Subject) -> str:
    """A document without a valid answer (record None) counts its gold, and nothing predicted."""
    none = _totals(subject, "none")
    names = _score_names(subject)
    for name in names:
        if none.get(name, _NONE)[0] or none.get(name, _NONE)[1]:
            raise PluginError(
                f"{name}: it counts {none[name][:2]} (matched, predicted) where there is no "
                f"answer; without a record nothing is predicted"
            )
    if not any(none.get(name, _NONE)[2] for name in names):
        raise PluginError(
            "it counts no gold where there is no answer, so a model that fails is not scored; "
            "count the gold record's leaves whether or not there is a prediction.record"
        )
    return f"{sum(none.get(name, _NONE)[2] for name in names):g} gold, 0 predicted"


def check_metric_skips_the_unannotated(subject: Subject) -> str:
    """A key that is absent from a gold record is not annotated, and makes nobody wrong."""
    required = subject.plugin.schema.get("required", ())
    tried = 0
    for example in subject.scored:
        assert example.record is not None
        for key in example.record:
            if key in required or key not in _fields(subject):
                continue
            counts = counted_without(subject.plugin, example, key)
            tried += 1
            for name in set(_score_names(subject)) & counts.keys():
                if _supported(counts[name]) and _f1(counts[name]) < _PERFECT:
                    raise PluginError(
                        f"{name}: where the gold record lacks {key!r}, a right answer counts "
                        f"{counts[name]}; do not count a field whose key the gold record lacks"
                    )
    return f"{tried} records without one of their keys"


def check_export_knows_its_formats(subject: Subject) -> str:
    """A format that extract_export does not write raises UnknownFormatError."""
    try:
        text = subject.plugin.export({}, "no-such-format")
    except UnknownFormatError as error:
        return str(error)
    raise PluginError(
        f"extract_export returned {shortened(text)} for the format 'no-such-format'; raise "
        f"fieldsmith.UnknownFormatError, naming the formats that there are"
    )


def _totals(subject: Subject, kind: str) -> dict[str, Counts]:
    try:
        return support(subject.counts(kind))
    except PluginError as error:
        raise SkippedError("its metric cannot be used") from error


def _score_names(subject: Subject) -> list[str]:
    totals = _totals(subject, "gold")
    return [name for name in subject.settings.score or totals if name in totals]


def _supported(counts: Counts) -> bool:
    return counts[1] + counts[2] > 0


def _supported_names(subject: Subject) -> list[str]:
    """Return the names that make up the score and have something to count in the gold records."""
    totals = _totals(subject, "gold")
    return [name for name in _score_names(subject) if totals[name][2]]


def _f1(counts: Counts) -> float:
    return precision_recall_f1(counts)[2]


def _listing(totals: Mapping[str, Counts], names: Sequence[str]) -> str:
    return "F1 " + ", ".join(f"{name} {_f1(totals.get(name, _NONE)):.2f}" for name in names)
