"""Scores by name, their confidence intervals, and the comparison of two systems.

A plugin's metric counts (matched, predicted, gold) by name for one document. Everything here is
derived from the sums of those counts over documents: dividing after summing keeps F1 unbiased
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
  Introduction to the Bootstrap", chapter 13); resamples without support are left out. Where none
  remains, the interval is the whole range: nothing is known.
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
DocumentCounts = Mapping[str, Counts]

RATES = ("precision", "recall", "f1")
RESERVED = ("micro", "macro")

# Sums of similarities (0.1 + 0.2 against 0.3) may differ in their last bits.
ROUNDING = 1e-9
# Above it a float no longer holds every whole number, and sums could overflow.
LARGEST_COUNT = 2.0**53
# Weights drawn at once (8 MiB each array), so that memory does not grow with the resamples.
BLOCK = 2**20


@dataclass(frozen=True)
class Interval:
    """A value on the documents at hand, and between what it lies at the level asked for."""

    value: float
    low: float
    high: float


def precision_recall_f1(counts: Counts) -> tuple[float, float, float]:
    """Return precision, recall and F1 of summed counts, each from 0 to 1; 0 for 0 / 0.

    >>> precision_recall_f1((1, 2, 4))
    (0.5, 0.25, 0.3333333333333333)
    """
    precision, recall, f1 = _rates(np.array(counts, dtype=np.float64)).tolist()
    return precision, recall, f1


def support(documents: Sequence[DocumentCounts]) -> dict[str, Counts]:
    """Return the sums (matched, predicted, gold) of every name that a document has.

    Raises: as ``score``, of the documents.
    """
    seen = _names(documents)
    totals: list[list[float]] = _table(documents, seen).sum(axis=0).tolist()
    return {
        name: (matched, predicted, gold)
        for name, (matched, predicted, gold) in zip(seen, totals, strict=True)
    }


def score(
    documents: Sequence[DocumentCounts],
    names: Sequence[str],
    *,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Score a system: what a plugin's metric counted, document by document.

    documents: counts by name; a name that a document lacks counts nothing there.
    names: which of them make up the score.
    samples, seed: how many times the documents are resampled, and from what; the same seed gives
        the same intervals. With 0 samples, for the values alone, they are the whole range.
    level: share of such intervals that hold the true value, in (0, 1).

    Returns:
        ``NAME/precision``, ``NAME/recall`` and ``NAME/f1`` for every name with support, in or out
        of ``names``; ``micro/…`` and ``macro/f1`` over ``names``; and ``score``, which is
        ``macro/f1``. If no name has support, the last ones are 0, between 0 and 1.

    Raises:
        InputError: there are no documents.
        PluginError: counts that are none (not 0 <= matched <= min(predicted, gold), or not
            finite), or a name that is the core's own.
        SettingsError: an unknown or repeated name, or settings out of range.
    """
    seen = _names(documents)
    columns = _columns(names, seen)
    table = _table(documents, seen)
    totals, resampled = table.sum(axis=0), _resampled(table, samples, seed)
    scores: dict[str, Interval] = {}
    for column, name in enumerate(seen):
        if _supported(totals[column]):
            scores |= _intervals(name, totals[column], resampled[:, column], level)
    chosen, rechosen = totals[columns], resampled[:, columns]
    scores |= _intervals("micro", chosen.sum(axis=0), rechosen.sum(axis=1), level)
    macro = _interval(float(_macro(chosen)), _macro(rechosen), _any_support(rechosen), level)
    return scores | {"macro/f1": macro, "score": macro}


def point_scores(documents: Sequence[DocumentCounts], names: Sequence[str]) -> dict[str, float]:
    """Return the values of ``score`` without their intervals.

    Arguments and errors are those of ``score``.
    """
    scores = score(documents, names, samples=1)
    return {name: interval.value for name, interval in scores.items()}


