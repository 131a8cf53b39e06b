"""Prompts as the embedded model's tokenizer writes them, with which all checks are made."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..settings import Settings

if TYPE_CHECKING:
    from ..model.prompts import PromptFormat


@cache
def embedded_prompts() -> PromptFormat:
    """Return how the embedded model's tokenizer writes prompts."""
    from transformers import logging

    from ..model.prompts import PromptFormat
    from ..model.tokenizer import load_tokenizer

    logging.set_verbosity_error()  # it warns of documents that are too long for the model
    return PromptFormat(load_tokenizer(Settings()))
