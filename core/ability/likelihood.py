"""The log-likelihood of texts under a causal language model.

Texts are plain: no chat template is applied, and what looks like a control token is text. A
continuation is tokenised together with its context, as it would be in a running text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..model.fitting import positions_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_WINDOW = 1024
"""Most tokens of a text that are read at once; a longer one is cut into such windows."""

_NUMBERS = {"cpu": 2**26, "cuda": 2**28}
"""Logits that a batch may have, by the type of the device; a longer row is a batch alone."""


@dataclass(frozen=True)
class Piece:
    """Tokens of which all from a position on are scored.

    Attributes:
        ids: the tokens.
        first: index of the first token that is scored, 1 or more.
    """

    ids: tuple[int, ...]
    first: int


@dataclass(frozen=True)
class Likelihood:
    """How likely the scored tokens of a piece are.

    Attributes:
        log_probability: the sum of their natural logarithms.
        is_greedy: whether the model would have written just these tokens.
    """

    log_probability: float
    is_greedy: bool


@dataclass(frozen=True)
class Tokens:
    """Cuts texts into pieces for one model.

    Attributes:
        tokenizer: of the model.
        positions: how many tokens the model takes; None where it does not say.
    """

    tokenizer: PreTrainedTokenizerBase
    positions: int | None

    @staticmethod
    def of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Tokens:
        """Return what cuts texts for a model."""
        return Tokens(tokenizer, positions_of(model.config))

    def continued(self, context: str, continuation: str, where: str) -> Piece:
        """Return a text of which the continuation is scored.

        Args:
            context: what comes before.
            continuation: what is scored; it begins with the space before it, if there is one.
            where: the place of the row, for messages.

        Raises:
            SettingsError: it is longer than the model takes.
        """
        start = self._start()
        before, ids = len(self._encode(context)), self._encode(context + continuation)
        # The end of the context and the beginning of the continuation may be one token.
        first = max(1, len(start) + min(before, len(ids) - 1))
        ids = [*start, *ids]
        if self.positions is not None and len(ids) > self.positions:
            raise SettingsError(
                f"{where}: has {len(ids)} tokens, and the model takes {self.positions}; shorten it"
            )
        return Piece(tuple(ids), first)

    def whole(self, text: str) -> list[Piece]:
        """Return a text of which every token is scored, once, in one window or more.

        Raises:
            SettingsError: the tokenizer has no token to begin with.
        """
        start = self._start() or self._end()
        ids, size = self._encode(text), min(_WINDOW, self.positions or _WINDOW)
        pieces = []
        at = 0
        while at < len(ids):
            before = start if at == 0 else ids[at - 1 : at]
            part = ids[at : at + size - len(before)]
            pieces.append(Piece((*before, *part), len(before)))
            at += len(part)
        return pieces

    def _encode(self, text: str) -> list[int]:
        encoded: list[int] = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True
        )["input_ids"]
        return encoded

    def _start(self) -> list[int]:
        """Return the token that the tokenizer begins every text with, if there is one."""
        begin = self.tokenizer.bos_token_id
        own: list[int] = self.tokenizer("a")["input_ids"]
        return own[:1] if begin is not None and own[:1] == [begin] else []

    def _end(self) -> list[int]:
        for token in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if isinstance(token, int):
                return [token]
        raise SettingsError("the tokenizer has neither a start token nor an end token")


def likelihoods(
    model: PreTrainedModel,
    pieces: Sequence[Piece],
    progress: Callable[[int], object] = lambda _count: None,
) -> list[Likelihood]:
    """Return the likelihood of each piece, in order.

    Args:
        model: a causal model in evaluation mode.
        pieces: what is scored.
        progress: called with the number of pieces that were scored since.
    """
    import torch

    found: list[Likelihood | None] = [None] * len(pieces)
    with torch.inference_mode():
        for batch in _batches(pieces, _most_tokens(model)):
            for index, likelihood in zip(batch, _of_batch(model, pieces, batch), strict=True):
                found[index] = likelihood
            progress(len(batch))
    return [each for each in found if each is not None]


def _most_tokens(model: PreTrainedModel) -> int:
    numbers = _NUMBERS.get(model.device.type, _NUMBERS["cpu"])
    return max(1, numbers // int(model.config.get_text_config(decoder=True).vocab_size))


def _batches(pieces: Sequence[Piece], most: int) -> Iterator[list[int]]:
    """Yield the indices of a batch after another, the longest pieces first."""
    batch: list[int] = []
    for index in sorted(range(len(pieces)), key=lambda index: -len(pieces[index].ids)):
        if batch and (len(batch) + 1) * len(pieces[batch[0]].ids) > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _of_batch(
    model: PreTrainedModel, pieces: Sequence[Piece], batch: Sequence[int]
) -> Iterator[Likelihood]:
    import torch

    longest = len(pieces[batch[0]].ids)
    ids = torch.zeros((len(batch), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, index in enumerate(batch):
        own = pieces[index].ids
        ids[row, : len(own)] = torch.tensor(own)
        mask[row, : len(own)] = 1
    forward: Any = model
    logits = forward(
        input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False
    ).logits
    for row, index in enumerate(batch):
        piece = pieces[index]
        wanted = ids[row, piece.first : len(piece.ids)].to(logits.device)
        scored = logits[row, piece.first - 1 : len(piece.ids) - 1].float()
        chosen = scored.log_softmax(-1).gather(1, wanted[:, None])
        yield Likelihood(float(chosen.double().sum()), bool((scored.argmax(-1) == wanted).all()))
