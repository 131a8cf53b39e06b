"""Tags: labels of the text's tokens that say which field's value begins or continues there.

A second loss of training (Collobert and Weston 2008, "A unified architecture for natural language
processing") with labels for begin, inside and outside (Ramshaw and Marcus 1995, "Text chunking
using transformation-based learning"). An answer has few tokens; each token of the text says more of
where values are. No weights are added: a tag is a token of the vocabulary, which the model's own
head predicts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..data import IGNORED, Message, Record, Schema
from ..model.prompts import PromptFormat
from ..schema.navigation import field_schema, iter_fields
from ..schema.pointers import field_of, leaves, pointer_of
from ..text.grounding import occurrences

if TYPE_CHECKING:
    import torch

_DEEPEST = 8
"""Levels of a schema that are searched for fields: one may contain itself."""


class Tags:
    """The tags of a schema's verbatim strings, as one tokenizer has them.

    Attributes:
        outside: tag of a token that is part of no value: the token that ends an answer.
        by_field: field -> tag of the first token of a value, which is the first token of the
            field's name; and tag of a later one, the same with a space before the name.
        ids: all tags, ascending.
    """

    def __init__(self, schema: Schema, prompts: PromptFormat) -> None:
        self.prompts = prompts
        self.outside = prompts.end
        self.by_field: dict[str, tuple[int, int]] = {}
        for field in verbatim_fields(schema):
            name = field.rpartition("/")[2] or field
            self.by_field[field] = prompts.encode(name)[0], prompts.encode(f" {name}")[0]
        self.ids = sorted({self.outside, *(tag for pair in self.by_field.values() for tag in pair)})

    def label_prompt(self, text: str, messages: Sequence[Message], record: Record) -> list[int]:
        """Return a tag for each token of a prompt, or ``IGNORED``.

        If several fields hold a value, the first of them tags it.

        Args:
            text: the window's; if no message contains it unchanged, nothing is tagged.
            messages: the prompt, with the text in one of them.
            record: the window's answer.

        Raises:
            SettingsError: the tokenizer is a slow one, which has no offsets.
        """
        places = self.prompts.token_spans(messages, text)
        starts, ends = [place.start for place in places], [place.end for place in places]
        tags, taken = [self.outside] * len(places), [False] * len(places)
        for pointer, value in leaves(record):
            if not isinstance(value, str) or field_of(pointer) not in self.by_field:
                continue
            begins, inside = self.by_field[field_of(pointer)]
            for start, end in occurrences(text, value):
                first, last = bisect_right(ends, start), bisect_left(starts, end)
                if first < last and not any(taken[first:last]):
                    tags[first:last] = [begins] + [inside] * (last - first - 1)
                    taken[first:last] = [True] * (last - first)
        tagged = [IGNORED] * len(self.prompts.prompt(messages))
        for place, tag in zip(places, tags, strict=True):
            tagged[place.token] = tag
        return tagged


def is_list_of_strings(field: str, schema: Schema) -> bool:
    """Say whether a field is a list at the root of a schema."""
    return "/" not in field and "items" in field_schema(pointer_of([field]), schema)


def verbatim_fields(schema: Schema) -> list[str]:
    """Return the names of the fields whose strings are copied from the document."""
    fields = iter_fields(schema, _DEEPEST, recursive=True)
    verbatim = (name for name, part in fields if part.get("x-source") == "verbatim" and name)
    return list(dict.fromkeys(verbatim))


def tagging_loss(
    hidden: torch.Tensor, tags: torch.Tensor, ids: torch.Tensor, head: torch.Tensor
) -> torch.Tensor:
    """Return the sum of the cross entropies of the tags, each against the other tags alone.

    Args:
        hidden: input of the head at the tokens that have a tag, shape (tokens, width).
        tags: their token ids, shape (tokens,).
        ids: all tags, ascending, shape (tags,).
        head: weights of the model's head, shape (vocabulary, width).
    """
    import torch
    from torch.nn import functional

    scores = functional.linear(hidden, head[ids].to(hidden.dtype))
    wanted = torch.searchsorted(ids, tags)
    return functional.cross_entropy(scores.float(), wanted, reduction="sum")
