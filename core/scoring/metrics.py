"""Precision, recall and F1 with confidence intervals, and the comparison of two systems.

A plugin's metric counts (matched, predicted, gold) by name for one document. All scores are
computed from the sums of those counts over documents: dividing after summing keeps F1 unbiased
where single documents have few or no answers (Forman and Scholz 2010, "Apples-to-Apples in
Cross-Validation Studies").

- Precision is matched / predicted, recall is matched / gold, F1 their harmonic mean, which is
  2 matched / (predicted + gold) (van Rijsbergen 1979, "Information Retrieval", chapter 7).
- Micro scores divide the sums over names (Manning, Raghavan and Schütze 2008, "Introduction to
  Information Retrieval", section 13.6); macro F1 is the mean of the names' F1, not the F1 of
  mean precision and recall (Opitz and Burst 2019, "Macro F1 and Macro F1").
- A division by zero gives 0. A name with nothing predicted and nothing gold in any document has
  no support: it has no score and is left out of macro F1, in a resample as in the whole.
- Intervals are percentile bootstrap intervals over documents (Efron and Tibshirani 1993, "An
  Introduction to the Bootstrap", chapter 13), of the resamples with support. If there are none,
  the interval is the whole range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data import Counts
from ..errors import InputError, PluginError, SettingsError, did_you_mean

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
DocumentCounts = Mapping[str, tuple[float, float, float]]
"""(matched, predicted, gold) of a document by name."""

RATES = ("precision", "recall", "f1")
RESERVED = ("micro", "macro", "whole_record")

WHOLE_RECORD = "whole_record/accuracy"
"""The share of documents in which all that makes up the score is right."""

# Sums of similarities (0.1 + 0.2 against 0.3) may differ in their last bits.
ROUNDING = 1e-9
# Above it a float cannot represent every whole number, and sums could overflow.
LARGEST_COUNT = 2.0**53
# Weights that are drawn at once (8 MiB an array): memory does not grow with the resamples.
BLOCK = 2**20


@dataclass(frozen=True)
class Interval:
    """A value, and the confidence interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """How confidence intervals are computed: by drawing documents with replacement.

    Attributes:
        samples: how many times the documents are drawn; with 0 intervals are the whole range.
        seed: of the draws; the same seed gives the same intervals.
        level: share of such intervals that contain the true value, in (0, 1).

    Raises:
        SettingsError: a value out of range.
    """

    samples: int = 1000
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.samples < 0:
            raise SettingsError(
                f"{self.samples} bootstrap samples cannot be drawn: ask for 0 or more"
            )
        if not 0 < self.level < 1:
            raise SettingsError(f"a confidence level lies between 0 and 1, not at {self.level}")

    def sums(self, table: Floats) -> Floats:
        """Return the sums over the documents drawn, (samples, …), of a table (documents, …)."""
        columns = table.reshape(len(table), -1)
        sums = [weights @ columns for weights in self._weights(len(table))]
        none = np.empty((0, columns.shape[1]))
        return np.concatenate([none, *sums]).reshape(self.samples, *table.shape[1:])

    def _weights(self, documents: int) -> Iterator[Floats]:
        """Yield how often each sample draws each document, in blocks (samples, documents)."""
        generator = np.random.default_rng(self.seed)
        rows = max(1, BLOCK // documents)
        for start in range(0, self.samples, rows):
            size = min(rows, self.samples - start)
            # Counting draws is a multinomial, and faster than numpy's for many documents.
            draws = generator.integers(documents, size=(size, documents))
            draws += documents * np.arange(size)[:, np.newaxis]
            counts = np.bincount(draws.ravel(), minlength=size * documents)
            yield counts.reshape(size, documents).astype(np.float64)

    def interval(self, value: float, usable: Floats, lowest: float = 0.0) -> Interval:
        """Return the percentile interval of the usable samples; the whole range without any."""
        if not len(usable):
            return Interval(value, lowest, 1.0)
        tails = [(1 - self.level) / 2, (1 + self.level) / 2]
        low, high = np.quantile(usable, tails).tolist()
        return Interval(value, low, high)


def precision_recall_f1(counts: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of summed counts, each from 0 to 1; 0 for 0 / 0.

    >>> precision_recall_f1((1, 2, 4))
    (0.5, 0.25, 0.3333333333333333)
    """
    precision, recall, f1 = _rates(np.array(counts, dtype=np.float64)).tolist()
    return precision, recall, f1


def total_counts(documents: Sequence[DocumentCounts]) -> dict[str, Counts]:
    """Return the sums (matched, predicted, gold) of every name that a document has.

    Raises: as ``score``, of the documents.
    """
    seen = _names(documents)
    totals: list[list[float]] = _table(documents, seen).sum(axis=0).tolist()
    return {
        name: Counts(matched, predicted, gold)
        for name, (matched, predicted, gold) in zip(seen, totals, strict=True)
    }


def score(
    documents: Sequence[DocumentCounts], names: Sequence[str], bootstrap: Bootstrap = Bootstrap()
) -> dict[str, Interval]:
    """Score a system by what a plugin's metric counted in each document.

    Args:
        documents: counts by name; a name that a document lacks counts nothing there.
        names: which of them make up the score.
        bootstrap: how intervals are computed.

    Returns:
        ``NAME/precision``, ``NAME/recall`` and ``NAME/f1`` for every name with support, in or out
        of ``names``; ``micro/…`` and ``macro/f1`` over ``names``; and ``score``, which is
        ``macro/f1``. If no name has support, the last ones are 0, between 0 and 1.

    Raises:
        InputError: there are no documents.
        PluginError: invalid counts (not 0 <= matched <= min(predicted, gold), or not finite), or a
            name that the core reserves.
        SettingsError: an unknown or repeated name.
    """
    seen = _names(documents)
    columns = _columns(names, seen)
    table = _table(documents, seen)
    totals, drawn = table.sum(axis=0), bootstrap.sums(table)
    parts = {name: (totals[i], drawn[:, i]) for i, name in enumerate(seen) if _supported(totals[i])}
    chosen, redrawn = totals[columns], drawn[:, columns]
    parts["micro"] = chosen.sum(axis=0), redrawn.sum(axis=1)
    scores: dict[str, Interval] = {}
    for name, (sums, again) in parts.items():
        values, rates = _rates(sums).tolist(), _rates(again)[_supported(again)]
        for column, rate in enumerate(RATES):
            scores[f"{name}/{rate}"] = bootstrap.interval(values[column], rates[:, column])
    macro = bootstrap.interval(float(_macro(chosen)), _macro(redrawn)[_any_support(redrawn)])
    return scores | {"macro/f1": macro, "score": macro}


def point_scores(documents: Sequence[DocumentCounts], names: Sequence[str]) -> dict[str, float]:
    """Return the values of ``score`` without their intervals.

    Arguments and errors are those of ``score``.
    """
    scores = score(documents, names, Bootstrap(samples=0))
    return {name: interval.value for name, interval in scores.items()}


def accuracy(
    documents: Sequence[DocumentCounts], names: Sequence[str], bootstrap: Bootstrap = Bootstrap()
) -> Interval:
    """Return the share of documents in which all of some names are right.

    A name is right where each value is matched, and where there is none on either side: a scalar is
    equal to the gold, or both are absent. Arguments and errors are those of ``score``.
    """
    seen = _names(documents)
    counts = _table(documents, seen)[:, _columns(names, seen)]
    equal = np.isclose(counts[..., :1], counts[..., 1:], rtol=ROUNDING, atol=ROUNDING)
    right: Floats = np.logical_and.reduce(equal, axis=(1, 2)).astype(np.float64)
    return bootstrap.interval(float(right.mean()), bootstrap.sums(right) / len(documents))


def paired_difference(
    ours: Sequence[DocumentCounts],
    theirs: Sequence[DocumentCounts],
    names: Sequence[str],
    bootstrap: Bootstrap = Bootstrap(),
) -> tuple[Interval, float]:
    """Compare the macro F1 of two systems on the same documents, in the same order.

    Both are resampled together (Koehn 2004, "Statistical Significance Tests for Machine
    Translation Evaluation"). The p-value is two-sided: how often a resampled difference lies at
    least as far from the observed one as that lies from 0 (Berg-Kirkpatrick, Burkett and Klein
    2012, "An Empirical Investigation of Statistical Significance in NLP"), with the observed one
    counted in, so that it is never 0 (Davison and Hinkley 1997, section 4.2).

    Returns:
        Ours minus theirs, from -1 to 1, and the p-value in (0, 1].

    Raises:
        InputError: there are no documents, or not as many of ours as of theirs.
        PluginError, SettingsError: as ``score``.
    """
    if len(ours) != len(theirs):
        raise InputError(
            f"{len(ours)} documents cannot be compared with {len(theirs)}: score both systems on"
            " the same documents"
        )
    seen = _names([*ours, *theirs])
    columns = _columns(names, seen)
    pair = np.stack([_table(system, seen)[:, columns] for system in (ours, theirs)], axis=1)
    observed, drawn = float(_difference(pair.sum(axis=0))), bootstrap.sums(pair)
    differences = _difference(drawn)[np.all(_any_support(drawn), axis=1)]
    as_far = np.abs(differences - observed) >= abs(observed) - ROUNDING
    p_value = float((1 + as_far.sum()) / (1 + len(differences)))
    return bootstrap.interval(observed, differences, lowest=-1.0), p_value


def _difference(totals: Floats) -> Floats:
    """Return the first system's macro F1 minus the second's, of (…, 2, names, 3)."""
    f1 = _macro(totals)
    # Sums that were added in another order must not make two equal systems differ.
    return np.round(f1[..., 0] - f1[..., 1], 12)


def _names(documents: Sequence[DocumentCounts]) -> list[str]:
    """Return every name once, in order of first appearance."""
    if not documents:
        raise InputError("there are no documents to score")
    names = dict.fromkeys(name for document in documents for name in document)
    for name in names:
        if not name or name in RESERVED:
            raise PluginError(f"extract_metric returned the name {name!r}, which cannot be used")
    return list(names)


def _columns(names: Sequence[str], seen: Sequence[str]) -> list[int]:
    """Return the indices in ``seen`` of the names that make up the score."""
    if not names:
        raise SettingsError(f"no metric name makes up the score; {did_you_mean('', seen)}")
    if len(set(names)) < len(names):
        raise SettingsError(f"a metric name makes up the score twice: {', '.join(names)}")
    for name in names:
        if name not in seen:
            raise SettingsError(f"unknown metric name {name!r}; {did_you_mean(name, seen)}")
    return [seen.index(name) for name in names]


def _table(documents: Sequence[DocumentCounts], seen: Sequence[str]) -> Floats:
    """Return the counts as an array (documents, names, 3), checked."""
    columns = {name: column for column, name in enumerate(seen)}
    table = np.zeros((len(documents), len(seen), 3))
    for row, document in enumerate(documents):
        for name, counts in document.items():
            try:
                matched, predicted, gold = counts
                table[row, columns[name]] = matched, predicted, gold
            except (TypeError, ValueError) as error:
                raise _broken(name, row, counts) from error
    return _checked(table, documents, seen)


def _checked(table: Floats, documents: Sequence[DocumentCounts], seen: Sequence[str]) -> Floats:
    matched, most = table[..., 0], table[..., 1:].min(axis=2)
    fine = (matched >= 0) & (matched <= most + ROUNDING * np.maximum(most, 1))
    fine &= table.max(axis=2) <= LARGEST_COUNT  # a NaN fails every comparison
    for row, column in np.argwhere(~fine).tolist():
        raise _broken(seen[column], row, documents[row][seen[column]])
    table[..., 0] = np.minimum(matched, most)
    return table


def _broken(name: str, row: int, counts: object) -> PluginError:
    return PluginError(
        f"extract_metric returned {counts!r} for {name!r} (document {row + 1} of those scored);"
        " it must be (matched, predicted, gold), finite, with 0 <= matched <= min(predicted, gold)"
    )


def _rates(totals: Floats) -> Floats:
    """Return precision, recall and F1 in place of (matched, predicted, gold), on the last axis."""
    matched, predicted, gold = totals[..., 0], totals[..., 1], totals[..., 2]
    numerators = np.stack([matched, matched, 2 * matched], axis=-1)
    denominators = np.stack([predicted, gold, predicted + gold], axis=-1)
    rates = np.divide(
        numerators, denominators, out=np.zeros_like(numerators), where=denominators > 0
    )
    # Equal sums that were added in another order may differ in their last bit.
    return np.minimum(rates, 1.0)


def _supported(totals: Floats) -> Flags:
    return totals[..., 1] + totals[..., 2] > 0


def _any_support(totals: Floats) -> Flags:
    """Return for (…, names, 3) whether at least one name has support."""
    some: Flags = np.logical_or.reduce(_supported(totals), axis=-1)
    return some


def _macro(totals: Floats) -> Floats:
    """Return the mean F1 of (…, names, 3) over the names with support; 0 if there is none."""
    count = np.maximum(_supported(totals).sum(axis=-1), 1)
    mean: Floats = _rates(totals)[..., 2].sum(axis=-1) / count  # without support, F1 adds 0
    return mean
