"""Render messages to token ids, in the same way for training, evaluation and inference.

A prompt is tokenised piece by piece: the chat template may write control tokens, a document or a
record may not. So "<|eot_id|>" in a document stays text, and the answer begins with a token of its
own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jinja2

from ..data import Message
from ..errors import SettingsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase


# Some templates print today's date; prompts of different days have to be equal.
_DATE = datetime(2024, 7, 26)
_NOW = re.compile(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""")


@dataclass(frozen=True)
class TokenSpan:
    """A token of a prompt, and the span of the document's text that it covers.

    Attributes:
        token: index in the prompt.
        start: offset in the text, in code points.
        end: the same, exclusive.
    """

    token: int
    start: int
    end: int


class PromptFormat:
    """Converts messages and answers to token ids, for one tokenizer and its chat template.

    Attributes:
        tokenizer: the tokenizer.
        end: the token that ends an answer in training.
        stops: all tokens that end generation.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.chat_template:
            raise SettingsError(
                f"{tokenizer.name_or_path}: the tokenizer has no chat template; "
                f"choose an instruction-tuned model"
            )
        self.tokenizer = tokenizer
        # Depends on the roles alone, so a template is rendered once for all documents.
        self._markups: dict[tuple[tuple[str, ...], bool], list[str]] = {}
        self._markup_ids: dict[str, list[int]] = {}
        self._plain = _plain(tokenizer)
        self._template = _NOW.sub(
            lambda call: repr(_DATE.strftime(call[2])), tokenizer.get_chat_template()
        )
        self.end = self._end_token()
        eos = tokenizer.eos_token_id
        self.stops = tuple(dict.fromkeys([self.end, *([eos] if isinstance(eos, int) else [])]))

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation up to the beginning of the answer.

        Raises:
            SettingsError: the chat template refuses the messages, or writes two BOS tokens.
        """
        ids: list[int] = []
        for piece, is_content in self._pieces(messages, answer_begins=True):
            ids += self.encode(piece) if is_content else self._markup(piece)
        bos = self.tokenizer.bos_token_id
        # Some models begin each turn with their BOS token; none needs two in a row.
        if bos is not None and ids[:2] == [bos, bos]:
            raise self._unfit("writes two BOS")
        return ids

    def answer(self, text: str) -> list[int]:
        """Return the ids of an answer, the end token included."""
        return [*self.encode(text), self.end]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, in which the names of control tokens are plain text."""
        if self._plain is None:
            ids = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
            return list(ids)
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def count(self, text: str) -> int:
        """Return the number of tokens of a document's text."""
        return len(self.encode(text))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the start and end of each token of a document's text, in code points.

        Raises:
            SettingsError: the tokenizer is a slow one, which has no offsets.
        """
        if self._plain is None:
            raise SettingsError(
                "windows of tokens and tagging_weight need a fast tokenizer, which has offsets"
            )
        return list(self._plain.encode(text, add_special_tokens=False).offsets)

    def token_spans(self, messages: Sequence[Message], text: str) -> list[TokenSpan]:
        """Return the tokens of a text within its prompt.

        Args:
            messages: the prompt.
            text: contained in one of the messages; without such a message the result is empty.

        Raises:
            SettingsError: the tokenizer is a slow one, which has no offsets.
        """
        before = 0
        for piece, is_content in self._pieces(messages, answer_begins=True):
            at = piece.find(text) if is_content and text else -1
            if at >= 0:
                return [
                    TokenSpan(token, max(start - at, 0), min(end - at, len(text)))
                    for token, (start, end) in enumerate(self.offsets(piece), before)
                    if start < at + len(text) and end > at
                ]
            before += len(self.encode(piece) if is_content else self._markup(piece))
        return []

    def _markup(self, text: str) -> list[int]:
        if text not in self._markup_ids:
            self._markup_ids[text] = list(self.tokenizer.encode(text, add_special_tokens=False))
        return self._markup_ids[text]

    def _pieces(
        self, messages: Sequence[Message], *, answer_begins: bool
    ) -> list[tuple[str, bool]]:
        """Return the parts of a prompt, each with whether it is the content of a message."""
        try:
            return self._rendered(messages, answer_begins)
        except SettingsError:
            # Some templates have no system role: its text then begins the user's turn.
            if all(message.role != "system" for message in messages):
                raise
            return self._rendered(_without_system(messages), answer_begins)

    def _rendered(self, messages: Sequence[Message], answer_begins: bool) -> list[tuple[str, bool]]:
        key = tuple(message.role for message in messages), answer_begins
        if key not in self._markups:
            self._markups[key] = self._render(*key)
        *before, after = self._markups[key]
        pieces: list[tuple[str, bool]] = []
        for markup, message in zip(before, messages, strict=True):
            pieces += [(markup, False), (message.content, True)]
        return [*pieces, (after, False)]

    def _render(self, roles: Sequence[str], answer_begins: bool) -> list[str]:
        """Return what the template writes before each message's content, and after the last one."""
        marks = [f"⟦content-{i}⟧" for i in range(len(roles))]
        turns = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
        try:
            rendered: Any = self.tokenizer.apply_chat_template(
                turns,
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=answer_begins,
                date_string=_DATE.strftime("%d %b %Y"),
            )
        except jinja2.TemplateError as error:
            raise self._unfit(f"refuses: {error}") from error
        markup = []
        for mark, role in zip(marks, roles, strict=True):
            if rendered.count(mark) != 1:
                raise self._unfit(f"drops, moves or repeats a message ({role})")
            before, _mark, rendered = rendered.partition(mark)
            markup.append(before)
        return [*markup, rendered]

    def _unfit(self, fault: str) -> SettingsError:
        return SettingsError(f"{self.tokenizer.name_or_path}: the chat template {fault}")

    def _end_token(self) -> int:
        """Return the first control token that the template writes after an answer."""
        turns = [Message("user", ""), Message("assistant", "")]
        after = self._pieces(turns, answer_begins=False)[-1][0]
        special = set(self.tokenizer.all_special_ids)
        added = set(self.tokenizer.get_added_vocab().values())
        for token in self._markup(after):
            if token in special | added:
                return int(token)
        if isinstance(self.tokenizer.eos_token_id, int):
            return self.tokenizer.eos_token_id
        raise SettingsError(f"{self.tokenizer.name_or_path}: no token ends an answer")


def _without_system(messages: Sequence[Message]) -> list[Message]:
    system = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    if turns and turns[0].role == "user":
        system.append(turns.pop(0).content)
    return [Message("user", "\n\n".join(system)), *turns]


def _plain(tokenizer: PreTrainedTokenizerBase) -> Tokenizer | None:
    """Return a copy of a fast tokenizer for which the names of added tokens are plain text.

    transformers can do this for special tokens only; "<think>" is an added one that is not special.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    definition = json.loads(backend.to_str())
    for token in definition["added_tokens"]:
        token["special"] = True
    plain: Tokenizer = type(backend).from_str(json.dumps(definition))
    plain.no_padding()
    plain.no_truncation()
    plain.encode_special_tokens = True
    return plain
