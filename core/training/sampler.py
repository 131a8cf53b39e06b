"""Batches of rows of similar length, in an order that depends on the seed alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import Sampler

_POOLS, _POOL_BATCHES = 4, 32
"""Rows are sorted by length in at least so many pools, of at most so many batches each."""


@dataclass(frozen=True)
class Mixture:
    """Rows of several domains in an epoch, as many of each as a temperature says.

    Attributes:
        domains: indices of the rows of each domain.
        counts: how many rows an epoch reads of each.
        seed: of the choice.
    """

    domains: Sequence[Sequence[int]]
    counts: Sequence[int]
    seed: int

    @staticmethod
    def of(domains: Sequence[int], temperature: float, seed: int) -> Mixture:
        """Return a mixture in which a domain of n rows has a share in proportion to n^(1/T).

        Temperature sampling (Arivazhagan et al. 2019, "Massively multilingual neural machine
        translation in the wild"): 1 keeps the numbers of rows, a large one makes them equal. An
        epoch reads as many rows as there are.

        Args:
            domains: the domain of each row.
            temperature: T, at least 1.
            seed: of the choice.
        """
        own = [[n for n, d in enumerate(domains) if d == domain] for domain in sorted({*domains})]
        weights = [len(rows) ** (1 / temperature) for rows in own]
        shares = [len(domains) * weight / sum(weights) for weight in weights]
        counts = [int(share) for share in shares]
        remainders = sorted(range(len(own)), key=lambda n: counts[n] - shares[n])
        for number in remainders[: len(domains) - sum(counts)]:
            counts[number] += 1
        return Mixture(own, counts, seed)

    def rows(self, epoch: int) -> list[int]:
        """Return the rows of an epoch, those of a domain beside each other.

        A domain's rows are read in rounds, each in another order: an epoch continues where the one
        before it ended, so that no row is read more than once more often than another.
        """
        return [
            row
            for rows, count in zip(self.domains, self.counts, strict=True)
            for row in self._rounds(rows, epoch * count, (epoch + 1) * count)
        ]

    def _rounds(self, rows: Sequence[int], start: int, end: int) -> Iterator[int]:
        for number in range(start // len(rows), -(-end // len(rows))):
            first = number * len(rows)
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
            order = torch.randperm(len(rows), generator=generator).tolist()
            for place in order[max(0, start - first) : end - first]:
                yield rows[place]


class LengthGroupedSampler(Sampler[int]):
    """Rows in random order, rows of like length beside each other.

    The order depends on seed and epoch alone. transformers' own sampler draws from the global
    random state, which a resumed run does not have at that point.

    Where several processes take turns at the batches, an epoch ends with fillers, so that each
    process has as many rows. accelerate would repeat the first rows of the epoch instead.

    Args:
        lengths: tokens of each row.
        batch: rows of similar length beside each other.
        seed: of the order.
        group: whether rows of similar length are beside each other at all.
        multiple: the number of indices in an epoch is a multiple of it. A filler's index is the
            number of rows.
        mixture: which rows an epoch has, as many as there are; None for each row once.

    Attributes:
        epoch: set before an epoch begins.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch: int,
        seed: int,
        *,
        group: bool,
        multiple: int = 1,
        mixture: Mixture | None = None,
    ) -> None:
        self.lengths, self.batch, self.seed, self.group = lengths, batch, seed, group
        self.fillers = -len(lengths) % multiple
        self.mixture = mixture
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths) + self.fillers

    def __iter__(self) -> Iterator[int]:
        yield from self._rows()
        yield from [len(self.lengths)] * self.fillers

    def _rows(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        if self.mixture is not None:
            chosen = self.mixture.rows(self.epoch)
            order = [chosen[place] for place in order]
        if not self.group:
            yield from order
            return
        # Sorted within pools: like lengths, and other batch mates in every epoch.
        pools = max(_POOLS, -(-len(order) // (_POOL_BATCHES * self.batch)))
        pool = -(-len(order) // (pools * self.batch)) * self.batch
        batches = []
        for start in range(0, len(order), pool):
            rows = sorted(order[start : start + pool], key=lambda row: -self.lengths[row])
            batches += [rows[at : at + self.batch] for at in range(0, len(rows), self.batch)]
        # A short batch stays last: the loader cuts the stream into batches by count alone.
        whole = [rows for rows in batches if len(rows) == self.batch]
        short = [rows for rows in batches if len(rows) < self.batch]
        for number in torch.randperm(len(whole), generator=generator).tolist():
            yield from whole[number]
        for rows in short:
            yield from rows


class RepeatedBatches(Sampler[int]):
    """The batches of another sampler, each several times in a row.

    Processes take turns at the batches, so that neighbours read the same rows.

    Args:
        sampler: gives whole batches.
        batch: rows of one.
        times: how often each is given.
    """

    def __init__(self, sampler: LengthGroupedSampler, batch: int, times: int) -> None:
        self.sampler, self.batch, self.times = sampler, batch, times

    def __len__(self) -> int:
        return len(self.sampler) * self.times

    def __iter__(self) -> Iterator[int]:
        rows = iter(self.sampler)
        while batch := list(itertools.islice(rows, self.batch)):
            yield from batch * self.times
