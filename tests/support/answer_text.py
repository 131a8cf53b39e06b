"""The text of an answer's tokens, for tests that look at what is trained."""

from __future__ import annotations

from collections.abc import Sequence

from fieldsmith.model.prompts import PromptFormat


def text_of(ids: Sequence[int], prompts: PromptFormat) -> str:
    """Decode tokens up to the first one that ends generation."""
    stop = next((i for i, token in enumerate(ids) if token in prompts.stops), len(ids))
    decoded = prompts.tokenizer.decode(
        list(ids[:stop]), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return str(decoded)
