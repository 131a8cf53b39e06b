"""A vector of each document: the mean of the model's hidden states over its text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..data import Document
from ..extraction.groups import groups_of
from ..model.attention import prompt_attention
from ..model.forward import rows_at_once
from ..task import Task
from ..windows.cutting import cut
from .spread import Vectors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WIDTH = 512
"""Numbers of a vector, at most: 2 KB a document."""

_AT_ONCE = 256
"""Documents whose windows are sorted by length, to be read with those of similar length."""

_SEED = 1


class Embedder:
    """Makes vectors of documents by forward passes over their prompts; nothing is generated."""

    def __init__(self, model: PreTrainedModel, task: Task) -> None:
        """Take the model and what it is asked for.

        Args:
            model: of a run, or one that was not trained.
            task: its prompt is around each text, as in training.
        """
        from peft import PeftModel

        answering: Any = model  # PEFT wraps it if the adapter is not merged
        is_adapted = isinstance(answering, PeftModel)
        self._model = answering.get_base_model() if is_adapted else answering
        self._attention = prompt_attention(task.settings)
        config = model.config.get_text_config(decoder=True)
        self._positions = int(getattr(config, "max_position_embeddings", None) or 1 << 30)
        self._projection = _projection(int(config.hidden_size))
        settings = task.settings
        # Sentences are read together: one by one, most of what is read would be instructions.
        size = min(settings.window_size, settings.max_length // 2)
        whole = replace(settings, window="tokens", window_size=size, window_overlap=0)
        self._task = replace(task, settings=whole, shots=())

    def embed(
        self,
        documents: Iterable[Document],
        progress: Callable[[int], object] = lambda _count: None,
    ) -> Vectors:
        """Return a vector of length 1 for each document, a row each, in order.

        It is the mean of the last hidden states over the tokens of the text. Of models wider than
        ``WIDTH`` it is projected at random to that width, which keeps distances (Johnson and
        Lindenstrauss 1984, "Extensions of Lipschitz mappings into a Hilbert space").

        Args:
            documents: what is read.
            progress: called with the number of documents done since the last call.
        """
        parts = [np.zeros((0, self._projection.shape[1]), dtype=np.float32)]
        for group in groups_of(documents, _AT_ONCE):
            sums = self._sums(group) @ self._projection
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            parts.append((sums / np.maximum(lengths, 1e-12)).astype(np.float32))
            progress(len(group))
        return np.concatenate(parts)

    def _sums(self, documents: Sequence[Document]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the sum of the hidden states of each document, a row each."""
        task = self._task
        prompts = []
        for number, document in enumerate(documents):
            for window in cut(document, task.settings, task.prompts):
                messages = task.messages(window.document)
                ids = task.prompts.prompt(messages)[: self._positions]
                spans = task.prompts.token_spans(messages, window.document.text)
                own = [span.token for span in spans if span.token < len(ids)]
                prompts.append((number, ids, own or list(range(len(ids)))))
        prompts.sort(key=lambda prompt: -len(prompt[1]))
        sums = np.zeros((len(documents), self._projection.shape[0]))
        while prompts:
            batch = prompts[: task.settings.eval_batch_size]
            rows = rows_at_once([len(ids) for _number, ids, _own in batch])
            batch, prompts = prompts[:rows], prompts[rows:]
            hidden = self._hidden([ids for _number, ids, _own in batch])
            for (number, _ids, own), states in zip(batch, hidden, strict=True):
                sums[number] += states[own].sum(dim=0).cpu().numpy()
        return sums

    def _hidden(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the last hidden states of some prompts: rows × tokens × width."""
        width, device = max(map(len, prompts)), self._model.device
        pad = self._task.prompts.end
        ids = torch.tensor([[*p, *[pad] * (width - len(p))] for p in prompts], device=device)
        mask = torch.tensor([[1] * len(p) + [0] * (width - len(p)) for p in prompts], device=device)
        attention = self._attention.prompt_mask(mask, self._model)
        with torch.inference_mode():
            decoder = self._model.get_decoder()
            hidden = decoder(input_ids=ids, attention_mask=attention, use_cache=False)[0]
        states: torch.Tensor = hidden.float()
        return states


def _projection(width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what vectors of a width are multiplied with; the identity for narrow ones."""
    if width <= WIDTH:
        return np.eye(width)
    drawn: np.ndarray[Any, np.dtype[np.float64]] = np.random.default_rng(_SEED).normal(
        scale=WIDTH**-0.5, size=(width, WIDTH)
    )
    return drawn
