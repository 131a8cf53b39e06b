"""Checks of a plugin's metric and export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..data import Counts
from ..errors import PluginError, UnknownFormatError, did_you_mean, shortened
from ..scoring.metrics import precision_recall_f1, total_counts
from .failures import SkippedError
from .metric_answers import count_without, unchangeable_fields
from .plugin_under_test import PluginUnderTest
from .registry import check

_NONE = Counts(0.0, 0.0, 0.0)
_PERFECT = 1 - 1e-9
"""F1 from which on it is 1 but for rounding."""


@check
def check_metric_counts(tested: PluginUnderTest) -> str:
    """It counts 0 <= matched <= min(predicted, gold) for any answer, without side effects."""
    if isinstance(tested.counts, PluginError):
        raise tested.counts
    for counts in tested.counts.values():
        total_counts(counts)
    return ", ".join(dict.fromkeys(name for each in tested.counts["gold"] for name in each))


@check
def check_metric_counts_the_score(tested: PluginUnderTest) -> str:
    """It counts every name in the setting score."""
    totals = _totals(tested, "gold")
    wanted = tested.settings.score
    unknown = [name for name in wanted if name not in totals]
    if unknown:
        raise PluginError(
            f"it does not count {', '.join(unknown)}, which is part of the score; "
            f"{did_you_mean(unknown[0], totals)}"
        )
    if not any(_supported(totals[name]) for name in wanted or totals):
        raise PluginError("it counts nothing in the whole sample; count the gold record's leaves")
    return f"the score is the mean of {', '.join(wanted or totals)}"


@check
def check_metric_is_full_for_gold(tested: PluginUnderTest) -> str:
    """Gold records scored against themselves have an F1 of 1."""
    totals = _totals(tested, "gold")
    names = _score_names(tested)
    for name in names:
        if _is_imperfect(totals[name]):
            matched, predicted, gold = totals[name]
            raise PluginError(
                f"{name}: F1 of the gold records against themselves is {_f1(totals[name]):.3f}; "
                f"it counts {matched:g} matched of {predicted:g} predicted and {gold:g} gold; "
                f"treat both sides alike"
            )
    return f"F1 of the gold records against themselves is 1 for {', '.join(names)}"


@check
def check_metric_is_lower_for_wrong(tested: PluginUnderTest) -> str:
    """Answers that are wrong in every leaf get a lower F1 than right ones."""
    gold, wrong = _totals(tested, "gold"), _totals(tested, "wrong")
    records = (example.record for example in tested.scored)
    fixed = unchangeable_fields(records, tested.plugin.schema)
    names = [name for name in _names_with_gold(tested) if name not in fixed]
    if not names:
        raise SkippedError(f"no other value is valid for {', '.join(sorted(fixed))}")
    equal = [name for name in names if _f1(wrong.get(name, _NONE)) >= _f1(gold[name])]
    if equal:
        raise PluginError(
            f"{', '.join(equal)}: F1 is {_f1(wrong[equal[0]]):.3f} though every leaf of every "
            f"answer is wrong; compare prediction.record with example.record"
        )
    return _listing(wrong, names)


@check
def check_metric_is_lower_for_missing(tested: PluginUnderTest) -> str:
    """Empty answers ([] and null) match less than the gold records do."""
    gold, empty = _totals(tested, "gold"), _totals(tested, "empty")
    names = _names_with_gold(tested)
    equal = [name for name in names if empty.get(name, _NONE)[0] >= gold[name][0]]
    if equal:
        raise PluginError(
            f"{', '.join(equal)}: empty answers match as much as the gold records; count what "
            f"the gold record holds as gold, and as matched only what was predicted"
        )
    return _listing(empty, names)


@check
def check_metric_counts_no_answer(tested: PluginUnderTest) -> str:
    """A document without a valid answer (record None) counts its gold, and nothing predicted."""
    names = _score_names(tested)
    totals = _totals(tested, "none")
    none = {name: totals.get(name, _NONE) for name in names}
    for name, (matched, predicted, _gold) in none.items():
        if matched or predicted:
            raise PluginError(
                f"{name}: it counts {none[name][:2]} (matched, predicted) where there is no "
                f"answer; without a record nothing is predicted"
            )
    if not any(counts[2] for counts in none.values()):
        raise PluginError(
            "it counts no gold where there is no answer, so a model that fails is not scored; "
            "count the gold record's leaves whether or not there is a prediction.record"
        )
    return f"{sum(counts[2] for counts in none.values()):g} gold, 0 predicted"


@check
def check_metric_skips_the_unannotated(tested: PluginUnderTest) -> str:
    """A key that is absent from a gold record is not annotated and makes no answer wrong."""
    required = tested.plugin.schema.get("required", ())
    tried = 0
    for example in tested.scored:
        for key in example.record or ():
            if key in required or key not in tested.fields:
                continue
            counts = count_without(tested.plugin, example, key)
            tried += 1
            for name in set(_score_names(tested)) & counts.keys():
                if _is_imperfect(counts[name]):
                    raise PluginError(
                        f"{name}: where the gold record lacks {key!r}, a right answer counts "
                        f"{counts[name]}; do not count a field whose key the gold record lacks"
                    )
    return f"{tried} records without one of their keys"


@check
def check_export_knows_its_formats(tested: PluginUnderTest) -> str:
    """extract_export raises UnknownFormatError for a format that it does not write."""
    try:
        text = tested.plugin.export({}, "no-such-format")
    except UnknownFormatError as error:
        return str(error)
    raise PluginError(
        f"extract_export returned {shortened(text)} for the format 'no-such-format'; raise "
        f"fieldsmith.UnknownFormatError, naming the formats that there are"
    )


def _totals(tested: PluginUnderTest, kind: str) -> dict[str, Counts]:
    try:
        if isinstance(tested.counts, PluginError):
            raise tested.counts
        return total_counts(tested.counts[kind])
    except PluginError as error:
        raise SkippedError("its metric cannot be used") from error


def _score_names(tested: PluginUnderTest) -> list[str]:
    totals = _totals(tested, "gold")
    return [name for name in tested.settings.score or totals if name in totals]


def _names_with_gold(tested: PluginUnderTest) -> list[str]:
    """Return the names that make up the score and count some gold."""
    totals = _totals(tested, "gold")
    return [name for name in _score_names(tested) if totals[name][2]]


def _supported(counts: Counts) -> bool:
    return counts[1] + counts[2] > 0


def _is_imperfect(counts: Counts) -> bool:
    return _supported(counts) and _f1(counts) < _PERFECT


def _f1(counts: Counts) -> float:
    return precision_recall_f1(counts)[2]


def _listing(totals: Mapping[str, Counts], names: Sequence[str]) -> str:
    return "F1 " + ", ".join(f"{name} {_f1(totals.get(name, _NONE)):.2f}" for name in names)
