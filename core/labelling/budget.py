"""Bound the tokens and the money that answers cost.

Before a question is sent its cost is not known, so the most that it can cost is set aside; what it
did cost takes that place afterwards. So the bound is never exceeded.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from .teacher import Usage

_MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """Prices of a million tokens, in any currency.

    Attributes:
        prompt: of those that are read.
        completion: of those that are written.
    """

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, usage: Usage) -> float:
        """Return what answers cost."""
        read, written = usage.prompt_tokens, usage.completion_tokens
        return (read * self.prompt + written * self.completion) / _MILLION


class Budget:
    """What may be spent, and what is spent; used from several threads.

    Attributes:
        prices: of tokens.
        spent: what all answers so far have cost.
        is_exhausted: whether a question did not fit any more.
    """

    def __init__(
        self,
        spent: Usage | None = None,
        *,
        tokens: int | None = None,
        cost: float | None = None,
        prices: Prices | None = None,
    ) -> None:
        """Begin.

        Args:
            spent: what earlier answers have cost.
            tokens: that may be spent in all; None for any number.
            cost: money that may be spent in all; None for any.
            prices: of tokens.
        """
        self.prices, self.spent = prices or Prices(), spent or Usage()
        self.is_exhausted = False
        self._tokens, self._cost = tokens, cost
        self._reserved = Usage()
        self._changed = threading.Condition()

    def reserve(self, most: Usage, *, wait: bool = True) -> bool:
        """Set aside the most that a question can cost; say whether it fits.

        Args:
            most: what is set aside.
            wait: whether to wait for questions under way, which may cost less than was set aside
                for them, before it is decided that this one does not fit.
        """
        with self._changed:
            while not self._fits(most):
                if not wait or not self._reserved.requests:
                    self.is_exhausted = True
                    self._changed.notify_all()
                    return False
                self._changed.wait()
            if self.is_exhausted:
                return False  # no later question overtakes one that did not fit
            self._reserved += most
            return True

    def settle(self, most: Usage, cost: Usage | None) -> None:
        """Replace what was set aside for a question by what it did cost.

        Args:
            most: what was set aside.
            cost: what it did cost; None for nothing.
        """
        with self._changed:
            self._reserved += Usage(-most.prompt_tokens, -most.completion_tokens, -most.requests)
            self.spent += cost or Usage()
            self._changed.notify_all()

    def _fits(self, most: Usage) -> bool:
        whole = self.spent + self._reserved + most
        fits = self._tokens is None or whole.tokens <= self._tokens
        return fits and (self._cost is None or self.prices.cost(whole) <= self._cost)
