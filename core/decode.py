"""Prompts in, answers out: batched greedy generation with a key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Generated:
    """What the model wrote after a prompt.

    ids: the tokens, the stop token included where one was reached.
    logprobs: natural logarithm of the probability of each.
    finished: whether a stop token was reached within the limit.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finished: bool


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    stops: Sequence[int],
    max_new_tokens: int,
    batch_size: int,
    progress: Callable[[int], object] = lambda _count: None,
) -> list[Generated]:
    """Generate greedily after each prompt; results in the order of the prompts.

    Prompts of like length share a batch, so the result for a prompt depends on the others only
    through the rounding of batched arithmetic; equal calls give equal results.

    progress: called with the number of prompts done since the last call.
    """
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    results: dict[int, Generated] = {}
    was_training = model.training
    model.eval()
    try:
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch = [prompts[i] for i in rows]
            answers = _generate_batch(model, batch, frozenset(stops), max_new_tokens)
            results |= dict(zip(rows, answers, strict=True))
            progress(len(rows))
    finally:
        model.train(was_training)
    return [results[i] for i in range(len(prompts))]


@torch.inference_mode()
def _generate_batch(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    stops: frozenset[int],
    max_new_tokens: int,
) -> list[Generated]:
    device = model.device
    longest = max(map(len, prompts))
    filler = next(iter(stops))
    padded = [[filler] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    ids = torch.tensor(padded, device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    mask = (torch.arange(longest, device=device) >= (longest - lengths)[:, None]).long()
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    written: list[list[int]] = [[] for _ in prompts]
    logprobs: list[list[float]] = [[] for _ in prompts]
    active = list(range(len(prompts)))
    ended: set[int] = set()
    cache = None
    for _step in range(max_new_tokens):
        output = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        scores = output.logits[:, -1].float()
        best, tokens = scores.max(dim=-1)
        probabilities = (best - scores.logsumexp(dim=-1)).tolist()
        chosen = tokens.tolist()
        going = []
        for row, (index, token, logprob) in enumerate(
            zip(active, chosen, probabilities, strict=True)
        ):
            written[index].append(token)
            logprobs[index].append(logprob)
            if token in stops:
                ended.add(index)
            if index not in ended:
                going.append(row)
        if not going:
            break
        ids, positions = tokens[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=-1)
        # Rows that ended are dropped a quarter at a time. Until then they write on, which
        # _until_stop cuts off.
        if len(going) <= len(active) * 3 // 4:
            keep = torch.tensor(going, device=device)
            cache.batch_select_indices(keep)
            ids, positions, mask = ids[keep], positions[keep], mask[keep]
            active = [active[row] for row in going]
    return [_until_stop(w, p, stops) for w, p in zip(written, logprobs, strict=True)]


def _until_stop(ids: list[int], logprobs: list[float], stops: frozenset[int]) -> Generated:
    end = next((i + 1 for i, token in enumerate(ids) if token in stops), None)
    return Generated(tuple(ids[:end]), tuple(logprobs[:end]), end is not None)