def accuracy(
    documents: Sequence[DocumentCounts],
    name: str,
    *,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return the share of documents in which a scalar is right: as in the gold, or rightly absent.

    Arguments and errors are those of ``score``.
    """
    seen = _names(documents)
    (column,) = _columns([name], seen)
    counts = _table(documents, seen)[:, column]
    equal = np.isclose(counts[:, :1], counts[:, 1:], rtol=ROUNDING, atol=ROUNDING)
    right = np.min(equal.astype(np.float64), axis=1)
    shares = _resampled(right, samples, seed) / len(documents)
    return _interval(float(right.mean()), shares, np.ones(samples, dtype=np.bool_), level)


def paired_difference(
    ours: Sequence[DocumentCounts],
    theirs: Sequence[DocumentCounts],
    names: Sequence[str],
    *,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
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
    totals, resampled = pair.sum(axis=0), _resampled(pair, samples, seed)
    observed = float(_difference(totals))
    differences = _difference(resampled)
    usable: Flags = np.logical_and.reduce(_any_support(resampled), axis=1)
    interval = _interval(observed, differences, usable, level, lowest=-1.0)
    return interval, _p_value(observed, differences[usable])


def _difference(totals: Floats) -> Floats:
    """Return the first system's macro F1 minus the second's, of (…, 2, names, 3)."""
    f1 = _macro(totals)
    # Sums that were added in another order must not make two equal systems differ.
    return np.round(f1[..., 0] - f1[..., 1], 12)


def _p_value(observed: float, differences: Floats) -> float:
    as_far = np.abs(differences - observed) >= abs(observed) - ROUNDING
    return float((1 + as_far.sum()) / (1 + len(differences)))


def _names(documents: Sequence[DocumentCounts]) -> list[str]:
    """Return every name once, in the order in which they come."""
    if not documents:
        raise InputError("there are no documents to score")
    names = dict.fromkeys(name for document in documents for name in document)
    for name in names:
        if not name or name in RESERVED:
            raise PluginError(f"extract_metric returned the name {name!r}, which cannot be used")
    return list(names)


def _columns(names: Sequence[str], seen: Sequence[str]) -> list[int]:
    """Return where the names that make up the score stand among those seen."""
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


def _resampled(table: Floats, samples: int, seed: int) -> Floats:
    """Return the sums over documents, (samples, …), of documents drawn with replacement."""
    if samples < 0:
        raise SettingsError(f"{samples} bootstrap samples cannot be drawn: ask for 0 or more")
    columns = table.reshape(len(table), -1)
    sums = [weights @ columns for weights in _weights(len(table), samples, seed)]
    none = np.empty((0, columns.shape[1]))
    return np.concatenate([none, *sums]).reshape(samples, *table.shape[1:])


def _weights(documents: int, samples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each resample draws each document, in blocks (samples, documents)."""
    generator = np.random.default_rng(seed)
    rows = max(1, BLOCK // documents)
    for start in range(0, samples, rows):
        size = min(rows, samples - start)
        # Counting draws is a multinomial, and faster than numpy's for many documents.
        draws = generator.integers(documents, size=(size, documents))
        draws += documents * np.arange(size)[:, np.newaxis]
        counts = np.bincount(draws.ravel(), minlength=size * documents)
        yield counts.reshape(size, documents).astype(np.float64)


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
    """Say for (…, names, 3) where at least one name has support."""
    some: Flags = np.logical_or.reduce(_supported(totals), axis=-1)
    return some


def _macro(totals: Floats) -> Floats:
    """Return the mean F1 of (…, names, 3) over the names with support; 0 if there is none."""
    count = np.maximum(_supported(totals).sum(axis=-1), 1)
    mean: Floats = _rates(totals)[..., 2].sum(axis=-1) / count  # without support, F1 adds 0
    return mean


def _intervals(name: str, totals: Floats, resampled: Floats, level: float) -> dict[str, Interval]:
    """Return a name's three rates from its sums, (3,), and the resampled ones, (samples, 3)."""
    values, again, usable = _rates(totals), _rates(resampled), _supported(resampled)
    return {
        f"{name}/{rate}": _interval(float(values[column]), again[:, column], usable, level)
        for column, rate in enumerate(RATES)
    }


def _interval(
    value: float, resampled: Floats, usable: Flags, level: float, lowest: float = 0.0
) -> Interval:
    """Return the percentile interval of the usable resamples, or the whole range without any."""
    if not 0 < level < 1:
        raise SettingsError(f"a confidence level lies between 0 and 1, not at {level}")
    if not usable.any():
        return Interval(value, lowest, 1.0)
    low, high = np.quantile(resampled[usable], [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(value, low, high)
